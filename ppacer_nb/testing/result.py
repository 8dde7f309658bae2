"""What a simulation shows: its runs, and what else became of the schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ppacer_nb.authoring.head import instant_of
from ppacer_nb.errors import NotFound
from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.dag import DagSpec, did_you_mean
from ppacer_nb.model.events import Event, EventOfRun, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.history import AttemptRecord, RunRecord
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.notification import Notification
from ppacer_nb.model.values import Value
from ppacer_nb.scheduler.run_once import TaskResult
from ppacer_nb.status import AttemptState, RunState, RunType, ScheduleEventKind
from ppacer_nb.testing.page import simulation_page
from ppacer_nb.testing.records import attempt_records, run_record
from ppacer_nb.views.answers import run_page
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered


class SimulatedRun(Mapping[str, TaskResult]):
    """A run in a simulation: its tasks by id, as far as they came. Its times are in the DAG's timezone."""

    def __init__(
        self,
        dag: DagSpec,
        events: Sequence[EventOfRun],
        logs: Mapping[AttemptKey, Sequence[LogLine]],
        keeps: object,
    ) -> None:
        self.dag = dag
        self.attempts: Sequence[AttemptRecord] = attempt_records(events)  #: in the order in which they began
        self.record: RunRecord = run_record(events, self.attempts)  #: as a history has it
        self._values = _values(events)
        self._logs = logs
        self._keeps = keeps  # the folder of large results

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.record.run_id

    @property
    def logical_date(self) -> datetime:
        """The schedule point that it stands for."""
        return self._local(self.record.logical_date)

    @property
    def run_type(self) -> RunType:
        """Why it exists: ``"scheduled"``, or ``"catchup"`` for a point that was missed at first."""
        return self.record.run_type

    @property
    def state(self) -> RunState:
        """How it ended, or how it is at the end of the simulation. It compares equal to its name."""
        return self.record.state

    @property
    def started_at(self) -> datetime | None:
        """When it began, None if it still waits."""
        return None if self.record.started_at is None else self._local(self.record.started_at)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, None if it has not."""
        return None if self.record.ended_at is None else self._local(self.record.ended_at)

    @property
    def duration(self) -> timedelta | None:
        """How long it took, None if it has not ended."""
        return self.record.duration(self.record.ended_at) if self.record.ended_at is not None else None

    @property
    def states(self) -> dict[str, AttemptState]:
        """The state of every task that has one."""
        return {id: task.state for id, task in self.items()}

    def __getitem__(self, task_id: str) -> TaskResult:
        own = [attempt for attempt in self.attempts if attempt.task_id == task_id]
        if not own:
            hint = ", which has not begun" if task_id in self.dag.tasks else did_you_mean(task_id, self)
            raise NotFound(f"run {self.run_id!r} has no task {task_id!r}{hint}.")
        keys = [AttemptKey(self.run_id, task_id, attempt.attempt) for attempt in own]
        return TaskResult(
            id=task_id,
            state=own[-1].state,
            attempts=[attempt for attempt in own if attempt.attempt],
            logs=[line for key in keys for line in self._logs.get(key, ())],
            _value=self._values.get(task_id),
        )

    def __iter__(self) -> Iterator[str]:
        begun = {attempt.task_id for attempt in self.attempts}
        return (id for id in self.dag.tasks if id in begun)

    def __len__(self) -> int:
        return len({attempt.task_id for attempt in self.attempts})

    def __repr__(self) -> str:
        return self._page().text

    def _repr_html_(self) -> str:
        return self._page().html

    def _page(self) -> Rendered:
        now = self.record.ended_at or self.record.logical_date
        return run_page(self.record, self.attempts, None, [], Reader(now, self.dag.timezone))

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.dag.timezone)


@dataclass(frozen=True, slots=True)
class SkippedPoints:
    """Schedule points without a run, as the machine slept. Dates are in the DAG's timezone."""

    dag_id: str
    first: datetime
    last: datetime
    count: int | None  #: None: too many to count


