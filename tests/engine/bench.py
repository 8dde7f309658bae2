"""A coordinator at work without any scheduler: commands in short form, and time by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb.engine.backfill import points_to_fill
from ppacer_nb.engine.commands import Command, Keep, Notify, Recall, Record, Release, Start, Stop
from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.engine.interruption import DIED, interrupted_by_history
from ppacer_nb.engine.queue import Limits
from ppacer_nb.model.attempt import Cancelled, ErrorInfo, Failed, Held, Job, Outcome, Skipped, Succeeded
from ppacer_nb.model.backfill import BackfillPlan, request_of
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import (
    BackfillEvent,
    CatchupEvent,
    DagEvent,
    Event,
    EventOfRun,
    RunEvent,
    ScheduleEvent,
    TaskEvent,
)
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.points import PointRange, PointRun
from ppacer_nb.model.values import Value
from ppacer_nb.status import CatchupChoice, ScheduleEventKind

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
NOTHING = Value(b"N.", None, 2, "NoneType", "None")
GOOD = Succeeded(NOTHING)
FALSY = Succeeded(replace(NOTHING, is_falsy=True))  #: of a short circuit
SKIP = Skipped("no new rows")
BAD = Failed(ErrorInfo("TaskFailed", "ValueError: no"))
HELD = replace(BAD, held=Held(Path("kernel.json"), T0 + timedelta(hours=1)))
STOPPED = Cancelled("stopped")


class Every:
    """A schedule with a point at every multiple of an interval since `T0`, up to `last`."""

    def __init__(self, seconds: int = 60, last: datetime | None = None) -> None:
        self.interval = timedelta(seconds=seconds)
        self.last = last
        self.start: datetime | None = None

    def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
        point = T0 + ((current - T0) // self.interval + 1) * self.interval
        return None if self.last is not None and point > self.last else point

    def __str__(self) -> str:
        return f"every {self.interval}"


class Bench:
    """Keeps the time, the events so far, what executors were given, and what runs.

    `said` are the commands since it was last read.
    """

    def __init__(self, *, max_workers: int = 100, pools: Mapping[str, int] | None = None) -> None:
        self.limits = Limits(max_workers, pools or {})
        self.engine = Coordinator(self.limits, Path("runs"))
        self.now = T0
        self.events: list[Event] = []
        self.jobs: list[Job] = []
        self.running: dict[AttemptKey, None] = {}
        self._said: list[str] = []

    @property
    def said(self) -> list[str]:
        """The commands since this was last asked, in short: "run queued", "a:1 running", "start a:1"."""
        said, self._said = self._said, []
        return said

    def register(self, dag: DagSpec, accounted: datetime | None = None, *, scheduled: bool = True) -> None:
        self._take(self.engine.register(dag, accounted, self.now, scheduled=scheduled))

    def trigger(
        self,
        dag_id: str = "d",
        logical_date: datetime | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> str:
        run_id, commands = self.engine.trigger(
            dag_id, self.now, logical_date=logical_date, params=params or {}, by="test"
        )
        self._take(commands)
        return run_id

    def body(self, task_id: str) -> None:
        """The task's body starts."""
        self.body_of(self.key(task_id))

    def body_of(self, key: AttemptKey) -> None:
        self.engine.body_started(key, "bench", self.now)

    def end(self, task_id: str, outcome: Outcome = GOOD) -> None:
        """The one attempt of that task that runs ends."""
        key = self.key(task_id)
        del self.running[key]
        self._take(self.engine.attempt_ended(key, outcome, self.now))

    def end_key(self, key: AttemptKey, outcome: Outcome = GOOD) -> None:
        self.running.pop(key, None)
        self._take(self.engine.attempt_ended(key, outcome, self.now))

    def cancel(self, run_id: str) -> None:
        self._take(self.engine.cancel_run(run_id, "cancelled by test", self.now))

    def cancel_task(self, run_id: str, task_id: str) -> None:
        self._take(self.engine.cancel_task(run_id, task_id, "cancelled by test", self.now))

    def resume(self, run_id: str, task_id: str) -> None:
        self._take(self.engine.resume(run_id, task_id, self.history(run_id), self.now, by="test"))

    def restart(self, run_id: str) -> None:
        self._take(self.engine.restart(run_id, self.history(run_id), self.now, by="test"))

    def clear(self, run_id: str, *task_ids: str) -> None:
        self._take(self.engine.clear(run_id, task_ids, self.history(run_id), self.now, by="test"))

    def mark(self, run_id: str, task_id: str, state: str) -> None:
        self._take(self.engine.mark(run_id, task_id, state, self.history(run_id), self.now, by="test"))

    def pause(self, dag_id: str = "d") -> None:
        self._take(self.engine.pause(dag_id, self.now, by="test"))

    def unpause(self, dag_id: str = "d") -> None:
        self._take(self.engine.unpause(dag_id, self.now, by="test"))

    def crash(self) -> None:
        """The scheduler dies, and a second later another one starts on its log. It knows no DAG yet."""
        self.now += timedelta(seconds=1)
        states = self.run_states()
        unfinished = {
            run_id: [e for e in self.events if isinstance(e, RunEvent | TaskEvent) and e.run_id == run_id]
            for run_id, state in states.items()
            if state in ("queued", "running")
        }
        found: list[Command] = []
        for events in unfinished.values():
            more = interrupted_by_history(events, self.now, DIED)
            events += more
            found += map(Record, more)
        pauses = {e.dag_id: e.paused for e in self.events if isinstance(e, DagEvent)}
        paused = [dag_id for dag_id, is_paused in pauses.items() if is_paused]
        self.engine = Coordinator(self.limits, Path("runs"), paused, unfinished)
        self.running.clear()
        self._take(found)
        self.engine.restore_missed({"d": self._missed()}, {"d": self._to_catch_up()})
        states_of = {e.backfill_id: e.state for e in self.events if isinstance(e, BackfillEvent)}
        for place, e in enumerate(self.events):
            if isinstance(e, BackfillEvent) and e.order and not states_of[e.backfill_id].is_terminal:
                since = self.events[place:]
                self.engine.restore_backfill([e for e in since if not isinstance(e, TaskEvent)])

    def _missed(self) -> list[PointRange]:
        """What nobody has decided on, as the store says it."""
        missed: list[PointRange] = []
        for e in self.events:
            if isinstance(e, CatchupEvent):
                missed.clear()
            elif isinstance(e, ScheduleEvent) and e.missed:
                missed.append(PointRange(e.first, e.last, e.count))
        return missed

    def _to_catch_up(self) -> list[datetime]:
        """What was chosen and has not run, as the store says it."""
        chosen: list[datetime] = []
        for e in self.events:
            if isinstance(e, CatchupEvent):
                chosen = [] if e.choice is CatchupChoice.NONE else [*chosen, *e.points]
            elif isinstance(e, ScheduleEvent) and e.kind is ScheduleEventKind.CAUGHT_UP:
                chosen = [point for point in chosen if point != e.first]
        return sorted(chosen)

    def stop(self) -> None:
        """The scheduler is stopped, what runs cannot be awaited, and another one starts on its log."""
        self.engine.drain()
        commands = self.engine.interrupt()
        self._take(commands)
        for command in commands:
            if isinstance(command, Stop):
                self.end_key(command.key, STOPPED)
        commands = self.engine.put_back(self.now)
        self.engine = Coordinator(self.limits, Path("runs"))
        self._take(commands)
        self.crash()

    def accounted(self, dag_id: str) -> datetime | None:
        """The last point of a DAG that its events account for."""
        kinds = (ScheduleEventKind.REGULAR, ScheduleEventKind.CAUGHT_UP, ScheduleEventKind.SKIPPED)
        points = [
            e.last
            for e in self.events
            if isinstance(e, ScheduleEvent) and e.dag_id == dag_id and e.kind in kinds
        ]
        return max(points, default=None)

    def catch_up(
        self, choice: str, *, dag_id: str = "d", with_run: Collection[datetime] = ()
    ) -> list[datetime]:
        points, commands = self.engine.catch_up(dag_id, choice, with_run, self.now, by="test")
        self._take(commands)
        return points

    def backfill(
        self,
        first: datetime,
        last: datetime,
        *,
        runs: Sequence[PointRun] = (),
        rerun: str = "none",
        concurrency: int = 1,
        params: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ) -> BackfillPlan:
        request = request_of("d", (first, last), rerun, concurrency, params or {})
        points = points_to_fill(self.engine.dag_of("d"), first, last, self.now)
        plan, commands = self.engine.backfill(
            "d", request, points, runs, self.now, by="test", dry_run=dry_run
        )
        self._take(commands)
        return plan

    def steer_backfill(self, wish: str, dag_id: str = "d") -> None:
        """Pause, resume or cancel it."""
        self._take(getattr(self.engine, f"{wish}_backfill")(dag_id, self.now, by="test"))

    def point_runs(self) -> list[PointRun]:
        """As the store says them."""
        runs = {e.run_id: e for e in self.events if isinstance(e, RunEvent)}
        return [PointRun(e.logical_date, e.run_type, e.state) for e in runs.values()]

    def history(self, run_id: str) -> list[EventOfRun]:
        """As the scheduler does: the history of a run that has ended comes from the store."""
        events = [e for e in self.events if isinstance(e, RunEvent | TaskEvent) and e.run_id == run_id]
        return [] if run_id in self.engine.runs else events

    def wait(self, seconds: float = 0) -> None:
        self.now += timedelta(seconds=seconds)
        self._take(self.engine.advance(self.now))

    def put_clock(self, seconds: float) -> None:
        """Put the clock forward, or back, while no time passes."""
        by = timedelta(seconds=seconds)
        self.now += by
        self.engine.clock_stepped(by)
        self.wait()

    def key(self, task_id: str) -> AttemptKey:
        (key,) = (key for key in self.running if key.task_id == task_id)
        return key

    def states(self, run_id: str) -> dict[str, str]:
        """The latest state of every task of a run, by its events."""
        found = (e for e in self.events if isinstance(e, TaskEvent) and e.run_id == run_id)
        return {event.task_id: event.state.value for event in found}

    def run_states(self) -> dict[str, str]:
        """The latest state of every run."""
        return {event.run_id: event.state.value for event in self.events if isinstance(event, RunEvent)}

    def _take(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self._said.append(_short(command))
            match command:
                case Record(event):
                    self.events.append(event)
                case Start(job):
                    self.jobs.append(job)
                    self.running[job.key] = None
        for command in commands:  # when all the records are on disk
            if isinstance(command, Recall):
                of_run = (e for e in self.events if isinstance(e, RunEvent | TaskEvent))
                history = [e for e in of_run if e.run_id == command.run_id]
                self._take(self.engine.recalled(command.run_id, history, self.now))


def _short(command: Command) -> str:
    match command:
        case Record(event):
            return _short_event(event)
        case Start(job):
            return f"start {job.task.id}:{job.run.attempt}"
        case Stop(key, timed_out):
            return f"{'time out' if timed_out else 'stop'} {key.task_id}:{key.attempt}"
        case Recall():
            return "recall"
        case Keep(key):
            return f"keep {key.task_id}:{key.attempt}"
        case Release(key):
            return f"release {key.task_id}:{key.attempt}"
        case Notify(notification):
            return f"notify {notification.kind}"
    raise AssertionError(command)


def _short_event(event: Event) -> str:
    match event:
        case RunEvent(state=state):
            return f"run {state}"
        case TaskEvent(task_id=task_id, attempt=attempt, state=state):
            return f"{task_id}:{attempt} {state}"
        case ScheduleEvent(kind=kind, count=count):
            return f"{kind} {count}"
        case BackfillEvent(state=state):
            return f"backfill {state}"
        case CatchupEvent(choice=choice):
            return f"catch up {choice}"
        case DagEvent(paused=paused):
            return "paused" if paused else "unpaused"
    raise AssertionError(event)
