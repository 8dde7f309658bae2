"""Tasks that are ready, and the order in which they get a worker."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ppacer_nb.engine.ranking import Ranking


class ReadyTask(NamedTuple):
    """A task that waits for a worker."""

    run_id: str
    dag_id: str
    task_id: str
    pool: str | None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may run at once."""

    max_workers: int
    pools: Mapping[str, int] = field(default_factory=dict)  #: slots by name


class _Place(NamedTuple):
    """Where a task stands within its DAG: the lowest comes first."""

    reversed_priority: int
    number: int  #: in the order of becoming ready


class _Turn(NamedTuple):
    """Where the first task of a DAG for a pool stands among those of the others: the lowest comes first."""

    reversed_priority: int
    served: int  #: when the DAG was given a worker last
    number: int  #: in the order of becoming ready


@dataclass(slots=True)
class _Dag:
    """The waiting tasks of a DAG by pool, and what it has taken."""

    lines: dict[str | None, Ranking[ReadyTask, _Place]] = field(default_factory=dict)
    running: int = 0
    limit: int | None = None  #: of what runs at once; None: none of its own
    served: int = 0  #: the number of the `take` that it was last given a worker by; 0: none yet

    @property
    def is_full(self) -> bool:
        """Whether nothing more of it may run now."""
        return self.limit is not None and self.running >= self.limit


class ReadyQueue:
    """Gives out, of the tasks that may start, the one of highest priority.

    Of equal priorities, DAGs take turns: the one that was given a worker longest ago comes first. Within a
    DAG, tasks come in the order in which they became ready. A DAG at its limit lets the others pass, and so
    does a task whose pool is full.

    `take` and `release` keep count of workers, pool slots and what runs of each DAG. What each method costs
    depends on how many pools there are, and hardly on how many tasks wait.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting: dict[tuple[str, str], ReadyTask] = {}  # by run and task
        self._dags: dict[str, _Dag] = {}
        self._turns: dict[str | None, Ranking[str, _Turn]] = {}  # by pool: the DAGs with a task for it
        self._busy = 0
        self._in_pool: Counter[str] = Counter()
        self._puts = itertools.count()
        self._takes = itertools.count(1)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """How many workers are taken."""
        return self._busy

    @property
    def slots_taken(self) -> dict[str, int]:
        """How many slots are taken of every pool."""
        return {pool: self._in_pool[pool] for pool in self.limits.pools}

    def limit(self, dag_id: str, max_active_tasks: int | None) -> None:
        """Let no more tasks of a DAG run at once from now on; None: as many as there is room for."""
        dag = self._dag(dag_id)
        dag.limit = max_active_tasks
        self._line_up(dag_id, dag)

    def put(self, task: ReadyTask) -> None:
        """Add a task, behind the others of its DAG that have its priority."""
        self._waiting[task.run_id, task.task_id] = task
        dag = self._dag(task.dag_id)
        line = dag.lines.setdefault(task.pool, Ranking())
        line.set(task, _Place(-task.priority, next(self._puts)))
        first = line.first
        if first is not None and first[1] is task:
            self._line_up_for(task.pool, task.dag_id, dag)

    def take(self) -> ReadyTask | None:
        """Return the next task that may start, and count it as running; None if none may."""
        if not self._waiting or self._busy >= self.limits.max_workers:
            return None
        best: tuple[_Turn, str, str | None] | None = None
        for pool, dags in self._turns.items():
            first = self._first(pool, dags)
            if first is not None and (best is None or first[0] < best[0]):
                best = (*first, pool)
        if best is None:
            return None
        _, dag_id, pool = best
        dag = self._dags[dag_id]
        task = dag.lines[pool].pop()
        del self._waiting[task.run_id, task.task_id]
        self._busy += 1
        dag.running += 1
        dag.served = next(self._takes)
        if pool is not None:
            self._in_pool[pool] += 1
        self._line_up(dag_id, dag)
        return task

    def release(self, dag_id: str, pool: str | None) -> None:
        """Count one running task, of that DAG and pool, less."""
        dag = self._dags[dag_id]
        was_full = dag.is_full
        self._busy -= 1
        dag.running -= 1
        if pool is not None:
            self._in_pool[pool] -= 1
        if was_full:
            self._line_up(dag_id, dag)

    def discard(self, run_id: str, task_ids: Collection[str]) -> None:
        """Forget these tasks of a run, as far as they wait here."""
        for id in task_ids:
            task = self._waiting.pop((run_id, id), None)
            if task is not None:
                dag = self._dags[task.dag_id]
                dag.lines[task.pool].discard(task)
                self._line_up_for(task.pool, task.dag_id, dag)

    def _dag(self, dag_id: str) -> _Dag:
        return self._dags.setdefault(dag_id, _Dag())

    def _first(self, pool: str | None, dags: Ranking[str, _Turn]) -> tuple[_Turn, str] | None:
        is_full = pool is not None and self._in_pool[pool] >= self.limits.pools[pool]
        return None if is_full else dags.first

    def _line_up(self, dag_id: str, dag: _Dag) -> None:
        """Let a DAG take its turns as they are now."""
        for pool in dag.lines:
            self._line_up_for(pool, dag_id, dag)

    def _line_up_for(self, pool: str | None, dag_id: str, dag: _Dag) -> None:
        first = dag.lines[pool].first
        turns = self._turns.setdefault(pool, Ranking())
        if first is None or dag.is_full:
            turns.discard(dag_id)
        else:
            place, _ = first
            turns.set(dag_id, _Turn(place.reversed_priority, dag.served, place.number))