@dataclass(frozen=True, repr=False)
class Simulation:
    """What `simulate` returns."""

    start: datetime
    end: datetime
    runs: Sequence[SimulatedRun]  #: in the order in which they were made
    skipped: Sequence[SkippedPoints]
    notifications: Sequence[Notification]
    events: Sequence[Event] = field(repr=False)  #: all that a run history would hold, in order

    @property
    def states(self) -> list[RunState]:
        """The states of the runs: ``result.states == ["success", "failed"]``."""
        return [run.state for run in self.runs]

    @property
    def attempts(self) -> list[AttemptRecord]:
        """The attempts of all runs."""
        return [attempt for run in self.runs for attempt in run.attempts]

    @property
    def counts(self) -> dict[RunState, int]:
        """How many runs there are in each state that occurs."""
        return dict(Counter(self.states))

    def run(self, logical_date: datetime | date | str, dag_id: str | None = None) -> SimulatedRun:
        """Return one run by its logical date.

        Parameters
        ----------
        logical_date
            Aware, or as a clock in the DAG's timezone shows it: ``"2027-03-05T06:15"``. A date alone will do
            where the DAG has one run on that day.
        dag_id
            Whose run, where several DAGs were simulated.

        Raises
        ------
        NotFound
            If there is none, or more than one.
        """
        whose = f" of {dag_id}" if dag_id is not None else ""
        of_dag = [run for run in self.runs if dag_id in (None, run.dag.id)]
        found = [run for run in of_dag if _is_on(run, logical_date)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(run.run_id for run in found[:5])
            raise NotFound(f"there are {len(found)} runs{whose} on {logical_date}, such as {ids}: say which.")
        dates = f"they go from {of_dag[0].logical_date} to {of_dag[-1].logical_date}" if of_dag else "none"
        raise NotFound(f"there is no run{whose} for {logical_date} among {len(of_dag)} runs: {dates}.")

    def __repr__(self) -> str:
        return self._page().text

    def _repr_html_(self) -> str:
        return self._page().html

    def _page(self) -> Rendered:
        return simulation_page(self)


def gathered(
    dags: Mapping[str, DagSpec],
    events: Iterable[Event],
    logs: Mapping[AttemptKey, Sequence[LogLine]],
    keeps: object,
) -> tuple[list[SimulatedRun], list[SkippedPoints]]:
    """Return the runs that these events are the history of, and the points that they say were skipped."""
    by_run: dict[str, list[EventOfRun]] = {}
    skipped: list[SkippedPoints] = []
    for event in events:
        if isinstance(event, RunEvent | TaskEvent):
            by_run.setdefault(event.run_id, []).append(event)
        elif isinstance(event, ScheduleEvent) and event.kind is ScheduleEventKind.SKIPPED:
            zone = dags[event.dag_id].timezone
            first, last = event.first.astimezone(zone), event.last.astimezone(zone)
            skipped.append(SkippedPoints(event.dag_id, first, last, event.count))
    runs = [SimulatedRun(dags[_dag_id(own)], own, logs, keeps) for own in by_run.values()]
    return runs, skipped


def _dag_id(events: Sequence[EventOfRun]) -> str:
    created = events[0]
    assert isinstance(created, RunEvent)
    return created.dag_id


def _values(events: Iterable[EventOfRun]) -> dict[str, Value]:
    return {e.task_id: e.value for e in events if isinstance(e, TaskEvent) and e.value is not None}


def _is_on(run: SimulatedRun, when: datetime | date | str) -> bool:
    instant = instant_of(when, run.dag.timezone, "logical_date")
    if run.logical_date == instant:
        return True
    is_day = (isinstance(when, str) and len(when) == len("2027-03-05")) or not isinstance(
        when, str | datetime
    )
    return is_day and instant is not None and run.logical_date.date() == instant.date()
