"""Running one DAG to its end, here and now: ``dag.run()``."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ppacer_nb import values
from ppacer_nb.errors import InvalidOption, NotFound
from ppacer_nb.model.attempt import ErrorInfo, Files, LogLine
from ppacer_nb.model.dag import DagSpec, did_you_mean
from ppacer_nb.model.history import AttemptRecord, RunRecord
from ppacer_nb.model.ids import run_id_of
from ppacer_nb.model.values import Value
from ppacer_nb.scheduler.loop import LAST_WAIT
from ppacer_nb.scheduler.service import DEFAULT_MAX_WORKERS, Scheduler, SchedulerOptions
from ppacer_nb.status import AttemptState, RunState, RunType
from ppacer_nb.views.answers import run_page
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered

EXECUTORS = ("kernel", "thread")
#: Between two calls of `on_change`, in seconds; the end of the run is told at once.
PAUSE = 0.25
OnChange = Callable[[RunRecord, Sequence[AttemptRecord]], None]


@dataclass(frozen=True)
class TaskResult:
    """How one task of a run ended."""

    id: str
    state: AttemptState
    attempts: Sequence[AttemptRecord]  #: those that started, in order
    logs: Sequence[LogLine] = field(repr=False)  #: of all its attempts
    _value: Value | None = field(repr=False)

    @property
    def value(self) -> Any:
        """What the task returned, as a copy of its own; None if it did not succeed."""
        return None if self._value is None else values.load(self._value)

    @property
    def error(self) -> ErrorInfo | None:
        """Why its last attempt failed, None if it did not."""
        return self.attempts[-1].error if self.attempts else None

    @property
    def files(self) -> Files:
        """The executed notebook and the report of its last attempt, where there are any."""
        return self.attempts[-1].files if self.attempts else Files()


class RunResult(Mapping[str, TaskResult]):
    """How a run ended: its tasks by id, in the order of the graph."""

    def __init__(
        self,
        run: RunRecord,
        attempts: Sequence[AttemptRecord],
        tasks: Mapping[str, TaskResult],
        folder: Path,
    ) -> None:
        self.run = run
        self.attempts = attempts  #: of all tasks, in the order in which they began
        self.folder = folder  #: where its files are; a temporary one goes when the result does
        self._tasks = tasks

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    @property
    def state(self) -> RunState:
        """How the run ended. It compares equal to its name: ``result.state == "success"``."""
        return self.run.state

    @property
    def duration(self) -> timedelta:
        """How long it took."""
        assert self.run.ended_at is not None
        return self.run.ended_at - (self.run.started_at or self.run.created_at)

    def __getitem__(self, task_id: str) -> TaskResult:
        try:
            return self._tasks[task_id]
        except KeyError:
            raise NotFound(
                f"run {self.run_id!r} has no task {task_id!r}{did_you_mean(task_id, self._tasks)}."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return self._page().text

    def _repr_html_(self) -> str:
        return self._page().html

    def _page(self) -> Rendered:
        ended = self.run.ended_at
        assert ended is not None
        return run_page(self.run, self.attempts, None, [], Reader(ended, ended.astimezone().tzinfo or UTC))


def run_once(
    dag: DagSpec,
    *,
    logical_date: datetime | None = None,
    params: Mapping[str, Any] | None = None,
    store: Path | None = None,
    executor: str | None = None,
    on_change: OnChange | None = None,
) -> RunResult:
    """Run `dag` to its end in a scheduler of its own and return what came out. See `DAG.run`.

    `on_change` is called, in the calling thread, with the run and its attempts when they have changed, a few
    times a second at most.
    """
    temporary = None if store is not None else Path(tempfile.mkdtemp(prefix="ppacer-"))
    folder = temporary if store is None else store.absolute().parent / "runs"
    assert folder is not None
    try:
        result = _run(dag, folder, logical_date, params, store, executor, on_change)
    except BaseException:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    if temporary is not None:
        weakref.finalize(result, shutil.rmtree, temporary, ignore_errors=True)
    return result


def _run(
    dag: DagSpec,
    folder: Path,
    logical_date: datetime | None,
    params: Mapping[str, Any] | None,
    store: Path | None,
    executor: str | None,
    on_change: OnChange | None,
) -> RunResult:
    pools = {task.options.pool for task in dag.tasks.values()} - {None}
    options = SchedulerOptions(
        store=store,
        runs_folder=folder,
        pools={str(pool): DEFAULT_MAX_WORKERS for pool in pools},
        receivers=(),
        notebook="dag.run()",
        recovers=False,  # what a scheduler has left there is for a scheduler
    )
    scheduler = Scheduler(options)
    point = logical_date or datetime.now(UTC)
    run_id = run_id_of(dag.id, RunType.MANUAL, point)
    try:
        scheduler.register(_on_executor(dag, executor), scheduled=False)
        _, end = scheduler.trigger_run(dag.id, params=params, logical_date=point, by="dag.run()")
        if on_change is not None:
            _follow(scheduler, run_id, end, on_change)
        end.result()
        scheduler.flush()
        return _result(scheduler, dag, run_id, folder)
    except KeyboardInterrupt:
        _cancel(scheduler, run_id)
        raise
    finally:
        scheduler.stop(wait=timedelta(0))


def _cancel(scheduler: Scheduler, run_id: str) -> None:
    with suppress(NotFound):  # it was not made yet, or has just ended
        scheduler.cancel(run_id, by="an interrupt")
        wait([scheduler.end_of(run_id)], timeout=LAST_WAIT.total_seconds())


def _follow(scheduler: Scheduler, run_id: str, end: Future[RunState], on_change: OnChange) -> None:
    changes: SimpleQueue[object] = SimpleQueue()
    unsubscribe = scheduler.subscribe(changes.put)
    end.add_done_callback(lambda _: changes.put(None))
    more: object = True
    while more is not None:
        while not changes.empty() and more is not None:
            more = changes.get()
        run = scheduler.history.run(run_id)
        assert run is not None
        on_change(run, scheduler.history.attempts(run_id))
        if more is not None:
            wait([end], timeout=PAUSE)
            more = changes.get()
    unsubscribe()


def _on_executor(dag: DagSpec, executor: str | None) -> DagSpec:
    """Return `dag` with its functions on that executor."""
    if executor is None:
        return dag
    if executor not in EXECUTORS:
        raise InvalidOption(
            f"executor is {executor!r}{did_you_mean(executor, EXECUTORS)}: give 'kernel' or 'thread'."
        )
    tasks = {
        id: task
        if task.kind == "notebook"
        else replace(task, options=replace(task.options, executor=executor))
        for id, task in dag.tasks.items()
    }
    return replace(dag, tasks=tasks)


def _result(scheduler: Scheduler, dag: DagSpec, run_id: str, folder: Path) -> RunResult:
    history = scheduler.history
    run, attempts, lines = (
        history.run(run_id),
        history.attempts(run_id),
        history.logs(run_id, limit=1_000_000),
    )
    assert run is not None
    tasks = {}
    for id in dag.tasks:
        own = [attempt for attempt in attempts if attempt.task_id == id]
        tasks[id] = TaskResult(
            id=id,
            state=own[-1].state,
            attempts=[attempt for attempt in own if attempt.attempt],
            logs=[record.line for record in lines if record.task_id == id],
            _value=history.value(run_id, id),
        )
    return RunResult(run, attempts, tasks, folder / run_id)
