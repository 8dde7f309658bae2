"""What people ask of runs: to end early, to go on after their end, to take a task for done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from ppacer_nb.engine.commands import Command, Keep, Stop
from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.engine.runs import Runs
from ppacer_nb.engine.task_progress import TaskProgress
from ppacer_nb.errors import InvalidOption, NotFound, SchedulerError
from ppacer_nb.model.dag import did_you_mean
from ppacer_nb.model.events import EventOfRun, RunEvent
from ppacer_nb.model.ids import AttemptKey, dag_id_of
from ppacer_nb.status import MARKS, AttemptState, RunState

_WHY_NOT_HELD = (
    "the task says with hold_on_failure='30m' that its kernel is to be held, and it is held until that time, "
    "until a newer one needs the room, or until it ends."
)


class Control(Runs):
    """Runs that people can steer.

    What goes on after its end does so on the newest version of its DAG, and takes its turn among the DAG's
    runs like a new one. A `history` is all that happened to a run, if that has ended.
    """

    def cancel_run(self, run_id: str, reason: str, now: datetime) -> list[Command]:
        """End a run early: what runs is asked to stop, and nothing more of it starts but what cleans up.

        A run that is being cancelled already ends without that too.

        Raises
        ------
        NotFound
            If no unfinished run has that id.
        """
        if run_id in self.parked:
            latest = [event for event in self.parked.pop(run_id) if isinstance(event, RunEvent)][-1]
            self._record(replace(latest, state=RunState.CANCELLED, at=now, reason=reason))
        else:
            self._end_early(self._unfinished(run_id), reason, now)
        return self._commands(now)

    def cancel_task(self, run_id: str, task_id: str, reason: str, now: datetime) -> list[Command]:
        """End a task early, by its executor if it runs. What follows from it is its trigger rules' to say.

        Raises
        ------
        NotFound
            If no unfinished run has that id, or it has no such task.
        SchedulerError
            If the task has ended, or its run is being cancelled.
        """
        machine = self._unfinished(run_id)
        task = _task(machine, task_id)
        self._check_is_not_being_cancelled(machine)
        if task.has_ended:
            raise SchedulerError(f"task {task_id!r} of run {run_id!r} has ended, its state is {task.state}.")
        if task.state is AttemptState.RUNNING:
            self._out.append(Stop(AttemptKey(run_id, task_id, task.attempt), timed_out=False, reason=reason))
        self._absorb(machine, machine.cancel_task(task_id, reason, now), now)
        return self._commands(now)

    def restart(self, run_id: str, history: Sequence[EventOfRun], now: datetime, *, by: str) -> list[Command]:
        """Let a run go on that failed or was cancelled.

        Its tasks that ended badly or never started run again. Its successes stay, except those downstream of
        a task that runs again: they have seen an outcome that counts no more.

        Raises
        ------
        NotFound
            If there is no such run, or its DAG is not defined.
        SchedulerError
            If the run has not ended or succeeded, or the scheduler is stopping.
        """
        if run_id in self.runs:
            raise SchedulerError(f"run {run_id!r} has not ended: wait for its end, or cancel it.")
        machine = self._machine(run_id, history)
        if machine.state is RunState.SUCCESS:
            raise SchedulerError(f"run {run_id!r} succeeded: clear a task to run it again.")
        self._clear(machine, machine.unsuccessful, f"restarted by {by}", now)
        return self._commands(now)

    def clear(
        self, run_id: str, task_ids: Sequence[str], history: Sequence[EventOfRun], now: datetime, *, by: str
    ) -> list[Command]:
        """Let tasks of a run, and all that is downstream of them, run again, however they ended.

        Raises
        ------
        InvalidOption
            If no task is given.
        NotFound
            If there is no such run or task, or its DAG is not defined.
        SchedulerError
            If one of these tasks runs, the run is being cancelled, or the scheduler is stopping.
        """
        if not task_ids:
            raise InvalidOption(f"name the tasks of run {run_id!r} that are to run again.")
        machine = self._machine(run_id, history)
        for id in task_ids:
            _task(machine, id)
        self._clear(machine, task_ids, f"{', '.join(task_ids)} cleared by {by}", now)
        return self._commands(now)

    def mark(
        self,
        run_id: str,
        task_id: str,
        state: str,
        history: Sequence[EventOfRun],
        now: datetime,
        *,
        by: str,
    ) -> list[Command]:
        """Take a task that does not run for one that ended in `state`: "success" or "failed".

        Marked a success, it hands on the value of its last success, None without one. That value also says
        whether a short circuit cuts off again. What is downstream of a task that had ended is decided anew:
        see `RunMachine.mark`.

        Raises
        ------
        InvalidOption
            If it is another state.
        NotFound
            If there is no such run or task, or its DAG is not defined.
        SchedulerError
            If the task runs or is in that state already, if it had ended and a task downstream of it runs, if
            the run is being cancelled, or the scheduler is stopping.
        """
        if state not in MARKS:
            raise InvalidOption(f"a task can be marked success or failed, not {state!r}.")
        machine = self._machine(run_id, history)
        task = _task(machine, task_id)
        self._check_may_go_on(machine, machine.with_downstream([task_id]) if task.has_ended else [task_id])
        if task.state == state:
            raise SchedulerError(f"task {task_id!r} of run {run_id!r} is {state} already.")
        reason = f"{task_id} marked {state} by {by}"
        self._go_on(machine, machine.mark(task_id, AttemptState(state), reason, now), now)
        return self._commands(now)

    def resume(
        self, run_id: str, task_id: str, history: Sequence[EventOfRun], now: datetime, *, by: str
    ) -> list[Command]:
        """Let a failed task go on in the kernel that was held for it, and then what is downstream of it.

        Raises
        ------
        NotFound
            If its DAG is not defined, or has no such task.
        SchedulerError
            If no kernel is held for it, the scheduler is stopping, or a task downstream of it runs.
        """
        machine = self._machine(run_id, history)
        key = AttemptKey(run_id, task_id, _task(machine, task_id).attempt)
        if key not in self.held:
            raise SchedulerError(f"no kernel is held for task {task_id!r} of run {run_id!r}: {_WHY_NOT_HELD}")
        self._check_may_go_on(machine, machine.with_downstream([task_id]))
        self._out.append(Keep(key))
        del self.held[key]
        self._clear(machine, [task_id], f"{task_id} resumed by {by}", now)
        machine.tasks[task_id].resumes = key
        return self._commands(now)

    def _unfinished(self, run_id: str) -> RunMachine:
        try:
            return self.runs[run_id]
        except KeyError:
            self._check_is_not_parked(run_id)
            raise NotFound(f"no unfinished run {run_id!r}{did_you_mean(run_id, self.runs)}.") from None

    def _machine(self, run_id: str, history: Sequence[EventOfRun]) -> RunMachine:
        """Return a run, as it is or as its history says; of its DAG the newest version counts."""
        if run_id in self.runs:
            return self.runs[run_id]
        self._check_is_not_parked(run_id)
        if not history:
            raise NotFound(f"no run {run_id!r}{did_you_mean(run_id, self.runs)}.")
        return replay(self._entry(dag_id_of(run_id)).dag, history)

    def _clear(self, machine: RunMachine, task_ids: Collection[str], reason: str, now: datetime) -> None:
        """Let tasks run again, with what is downstream of them."""
        self._check_may_go_on(machine, machine.with_downstream(task_ids))
        self._go_on(machine, machine.clear(task_ids, reason, now), now)

    def _go_on(self, machine: RunMachine, events: Sequence[EventOfRun], now: datetime) -> None:
        """Take in what was decided of a run, and let it take its turn if it had ended."""
        had_ended = machine.run_id not in self.runs
        self.runs[machine.run_id] = machine
        self._absorb(machine, events, now)
        if not had_ended:
            return
        if machine.is_done:  # nothing runs: it needs no turn to end in another state
            self._absorb(machine, machine.begin(now), now)
            return
        entry = self.dags[machine.dag.id]
        entry.waiting.append(machine.run_id)
        self._begin_runs(entry, now)

    def _check_may_go_on(self, machine: RunMachine, changed: Collection[str]) -> None:
        if self.draining:
            raise SchedulerError(f"the scheduler is stopping: run {machine.run_id!r} cannot go on.")
        self._check_is_not_being_cancelled(machine)
        for id in changed:
            if machine.tasks[id].state is AttemptState.RUNNING:
                raise SchedulerError(f"task {id!r} of run {machine.run_id!r} runs now: wait for its end.")

    def _check_is_not_parked(self, run_id: str) -> None:
        if run_id in self.parked:
            raise SchedulerError(
                f"run {run_id!r} waits until its DAG {dag_id_of(run_id)!r} is defined again: run the cell "
                "that defines it, or cancel the run."
            )

    def _check_is_not_being_cancelled(self, machine: RunMachine) -> None:
        if machine.early_end is not None and machine.is_being_cancelled:
            what = "has timed out and still ends" if machine.early_end.timed_out else "is being cancelled"
            raise SchedulerError(f"run {machine.run_id!r} {what}: wait for its end.")


def _task(machine: RunMachine, task_id: str) -> TaskProgress:
    try:
        return machine.tasks[task_id]
    except KeyError:
        known = f"{did_you_mean(task_id, machine.tasks)}: there are {', '.join(machine.tasks)}"
        raise NotFound(f"run {machine.run_id!r} has no task {task_id!r}{known}.") from None
