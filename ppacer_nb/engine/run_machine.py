"""One run of a DAG as a state machine: what happened goes in, events for the log come out.

Every change of state is an event, and `apply` alone changes the state: a run that is read back from the
log, event by event, stands where the original stood. `QUEUED` is the one exception. It follows from the
rest, so it is never logged, and `resume` finds it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

from ppacer_nb.engine.early_end import EarlyEnd
from ppacer_nb.engine.lot import lot_of
from ppacer_nb.engine.timers import later
from ppacer_nb.engine.trigger_rules import Upstreams, Verdict, judge
from ppacer_nb.model.attempt import Cancelled, Failed, Job, Outcome, Skipped, Succeeded
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import EventOfRun, RunEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.model.values import Value
from ppacer_nb.status import AttemptState, RunState


@dataclass(slots=True)
class TaskProgress:
    """How far a task has come in this run."""

    spec: TaskSpec
    upstreams: Upstreams
    state: AttemptState | None = None  #: None: waits for its upstreams
    attempt: int = 0  #: the latest; 0: none yet
    failures: int = 0  #: failed attempts, which use up the retries
    queued_at: datetime | None = None
    retry_at: datetime | None = None
    value: Value | None = None
    worker: str = ""  #: who runs the latest attempt, in words
    resumes: AttemptKey | None = None  #: the attempt in whose held kernel the next one goes on
    cut_by: str = ""  #: the short circuit that cuts off what is downstream of this task, if one does

    @property
    def has_ended(self) -> bool:
        """Whether the task is done in this run."""
        return self.state is not None and self.state.ends_task


class RunMachine:
    """A run of one version of a DAG, from its first `RunEvent` to its last.

    `ready` collects the tasks that may start; whoever starts one takes it from there and calls
    `start_attempt`.
    """

    def __init__(self, dag: DagSpec, created: RunEvent) -> None:
        self.dag = dag
        self.created = created
        self.state = RunState.QUEUED
        self.ready: deque[str] = deque()
        self.tasks = {
            id: TaskProgress(spec, Upstreams(len(spec.upstreams))) for id, spec in dag.tasks.items()
        }
        self._open = len(self.tasks)
        self._began_at: datetime | None = None
        self.early_end: EarlyEnd | None = None  #: why it ends before its tasks are through, if it does
        self._undecided: deque[str] = deque()
        self._events: list[EventOfRun] = []

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.created.run_id

    @property
    def is_being_cancelled(self) -> bool:
        """Whether it only waits for what runs to be stopped, and for what cleans up."""
        return self.early_end is not None and not self.state.is_terminal

    @property
    def deadline(self) -> datetime | None:
        """When it is to be ended for its timeout; None if that has no say, or no more."""
        if self._began_at is None or self.dag.timeout is None:
            return None
        ends_anyway = self.early_end is not None or self.state.is_terminal
        return None if ends_anyway else later(self._began_at, self.dag.timeout)

    @property
    def to_stop(self) -> list[AttemptKey]:
        """Of the `running`, those that a run which is being cancelled does not let run on."""
        end = self.early_end
        spared = {id for id, task in self.tasks.items() if end is None or end.spares(task.spec)}
        return [key for key in self.running if key.task_id not in spared]

    @property
    def running(self) -> list[AttemptKey]:
        """The attempts whose body has started and not ended."""
        return [
            AttemptKey(self.run_id, id, task.attempt)
            for id, task in self.tasks.items()
            if task.state is AttemptState.RUNNING
        ]

    def begin(self, now: datetime) -> list[EventOfRun]:
        """Leave QUEUED: the tasks that wait for nothing become ready."""
        self._emit(replace(self.created, state=RunState.RUNNING, at=now, reason=""))
        return self.resume(now)

    def resume(self, now: datetime) -> list[EventOfRun]:
        """Decide for every task that has not begun; after `begin`, or after a replay."""
        if self.early_end is not None:
            self._cancel_rest(self.early_end, now)
        self._undecided.extend(id for id, task in self.tasks.items() if task.state is None)
        return self._settle(now)

    def start_attempt(self, task_id: str, now: datetime) -> TaskEvent:
        """Note that the next attempt of a ready task starts."""
        task = self.tasks[task_id]
        event = TaskEvent(
            self.run_id, task_id, task.attempt + 1, AttemptState.RUNNING, now, queued_at=task.queued_at
        )
        self.apply(event)
        return event

    def end_attempt(self, task_id: str, outcome: Outcome, now: datetime) -> list[EventOfRun]:
        """Note how the running attempt of a task ended, and everything that follows from it."""
        task = self.tasks[task_id]
        task.resumes = None
        self._emit(self._ending(task, outcome, now))
        if self.early_end is not None:
            self._undecided.extend(id for id, task in self.tasks.items() if task.state is None)
        return self._settle(now)

    def retry(self, task_id: str, now: datetime) -> None:
        """Make a task ready again whose retry is due."""
        task = self.tasks[task_id]
        if task.state is AttemptState.UP_FOR_RETRY:
            self._queue(task, now)

    def cancel(self, reason: str, now: datetime, *, timed_out: bool = False) -> list[EventOfRun]:
        """End everything that has not started. The run ends when what is `to_stop` has been stopped.

        Tasks that clean up start all the same, unless the run has not begun or is being cancelled already:
        all that is `ready` afterwards is said anew.
        `reason` must say something: it is how the log tells a run that is being cancelled.
        """
        if self.state is RunState.RUNNING:  # says in the log that it was asked for: the end may take a while
            state = RunState.RUNNING
            self._emit(replace(self.created, state=state, at=now, reason=reason, timed_out=timed_out))
        else:
            self.early_end = EarlyEnd(reason, spares_cleanup=False)
        assert self.early_end is not None
        self._cancel_rest(self.early_end, now)
        self._say_ready_anew()
        return self._settle(now)

    def clear(self, task_ids: Collection[str], reason: str, now: datetime) -> list[EventOfRun]:
        """Let tasks that have ended run again, with all downstream of them that has; the run goes on then.

        Their retries are counted from the start again. `reason` says who asked for it. All that is `ready`
        afterwards is said anew.
        """
        if self.state.is_terminal:
            created, version, tasks = self.created, self.dag.version, len(self.dag.tasks)
            self._emit(
                replace(created, version=version, tasks=tasks, state=RunState.RUNNING, at=now, reason=reason)
            )
        for id in self.with_downstream(task_ids):
            task = self.tasks[id]
            if task.has_ended:
                self._emit(self._without_attempt(task, AttemptState.CLEARED, now, reason))
            elif task.state is AttemptState.QUEUED and task.retry_at is None:
                task.state = None  # it was ready for how its upstreams had ended
        self._say_ready_anew()
        return self.resume(now)

    def with_downstream(self, task_ids: Collection[str]) -> list[str]:
        """Return these tasks and everything downstream of them, upstream before downstream."""
        chosen = set(task_ids)
        for id, task in self.tasks.items():  # upstream before downstream
            if not chosen.isdisjoint(task.spec.upstreams):
                chosen.add(id)
        return [id for id in self.tasks if id in chosen]

    def job(self, task_id: str, runs_folder: Path, attempt: int) -> Job:
        """Return what an executor needs to run this attempt."""
        task = self.tasks[task_id]
        inputs = {id: self.tasks[id].value for id in self.dag.data_upstreams[task_id]}
        # Where another attempt follows by itself, nobody looks into the kernel of this one.
        is_last = task.resumes is not None or task.failures >= task.spec.options.retries
        return Job(
            self.info(task_id, attempt),
            task.spec,
            {id: value for id, value in inputs.items() if value is not None},
            runs_folder / self.run_id,
            self.dag.cwd,
            hold=task.spec.options.hold_on_failure if is_last else None,
            resumes=task.resumes,
        )

    def info(self, task_id: str, attempt: int) -> RunInfo:
        """Return what the task may know of its run."""
        local = self.created.logical_date.astimezone(self.dag.timezone)
        created = self.created
        return RunInfo(
            created.dag_id, created.run_id, created.run_type, local, task_id, attempt, created.params
        )

    def apply(self, event: EventOfRun) -> None:
        """Take in one event of this run's history."""
        if isinstance(event, RunEvent):
            self._apply_to_run(event)
        elif event.task_id in self.tasks:  # another version of the DAG may have had it
            self._apply_to_task(self.tasks[event.task_id], event)

    def _apply_to_run(self, event: RunEvent) -> None:
        if self.state is not RunState.RUNNING:
            self._began_at = event.at
        if self.state.is_terminal:  # it goes on, maybe on another version of its DAG
            self.early_end = None
            self.created = replace(self.created, version=event.version, tasks=event.tasks)
        elif event.state is RunState.RUNNING and event.reason:
            first = self.early_end
            again = first and replace(first, spares_cleanup=False)
            self.early_end = again or EarlyEnd(event.reason, event.timed_out)
        self.state = event.state

    def _apply_to_task(self, task: TaskProgress, event: TaskEvent) -> None:
        if event.state is AttemptState.CLEARED:
            self._forget_end(task)
            return
        task.state = event.state
        task.attempt = max(task.attempt, event.attempt)
        task.retry_at = event.retry_at
        if event.state is AttemptState.UP_FOR_RETRY:
            task.failures += 1
        if event.state.ends_task:
            task.value = event.value
            is_open_circuit = event.value is not None and event.value.is_falsy
            task.cut_by = event.task_id if is_open_circuit else event.cut_by
            self._open -= 1
            for id in self.dag.downstreams[event.task_id]:
                self.tasks[id].upstreams.add(event.state, cuts=bool(task.cut_by))
                self._undecided.append(id)

    def _forget_end(self, task: TaskProgress) -> None:
        """Let a task be as if it had not begun; only its attempts go on being counted."""
        if task.state is None or not task.state.ends_task:
            return
        for id in self.dag.downstreams[task.spec.id]:
            self.tasks[id].upstreams.add(task.state, -1, cuts=bool(task.cut_by))
        task.state = task.value = task.retry_at = task.queued_at = None
        task.cut_by = ""
        task.failures = 0
        self._open += 1
        self._undecided.append(task.spec.id)

    def _say_ready_anew(self) -> None:
        self.ready.clear()
        self.ready.extend(id for id, task in self.tasks.items() if task.state is AttemptState.QUEUED)

    def _cancel_rest(self, end: EarlyEnd, now: datetime) -> None:
        for task in self.tasks.values():
            has_begun = task.has_ended or task.state is AttemptState.RUNNING
            if not has_begun and not end.spares(task.spec):
                self._emit(self._without_attempt(task, AttemptState.CANCELLED, now, end.of_tasks))

    def _emit(self, event: EventOfRun) -> None:
        self.apply(event)
        self._events.append(event)

    def _settle(self, now: datetime) -> list[EventOfRun]:
        while self._undecided:
            task = self.tasks[self._undecided.popleft()]
            if task.state is None:
                self._decide(task, now)
        if not self._open and not self.state.is_terminal:
            state, reason = self._end()
            self._emit(replace(self.created, state=state, at=now, reason=reason))
        events, self._events = self._events, []
        return events

    def _decide(self, task: TaskProgress, now: datetime) -> None:
        if self.early_end is not None and self.to_stop:
            return  # what cleans up waits for all that may still use what it releases
        verdict = judge(task.spec.options.trigger_rule, task.upstreams)
        if verdict is Verdict.START:
            self._queue(task, now)
        elif verdict is Verdict.SKIP:
            self._emit(self._without_attempt(task, AttemptState.SKIPPED, now, "by its trigger rule"))
        elif verdict is Verdict.CUT_OFF:
            cut_by = next(by for id in task.spec.upstreams if (by := self.tasks[id].cut_by))
            event = self._without_attempt(task, AttemptState.SKIPPED, now, f"short-circuited by {cut_by}")
            self._emit(replace(event, cut_by=cut_by))
        elif verdict is Verdict.UPSTREAM_FAILED:
            self._emit(self._without_attempt(task, AttemptState.UPSTREAM_FAILED, now, ""))

    def _queue(self, task: TaskProgress, now: datetime) -> None:
        task.state, task.queued_at = AttemptState.QUEUED, now
        self.ready.append(task.spec.id)

    def _end(self) -> tuple[RunState, str]:
        """Return how the run ends now that all its tasks have, and why if they do not say it."""
        end = self.early_end
        if end is None:
            failed = any(t.state is not None and t.state.is_failure for t in self.tasks.values())
            return RunState.FAILED if failed else RunState.SUCCESS, ""
        not_cleaned_up = [
            id
            for id, task in self.tasks.items()
            if task.spec.options.cleanup and task.state is AttemptState.FAILED
        ]
        if not_cleaned_up:
            return RunState.FAILED, f"{end.reason}, and then failed to clean up: {', '.join(not_cleaned_up)}"
        return RunState.FAILED if end.timed_out else RunState.CANCELLED, end.reason

    def _without_attempt(
        self, task: TaskProgress, state: AttemptState, now: datetime, reason: str
    ) -> TaskEvent:
        return TaskEvent(self.run_id, task.spec.id, 0, state, now, reason=reason)

    def _ending(self, task: TaskProgress, outcome: Outcome, now: datetime) -> TaskEvent:
        def ended(state: AttemptState, **details: Any) -> TaskEvent:
            attempt, worker, files = task.attempt, task.worker, outcome.files
            return TaskEvent(
                self.run_id, task.spec.id, attempt, state, now, worker=worker, files=files, **details
            )

        match outcome:
            case Succeeded(value):
                return ended(AttemptState.SUCCESS, value=value)
            case Cancelled(reason):
                return ended(AttemptState.CANCELLED, reason=reason)
            case Skipped(reason):
                return ended(AttemptState.SKIPPED, reason=reason)
            case Failed(error, held=held):
                if held is not None or not self._may_retry(task):
                    return ended(AttemptState.FAILED, error=error, held=held)
                lot = lot_of(AttemptKey(self.run_id, task.spec.id, task.attempt))
                retry_at = now + task.spec.options.retry_wait(task.failures + 1, lot)
                return ended(AttemptState.UP_FOR_RETRY, error=error, retry_at=retry_at)
        assert_never(outcome)

    def _may_retry(self, task: TaskProgress) -> bool:
        is_spared = self.early_end is None or self.early_end.spares(task.spec)
        return is_spared and task.failures < task.spec.options.retries


def replay(dag: DagSpec, events: Iterable[EventOfRun]) -> RunMachine:
    """Return the run that these events, the first of them its creation, add up to."""
    stream = iter(events)
    created = next(stream)
    assert isinstance(created, RunEvent)
    machine = RunMachine(dag, created)
    for event in stream:
        machine.apply(event)
    return machine
