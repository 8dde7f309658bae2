"""Tasks that are ready, and the order in which they get a worker."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class ReadyTask(NamedTuple):
    """A task that waits for a worker."""

    run_id: str
    dag_id: str
    task_id: str
    pool: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may run at once."""

    max_workers: int
    pools: Mapping[str, int] = field(default_factory=dict)  #: slots by name


class ReadyQueue:
    """Gives out tasks in turn to the DAGs, and within a DAG in the order in which they became ready.

    A task whose pool is full lets the others pass. `take` and `release` keep count of workers and pool slots.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._by_dag: OrderedDict[str, deque[ReadyTask]] = OrderedDict()
        self._busy = 0
        self._in_pool: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._by_dag.values()))

    @property
    def busy(self) -> int:
        """How many workers are taken."""
        return self._busy

    def put(self, task: ReadyTask) -> None:
        """Add a task behind the others of its DAG."""
        self._by_dag.setdefault(task.dag_id, deque()).append(task)

    def take(self) -> ReadyTask | None:
        """Return the next task that may start, and count it as running; None if none may."""
        if self._busy >= self.limits.max_workers:
            return None
        for dag_id, tasks in self._by_dag.items():
            task = self._first_with_a_slot(tasks)
            if task is None:
                continue
            tasks.remove(task)
            self._by_dag.move_to_end(dag_id)
            if not tasks:
                del self._by_dag[dag_id]
            self._busy += 1
            if task.pool is not None:
                self._in_pool[task.pool] += 1
            return task
        return None

    def release(self, pool: str | None) -> None:
        """Count one running task, of that pool, less."""
        self._busy -= 1
        if pool is not None:
            self._in_pool[pool] -= 1

    def discard(self, run_id: str, task_ids: Collection[str]) -> None:
        """Forget these tasks of a run, as far as they wait here."""
        for dag_id, tasks in list(self._by_dag.items()):
            kept = deque(task for task in tasks if task.run_id != run_id or task.task_id not in task_ids)
            if kept:
                self._by_dag[dag_id] = kept
            else:
                del self._by_dag[dag_id]

    def _first_with_a_slot(self, tasks: deque[ReadyTask]) -> ReadyTask | None:
        pools = self.limits.pools
        return next(
            (task for task in tasks if task.pool is None or self._in_pool[task.pool] < pools[task.pool]), None
        )
