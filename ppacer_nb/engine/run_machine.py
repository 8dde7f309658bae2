"""One run of a DAG as a state machine: what happened goes in, events for the log come out.

Every change of state is an event, and `apply` alone changes the state: a run that is read back from the
log, event by event, stands where the original stood. `QUEUED` is the one exception. It follows from the
rest, so it is never logged, and `resume` finds it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ppacer_nb.engine.early_end import EarlyEnd
from ppacer_nb.engine.interruption import interrupted, why_not_again
from ppacer_nb.engine.task_progress import TaskProgress
from ppacer_nb.engine.trigger_rules import Upstreams, Verdict
from ppacer_nb.model.attempt import Cancelled, Job, Outcome
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.durations import later
from ppacer_nb.model.events import EventOfRun, RunEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.status import AttemptState, RunState


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
        self.was_put_back = False  #: it waits to go on, as its scheduler ended before it did
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
    def unsuccessful(self) -> list[str]:
        """The tasks that did not end well, or not at all."""
        good = (AttemptState.SUCCESS, AttemptState.SKIPPED)
        return [id for id, task in self.tasks.items() if task.state not in good]

    @property
    def is_done(self) -> bool:
        """Whether every task has ended."""
        return not self._open

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
        self._emit(self._becomes(RunState.RUNNING, now))
        return self.resume(now)

    def resume(self, now: datetime) -> list[EventOfRun]:
        """Decide for every task that has not begun; after `begin`, or after a replay."""
        if self.early_end is not None:
            self._cancel_rest(self.early_end, now)
        self._undecided = deque(id for id, task in self.tasks.items() if task.is_undecided)
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
        may_retry = self.early_end is None or self.early_end.spares(task.spec)
        key = AttemptKey(self.run_id, task_id, task.attempt)
        ending = task.ending(key, outcome, now, may_retry=may_retry)
        task.resumes = None
        self._emit(ending)
        if self.early_end is not None:  # what cleans up has waited for it, downstream of it or not
            self._undecided.extend(id for id, task in self.tasks.items() if task.is_undecided)
        return self._settle(now)

    def retry(self, task_id: str, now: datetime) -> None:
        """Make a task ready again whose retry is due."""
        task = self.tasks[task_id]
        if task.state is AttemptState.UP_FOR_RETRY:
            self._queue(task, now)

    def cancel(self, reason: str, now: datetime, *, timed_out: bool = False) -> list[EventOfRun]:
        """End everything that has not started. The run ends when what is `to_stop` has been stopped.

        Tasks that clean up start all the same, unless the run has not begun or is being cancelled already.
        `reason` must say something: it is how the log tells a run that is being cancelled.
        """
        if self.state is RunState.RUNNING:  # says in the log that it was asked for: the end may take a while
            state = RunState.RUNNING
            self._emit(replace(self.created, state=state, at=now, reason=reason, timed_out=timed_out))
        else:
            self.early_end = EarlyEnd(reason, spares_cleanup=False)
        assert self.early_end is not None
        self._cancel_rest(self.early_end, now)
        return self._settle(now)

    def cancel_task(self, task_id: str, reason: str, now: datetime) -> list[EventOfRun]:
        """End a task that waits. Of one that runs, which its executor has to stop, note that it was asked."""
        task = self.tasks[task_id]
        if task.state is AttemptState.RUNNING:
            self._emit(
                TaskEvent(self.run_id, task_id, task.attempt, AttemptState.RUNNING, now, reason=reason)
            )
        else:
            self._emit(self._without_attempt(task, AttemptState.CANCELLED, now, reason))
        return self._settle(now)

    def put_back(self, reason: str, now: datetime) -> list[EventOfRun]:
        """Let the run wait for another scheduler, with what runs interrupted, as this one ends."""
        latest = replace(self.created, state=self.state)
        for event in interrupted(latest, self.running, now, reason):
            self._emit(event)
        return self._taken()

    def interrupt(self, task_id: str, outcome: Cancelled, reason: str, now: datetime) -> list[EventOfRun]:
        """Note that the running attempt of a task was stopped, as its scheduler ends, to be tried again."""
        task = self.tasks[task_id]
        event = TaskEvent(
            self.run_id,
            task_id,
            task.attempt,
            AttemptState.INTERRUPTED,
            now,
            reason=reason,
            worker=task.worker,
            files=outcome.files,
        )
        self._emit(event)
        return self._taken()

    def is_asked_to_end(self, task_id: str) -> bool:
        """Whether somebody, or the run's timeout, has asked that what runs of a task is stopped."""
        task = self.tasks[task_id]
        return bool(task.cancelled_by) or (
            self.early_end is not None and not self.early_end.spares(task.spec)
        )

    def go_on_with_newest_version(self) -> None:
        """Let a run that waits begin on the version of the DAG that this machine has, whatever it was on."""
        params = {**self.dag.params, **self.created.params}
        self.created = replace(
            self.created, version=self.dag.version, tasks=len(self.dag.tasks), params=params
        )

    def clear(self, task_ids: Collection[str], reason: str, now: datetime) -> list[EventOfRun]:
        """Let tasks run again, with all downstream of them; a run that has ended waits to `begin` then.

        Their retries are counted from the start again. `reason` says who asked for it. None of them may run.
        """
        self._go_on(reason, now)
        for id in self.with_downstream(task_ids):
            self._clear(self.tasks[id], reason, now)
        return self._settle(now)

    def mark(self, task_id: str, state: AttemptState, reason: str, now: datetime) -> list[EventOfRun]:
        """Let a task that does not run have ended in `state`; a run that has ended waits to `begin` then.

        What is downstream of a task that had ended is decided anew: what never started starts if it may now,
        a success that may not have started is one no more. What has seen the outcome of a task that runs now
        runs again itself. Nothing downstream of a task that had ended may run.
        """
        task = self.tasks[task_id]
        had_ended = task.has_ended
        self._go_on(reason, now)
        self._clear(task, reason, now)
        value = task.value if state is AttemptState.SUCCESS else None
        self._emit(replace(self._without_attempt(task, state, now, reason), value=value))
        if had_ended:
            self._decide_anew_after(task_id, reason, now)
        return self._settle(now)

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
        upstreams = {id: self.tasks[id] for id in self.dag.data_upstreams[task_id]}
        inputs = {id: t.value for id, t in upstreams.items() if t.state is AttemptState.SUCCESS}
        # Where another attempt follows by itself, nobody looks into the kernel of this one.
        is_last = task.resumes is not None or task.failures >= task.spec.options.retries
        return Job(
            self.info(task_id, attempt),
            task.spec,
            {id: value for id, value in inputs.items() if value is not None},
            runs_folder,
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
        if self.state.is_terminal:
            self.early_end = self._began_at = None
            self._forget_unended()
        elif event.state is RunState.QUEUED:
            self.was_put_back, self._began_at = True, None
        elif self.state is RunState.QUEUED and event.state is RunState.RUNNING:
            self.was_put_back, self._began_at = False, event.at
        elif event.state is RunState.RUNNING and event.reason:
            first = self.early_end
            again = first and replace(first, spares_cleanup=False)
            self.early_end = again or EarlyEnd(event.reason, event.timed_out)
        self.state = event.state
        is_other = _place(event) != _place(self.created) or event.params is not self.created.params
        if is_other:  # it goes on, on another version of its DAG maybe
            self.created = replace(
                self.created,
                version=event.version,
                tasks=event.tasks,
                params=event.params,
                restarts=event.restarts,
                interruptions=event.interruptions,
            )

    def _forget_unended(self) -> None:
        """Let tasks begin anew that the run's end has cut off, as it ended without its DAG."""
        for task in self.tasks.values():
            if task.state is not None and not task.has_ended:
                self._forget(task)

    def _apply_to_task(self, task: TaskProgress, event: TaskEvent) -> None:
        if event.state is AttemptState.CLEARED:
            self._forget(task)
            return
        if event.state is AttemptState.RUNNING and event.reason:
            task.cancelled_by = event.reason
            return
        task.state = event.state
        task.attempt = max(task.attempt, event.attempt)
        task.retry_at = event.retry_at
        if event.state is AttemptState.INTERRUPTED:
            task.interruptions, task.interrupted_by = task.interruptions + 1, event.reason
            self._undecided.append(event.task_id)
        elif event.state.is_terminal:
            task.interruptions, task.cancelled_by = 0, ""
        if event.state is AttemptState.UP_FOR_RETRY:
            task.failures += 1
        if event.state.ends_task:
            task.value = event.value or task.value
            is_open_circuit = event.value is not None and event.value.is_falsy
            task.cut_by = event.task_id if is_open_circuit else event.cut_by
            task.chose_to_skip = event.state is AttemptState.SKIPPED and event.attempt > 0
            self._open -= 1
            for id in self.dag.downstreams[event.task_id]:
                self.tasks[id].upstreams.add(event.state, cuts=bool(task.cut_by))
                self._undecided.append(id)

    def _forget(self, task: TaskProgress) -> None:
        """Let a task be as if it had not begun; only its attempts go on being counted."""
        if task.state is not None and task.state.ends_task:
            for id in self.dag.downstreams[task.spec.id]:
                self.tasks[id].upstreams.add(task.state, -1, cuts=bool(task.cut_by))
            self._open += 1
        task.state = task.retry_at = task.queued_at = None
        task.failures = task.interruptions = 0
        task.cut_by = task.cancelled_by = ""
        self._undecided.append(task.spec.id)

    def _go_on(self, reason: str, now: datetime) -> None:
        """Let a run that has ended wait for its turn, on the version of the DAG that this machine has."""
        if self.state.is_terminal:
            self._emit(
                replace(
                    self.created,
                    version=self.dag.version,
                    tasks=len(self.dag.tasks),
                    state=RunState.QUEUED,
                    at=now,
                    reason=reason,
                    restarts=self.created.restarts + 1,
                )
            )

    def _clear(self, task: TaskProgress, reason: str, now: datetime) -> None:
        if task.state is not None or task.resumes is not None:
            self._emit(self._without_attempt(task, AttemptState.CLEARED, now, reason))

    def _decide_anew_after(self, changed: str, reason: str, now: datetime) -> None:
        """Take back what was decided downstream of a task that has ended in another state now."""
        ended_anew, runs_again = {changed}, set[str]()
        for id, task in self.tasks.items():  # upstream before downstream
            if not runs_again.isdisjoint(task.spec.upstreams):
                runs_again.add(id)
                self._clear(task, reason, now)
            elif not (ended_anew.isdisjoint(task.spec.upstreams) or self._stands(task)):
                self._clear(task, reason, now)
                self._decide(task, now, reason)
                (ended_anew if task.has_ended else runs_again).add(id)

    def _stands(self, task: TaskProgress) -> bool:
        return task.stands(self._short_circuits_of(task))

    def _short_circuits_of(self, task: TaskProgress) -> list[str]:
        """Return the short circuits that cut this task off, itself or an upstream of it."""
        return [by for id in task.spec.upstreams if (by := self.tasks[id].cut_by)]

    def _cancel_rest(self, end: EarlyEnd, now: datetime) -> None:
        for task in self.tasks.values():
            has_begun = task.has_ended or task.state is AttemptState.RUNNING
            if not has_begun and not end.spares(task.spec):
                self._emit(self._without_attempt(task, AttemptState.CANCELLED, now, end.of_tasks))

    def _emit(self, event: EventOfRun) -> None:
        self.apply(event)
        self._events.append(event)

    def _settle(self, now: datetime) -> list[EventOfRun]:
        if self.state is not RunState.QUEUED or self.early_end is not None:  # else `begin` comes to it
            self._decide_all(now)
        return self._taken()

    def _taken(self) -> list[EventOfRun]:
        events, self._events = self._events, []
        return events

    def _decide_all(self, now: datetime) -> None:
        while self._undecided:
            task = self.tasks[self._undecided.popleft()]
            if task.is_undecided:
                self._decide(task, now)
        if not self._open and not self.state.is_terminal:
            state, reason = self._end()
            self._emit(self._becomes(state, now, reason))

    def _becomes(self, state: RunState, now: datetime, reason: str = "") -> RunEvent:
        """Return that the run is in that state from now on."""
        it = self.created
        return RunEvent(
            *(it.run_id, it.dag_id, it.run_type, it.logical_date, it.version, it.params, it.tasks),
            *(state, now, reason, it.restarts, False, it.interruptions),
        )

    def _decide(self, task: TaskProgress, now: datetime, reason: str = "") -> None:
        if self.early_end is not None and self.to_stop:
            return  # what cleans up waits for all that may still use what it releases
        if task.state is AttemptState.INTERRUPTED and (ending := self._ending_of_interrupted(task, now)):
            self._emit(ending)
            return
        verdict = task.verdict
        if verdict is Verdict.START and self.state is not RunState.QUEUED:
            self._queue(task, now)
        elif verdict is Verdict.SKIP:
            reason = reason or "by its trigger rule"
            self._emit(self._without_attempt(task, AttemptState.SKIPPED, now, reason))
        elif verdict is Verdict.CUT_OFF:
            cut_by = self._short_circuits_of(task)[0]
            event = self._without_attempt(task, AttemptState.SKIPPED, now, f"short-circuited by {cut_by}")
            self._emit(replace(event, cut_by=cut_by))
        elif verdict is Verdict.UPSTREAM_FAILED:
            self._emit(self._without_attempt(task, AttemptState.UPSTREAM_FAILED, now, reason))

    def _ending_of_interrupted(self, task: TaskProgress, now: datetime) -> TaskEvent | None:
        """Return how a task ends that is not tried again, None if it is."""
        if task.cancelled_by:
            return self._without_attempt(task, AttemptState.CANCELLED, now, task.cancelled_by)
        error = why_not_again(task.spec, task.interruptions, task.interrupted_by)
        if error is None:
            return None
        return TaskEvent(self.run_id, task.spec.id, task.attempt, AttemptState.FAILED, now, error=error)

    def _queue(self, task: TaskProgress, now: datetime) -> None:
        task.state, task.queued_at = AttemptState.QUEUED, now
        self.ready.append(task.spec.id)

    def _end(self) -> tuple[RunState, str]:
        """Return how the run ends now that all its tasks have, and why if they do not say it."""
        end = self.early_end
        if end is None:
            failed = any(t.state is not None and t.state.is_failure for t in self.tasks.values())
            return RunState.FAILED if failed else RunState.SUCCESS, ""
        if self.state is RunState.QUEUED:  # it has not begun, or not again: nothing was to be cleaned up
            return RunState.CANCELLED, end.reason
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


def _place(event: RunEvent) -> tuple[str, int, int, int]:
    return event.version, event.tasks, event.restarts, event.interruptions


def replay(dag: DagSpec, events: Iterable[EventOfRun]) -> RunMachine:
    """Return the run that these events, the first of them its creation, add up to."""
    stream = iter(events)
    created = next(stream)
    assert isinstance(created, RunEvent)
    machine = RunMachine(dag, created)
    for event in stream:
        machine.apply(event)
    return machine
