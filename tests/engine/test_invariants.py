"""What always holds, whatever the DAG and whatever happens to its tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, get_args

from hypothesis import event, given, settings
from hypothesis import strategies as st

from ppacer_nb.engine.backfill import Backfill, restored
from ppacer_nb.engine.commands import Command, Record, Start
from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.model.attempt import Outcome
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import (
    BackfillEvent,
    DagEvent,
    Event,
    EventOfRun,
    RunEvent,
    ScheduleEvent,
    TaskEvent,
)
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.task import OnInterrupt, TaskOptions
from ppacer_nb.status import (
    MARKS,
    AttemptState,
    BackfillState,
    CatchupChoice,
    Rerun,
    RunState,
    RunType,
    TriggerRule,
)
from ppacer_nb.testing import dag_spec
from tests.engine.bench import BAD, FALSY, GOOD, HELD, SKIP, STOPPED, T0, Bench, Every

OUTCOMES: list[Outcome] = [GOOD, BAD, STOPPED, HELD, SKIP]
BEFORE = T0 - timedelta(seconds=80)  #: some of the points since then are missed at T0, others are on time
FAILED = {"failed", "upstream_failed", "cancelled", "interrupted"}


def how_it_ended(event: TaskEvent) -> str:
    """The state, or "cut" for a short circuit that cuts off what is downstream, and what it has cut off."""
    return "cut" if event.cut_by or (event.value is not None and event.value.is_falsy) else event.state.value


def allows(rule: TriggerRule, ended: list[str], waiting: int) -> bool:
    """What the documentation of `TriggerRule` and of short circuits says, in the simplest words."""
    match rule:
        case TriggerRule.ALL_SUCCESS:
            return not waiting and set(ended) <= {"success"}
        case TriggerRule.ALL_DONE:
            return not waiting
        case TriggerRule.ONE_FAILED:
            return any(state in FAILED for state in ended)
        case TriggerRule.ONE_SUCCESS:
            return "success" in ended or not (ended or waiting)
        case TriggerRule.NONE_FAILED:
            return not waiting and not any(state in FAILED or state == "cut" for state in ended)
        case TriggerRule.ALWAYS:
            return True


@dataclass
class Watch:
    """Looks at every command as it comes, and objects to what must not be."""

    dags: dict[str, DagSpec] = field(default_factory=dict)  #: by version
    max_workers: int = 1
    slots: int = 1
    history: dict[str, list[EventOfRun]] = field(default_factory=dict)
    within: set[tuple[str, int]] = field(default_factory=set)  #: run, events: no log breaks off there
    paused: bool = False
    scheduled: set[datetime] = field(default_factory=set)  #: points that were run as such
    backfills: dict[str, list[BackfillEvent]] = field(default_factory=dict)
    backfilled: dict[str, list[str]] = field(default_factory=dict)  #: ids of runs, by backfill
    running: set[AttemptKey] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)  #: runs that were cancelled while they were ended early
    by_hand: set[tuple[str, str]] = field(
        default_factory=set
    )  #: run, task: it was marked, or itself cancelled

    def see(self, commands: list[Command]) -> None:
        before = {run_id: len(events) for run_id, events in self.history.items()}
        self._look_at(commands)
        for run_id, events in self.history.items():
            new = events[before.get(run_id, 0) :]
            # One commit: what somebody asked for, or what a scheduler found on the log of another.
            if any(event.state in (AttemptState.CLEARED, AttemptState.INTERRUPTED) for event in new):
                lengths = range(before.get(run_id, 0) + 1, len(events))
                self.within |= {(run_id, length) for length in lengths}

    def _look_at(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Record):
                self._record(command.event)
            elif isinstance(command, Start):
                self._start(command.job.key)

    def dag(self, run_id: str, length: int | None = None) -> DagSpec:
        """Return the version that a run is on, as its first `length` events say."""
        return self.dags[[e.version for e in self.history[run_id][:length] if isinstance(e, RunEvent)][-1]]

    def all_of(self, run_id: str, task_id: str) -> list[TaskEvent]:
        return [e for e in self.history[run_id] if isinstance(e, TaskEvent) and e.task_id == task_id]

    def tasks(self, run_id: str, task_id: str) -> list[TaskEvent]:
        """Return what happened to a task since it was cleared last."""
        events = self.all_of(run_id, task_id)
        cleared = [place for place, e in enumerate(events, 1) if e.state is AttemptState.CLEARED]
        return events[cleared[-1] if cleared else 0 :]

    def runs(self, run_id: str) -> list[RunState]:
        return [e.state for e in self.history[run_id] if isinstance(e, RunEvent)]

    def check_that_ends_agree(self, run_id: str) -> None:
        """How a task ended, unless somebody marked it, is right for how its upstreams ended at last."""
        if len({e.version for e in self.history[run_id] if isinstance(e, RunEvent)}) > 1:
            return  # successes of another version stay
        for id, spec in self.dag(run_id).tasks.items():
            last = self.tasks(run_id, id)[-1]
            upstreams = [self.tasks(run_id, upstream)[-1] for upstream in spec.upstreams]
            may_start = allows(spec.options.trigger_rule, [how_it_ended(e) for e in upstreams], 0)
            if last.attempt and last.state in (AttemptState.SUCCESS, AttemptState.SKIPPED):
                assert may_start
            elif last.cut_by:  # which others of its upstreams ended later does not change
                assert last.cut_by in {e.cut_by or e.task_id for e in upstreams if how_it_ended(e) == "cut"}
                assert spec.options.trigger_rule not in (TriggerRule.ALL_DONE, TriggerRule.ALWAYS)
            elif last.state in (AttemptState.SKIPPED, AttemptState.UPSTREAM_FAILED):
                assert not may_start

    def early_ends(self, run_id: str) -> list[RunEvent]:
        """Return who asked, since the run began or went on, that it ends early."""
        asked: list[RunEvent] = []
        before = RunState.QUEUED
        for e in self.history[run_id]:
            if isinstance(e, RunEvent):
                if before.is_terminal:
                    asked = []
                elif before is e.state is RunState.RUNNING:
                    asked.append(e)
                before = e.state
        return asked

    def check_end(self, run_id: str) -> None:
        """A run has ended as its tasks have, unless it was ended early; what cleans up has run."""
        states = self.runs(run_id)
        tasks = {id: self.tasks(run_id, id)[-1].state for id in self.dag(run_id).tasks}
        cleanup = {id for id, task in self.dag(run_id).tasks.items() if task.options.cleanup}
        assert all(task.ends_task for task in tasks.values())
        if states[-2:] == [RunState.QUEUED, RunState.CANCELLED]:
            return
        versions = {e.version for e in self.history[run_id] if isinstance(e, RunEvent)}
        if run_id not in self.forced and len(versions) == 1:
            left_out = {id for id in cleanup if (run_id, id) in self.by_hand}
            assert all(any(e.attempt for e in self.all_of(run_id, id)) for id in cleanup - left_out)
        match self.early_ends(run_id):
            case []:
                failed = any(task.is_failure for task in tasks.values())
            case [first, *_]:
                not_cleaned_up = any(tasks[id] is AttemptState.FAILED for id in cleanup)
                failed = first.timed_out or not_cleaned_up
                assert failed or states[-1] is RunState.CANCELLED
        assert (states[-1] is RunState.FAILED) == failed

    def _record(self, event: Event) -> None:
        if isinstance(event, RunEvent):
            before = self.history.setdefault(event.run_id, [])
            states = self.runs(event.run_id)
            assert states or event.state is RunState.QUEUED
            if states and event.state is not states[-1]:
                assert states[-1].may_become(event.state)
            went_on = event.restarts + event.interruptions
            assert went_on == [*states, event.state].count(RunState.QUEUED) - 1
            by_hand = event.run_type in (RunType.MANUAL, RunType.BACKFILL)
            assert states or by_hand or not self.paused
            if not states and not by_hand:  # a point has one run of the schedule, on time or caught up
                assert event.logical_date not in self.scheduled
                self.scheduled.add(event.logical_date)
            before.append(event)
            if len(self.early_ends(event.run_id)) > 1:
                self.forced.add(event.run_id)
            if event.timed_out:
                self._check_timeout(event)
        elif isinstance(event, DagEvent):
            self.paused = event.paused
        elif isinstance(event, BackfillEvent):
            self.backfills.setdefault(event.backfill_id, []).append(event)
        elif isinstance(event, ScheduleEvent) and event.backfill_id:
            self._record_backfilled(event)
        elif isinstance(event, TaskEvent):
            self._record_task(event)

    def _record_backfilled(self, event: ScheduleEvent) -> None:
        """A backfill runs its points in order, once each, within its concurrency and while it is running."""
        begun, said = self.backfilled.setdefault(event.backfill_id, []), self.backfills[event.backfill_id]
        order = said[0].order
        assert order is not None
        assert event.run_id is not None
        assert said[-1].state is BackfillState.RUNNING
        assert event.first == order.points[len(begun)]
        under_way = [run_id for run_id in begun if not self.runs(run_id)[-1].is_terminal]
        assert len(under_way) < order.request.concurrency
        assert (event.run_id in self.history) == (event.first in order.again)
        begun.append(event.run_id)

    def check_backfills(self) -> None:
        """A backfill that nobody stopped has run all its points."""
        for backfill_id, said in self.backfills.items():
            assert said[-1].state is not BackfillState.RUNNING
            if said[-1].state is BackfillState.FINISHED:
                assert said[0].order is not None
                assert len(self.backfilled[backfill_id]) == len(said[0].order.points)

    def _check_timeout(self, event: RunEvent) -> None:
        """A run times out when it has taken that long since it began, or began again after its end."""
        timeout, events = self.dag(event.run_id).timeout, self.history[event.run_id]
        of_run = [e for e in events if isinstance(e, RunEvent)]
        queued = max(place for place, e in enumerate(of_run) if e.state is RunState.QUEUED)
        assert timeout is not None
        assert event.at - of_run[queued + 1].at >= timeout

    def _record_task(self, event: TaskEvent) -> None:
        run_state = self.runs(event.run_id)[-1]
        assert run_state is RunState.RUNNING or (run_state is RunState.QUEUED and not event.attempt)
        before = self.tasks(event.run_id, event.task_id)
        same = [e for e in before if e.attempt == event.attempt]
        if event.state is AttemptState.CLEARED:
            assert not before or before[-1].state is not AttemptState.RUNNING
            self.history[event.run_id].append(event)
            return
        if event.state is AttemptState.RUNNING and event.reason:  # somebody asked that it is stopped
            assert AttemptKey(event.run_id, event.task_id, event.attempt) in self.running
            self.history[event.run_id].append(event)
            return
        if event.state is AttemptState.RUNNING:
            earlier = self.all_of(event.run_id, event.task_id)
            assert event.attempt == 1 + max((e.attempt for e in earlier), default=0)
            assert AttemptState.QUEUED.may_become(event.state)
            self._check_upstreams(event)
            asked = self.early_ends(event.run_id)
            spared = len(asked) == 1 and self.dag(event.run_id).tasks[event.task_id].options.cleanup
            assert not asked or spared
            self.running.add(AttemptKey(event.run_id, event.task_id, event.attempt))
        elif event.attempt:
            assert same[-1].state.may_become(event.state)
            self.running.discard(AttemptKey(event.run_id, event.task_id, event.attempt))
        elif event.reason.startswith(f"{event.task_id} marked"):
            self.by_hand.add((event.run_id, event.task_id))
        else:
            assert AttemptState.QUEUED.may_become(event.state)
            if event.state is AttemptState.CANCELLED and not self.early_ends(event.run_id):
                self.by_hand.add((event.run_id, event.task_id))  # or its run, before that had begun
        assert not any(e.state.ends_task for e in before)
        self.history[event.run_id].append(event)

    def _check_upstreams(self, event: TaskEvent) -> None:
        spec = self.dag(event.run_id).tasks[event.task_id]
        states = [self.tasks(event.run_id, id) for id in spec.upstreams]
        ended = [how_it_ended(events[-1]) for events in states if events and events[-1].state.ends_task]
        before = self.tasks(event.run_id, event.task_id)
        if not before or before[-1].state is AttemptState.INTERRUPTED:  # a retry waits for nobody
            assert allows(spec.options.trigger_rule, ended, len(states) - len(ended))

    def _start(self, key: AttemptKey) -> None:
        """A start comes after the record of it, and there is room for it."""
        assert key in self.running
        assert len(self.running) <= self.max_workers
        pools = Counter(self.dag(k.run_id).tasks[k.task_id].options.pool for k in self.running)
        assert pools["db"] <= self.slots


class WatchedBench(Bench):
    def dies(self, dag: DagSpec) -> None:
        self.crash()
        self.register(dag, self.accounted(dag.id))

    def is_stopped(self, dag: DagSpec) -> None:
        self.stop()
        self.register(dag, self.accounted(dag.id))

    def __init__(self, watch: Watch) -> None:
        super().__init__(max_workers=watch.max_workers, pools={"db": watch.slots})
        self.watch = watch

    def _take(self, commands: object) -> None:
        self.watch.see(commands)  # type: ignore[arg-type]
        super()._take(commands)  # type: ignore[arg-type]
        if not self.engine.interrupting:  # what was interrupted is decided by the next one
            for machine in self.engine.runs.values():
                self._compare(machine)

        for backfill in self.engine.backfills.values():
            self._compare_backfill(backfill)

    def fill(self, rerun: str, concurrency: int) -> None:
        """Run a backfill over all points there have been, and some that come."""
        span = (BEFORE, self.now + timedelta(seconds=8))
        self.backfill(*span, runs=self.point_runs(), rerun=rerun, concurrency=concurrency)

    def choose(self, choice: str) -> None:
        """Decide on the points that were missed."""
        self.catch_up(choice, with_run=self.watch.scheduled)

    def _compare_backfill(self, backfill: Backfill) -> None:
        """A backfill that is read back from the log stands where this one stands."""
        asked = next(
            place
            for place, e in enumerate(self.events)
            if isinstance(e, BackfillEvent) and e.backfill_id == backfill.id
        )
        again = restored([e for e in self.events[asked:] if not isinstance(e, TaskEvent)])
        assert {**vars(again), "recalling": None} == {**vars(backfill), "recalling": None}

    def _compare(self, machine: RunMachine) -> None:
        """A run that is read back from the log stands where this one stands."""
        again = replay(machine.dag, self.watch.history[machine.run_id])
        if machine.state is not RunState.QUEUED:
            assert again.resume(self.now) == []
        assert _standing(again) == _standing(machine)
        assert machine.deadline is None or machine.deadline > self.now

    def check_every_prefix(self) -> None:
        """A log that broke off anywhere is gone on with as it went on."""
        for run_id, events in self.watch.history.items():
            for length in range(2, len(events)):
                again = replay(self.watch.dag(run_id, length), events[:length])
                if again.state is RunState.QUEUED or (run_id, length) in self.watch.within:
                    continue  # nothing is decided before it begins, and no log breaks off within one commit
                if any(task.state is AttemptState.INTERRUPTED for task in again.tasks.values()):
                    continue  # its scheduler stops: the next one decides, when it has begun again
                decided = [e for e in again.resume(self.now) if isinstance(e, TaskEvent)]
                following = [e for e in events[length:] if isinstance(e, TaskEvent)]
                later = {(e.task_id, e.attempt): e.state for e in reversed(following)}
                for task_event in decided:
                    assert later[task_event.task_id, task_event.attempt] is task_event.state


def _standing(machine: RunMachine) -> object:
    tasks = {}
    for id, task in machine.tasks.items():
        state = task.state
        if state is AttemptState.QUEUED and task.failures:  # never logged: that its retry was due
            state = AttemptState.UP_FOR_RETRY
        elif state is AttemptState.QUEUED and machine.is_being_cancelled:
            state = None  # what was to clean up before the cancel keeps its place, else it waits for the rest
        ending = (task.value, task.cut_by, task.chose_to_skip)
        tasks[id] = (state, task.attempt, task.failures, task.upstreams, ending)
    return machine.state, machine.early_end, machine.deadline, machine._open, tasks


@st.composite
def dags(draw: st.DrawFn) -> DagSpec:
    names = "abcdef"[: draw(st.integers(0, 6))]
    chains = list(names) + [
        f"{a} >> {b}" for i, a in enumerate(names) for b in names[i + 1 :] if draw(st.booleans())
    ]
    return dag_spec(
        "d",
        ";".join(chains),
        options={name: draw(task_options()) for name in names},
        max_active_runs=draw(st.integers(1, 3)),
        schedule=draw(st.sampled_from([None, Every(4, last=T0 + timedelta(seconds=30))])),
        catchup=draw(st.sampled_from([False, True, "last", "90s"])),
        timeout=draw(st.sampled_from([None, None, timedelta(seconds=8)])),
    )


@st.composite
def task_options(draw: st.DrawFn) -> TaskOptions:
    cleanup = draw(st.sampled_from([False, False, True]))
    return TaskOptions(
        retries=draw(st.integers(0, 2)),
        retry_delay=timedelta(seconds=draw(st.integers(0, 5))),
        retry_jitter=draw(st.sampled_from([0.0, 0.5])),
        timeout=draw(st.sampled_from([None, timedelta(seconds=3)])),
        trigger_rule=TriggerRule.ALL_DONE if cleanup else draw(st.sampled_from(TriggerRule)),
        short_circuit=draw(st.booleans()),
        cleanup=cleanup,
        pool=draw(st.sampled_from([None, "db"])),
        on_interrupt=draw(st.sampled_from(get_args(OnInterrupt))),
    )


@settings(max_examples=600)
@given(st.data(), st.lists(dags(), min_size=1, max_size=2), st.integers(1, 3), st.integers(1, 2))
def test_whatever_happens_every_run_ends_and_nothing_starts_too_early(
    data: st.DataObject, versions: list[DagSpec], max_workers: int, slots: int
) -> None:
    watch = Watch({dag.version: dag for dag in versions}, max_workers, slots)
    bench = WatchedBench(watch)
    bench.register(versions[0], data.draw(st.sampled_from([None, BEFORE]), "accounted"))
    for _ in range(data.draw(st.integers(1, 30), "steps")):
        _step(bench, versions, data)
    _finish(bench)
    states = {run_id: watch.runs(run_id)[-1] for run_id in watch.history}
    assert all(state.is_terminal for state in states.values())
    assert (bench.engine.runs, bench.engine.next_wakeup, bench.engine.queue.busy) == ({}, None, 0)
    for run_id in states:
        watch.check_end(run_id)
        watch.check_that_ends_agree(run_id)
    watch.check_backfills()
    bench.check_every_prefix()


def _step(bench: WatchedBench, versions: list[DagSpec], data: st.DataObject) -> None:
    possible = {action: calls for action, calls in calls_of(bench, versions).items() if calls}
    actions = [*possible, *["end_key"] * (2 if bench.running else 0)]
    action = data.draw(st.sampled_from(actions), "action")
    event(action)
    getattr(bench, action)(*data.draw(st.sampled_from(possible[action]), "of what"))


def calls_of(bench: WatchedBench, versions: list[DagSpec]) -> dict[str, list[tuple[Any, ...]]]:
    """Return, by method of the bench, what it may be called with now."""
    running, at_rest = sorted(bench.running), tasks_at_rest(bench)
    states = {run_id: bench.states(run_id) for run_id in bench.run_states()}
    return {
        "trigger": [()],
        "wait": [(seconds,) for seconds in (*range(7), 100)],
        "register": [(dag,) for dag in versions],
        "body_of": [(key,) for key in running],
        "end_key": [(key, outcome) for key in running for outcome in outcomes_of(bench, key)],
        "cancel": [(run_id,) for run_id in sorted(bench.engine.runs)],
        "cancel_task": waiting_or_running(bench),
        "resume": [(key.run_id, key.task_id) for key in resumable(bench)],
        "restart": [(run_id,) for run_id in unsuccessful(bench)],
        "clear": at_rest,
        "mark": [(run, id, m) for run, id in at_rest for m in MARKS if states[run].get(id) != m],
        "dies": [(dag,) for dag in versions],
        "is_stopped": [(dag,) for dag in versions],
        "unpause" if bench.watch.paused else "pause": [()],
        "choose": [(choice,) for choice in CatchupChoice if bench.engine.missed.get("d")],
        **backfill_calls_of(bench),
    }


def backfill_calls_of(bench: WatchedBench) -> dict[str, list[tuple[Any, ...]]]:
    """Return what may be asked of backfills now."""
    backfill = bench.engine.backfills.get("d")
    if backfill is not None and backfill.is_open:
        other = "resume" if backfill.state is BackfillState.PAUSED else "pause"
        return {"steer_backfill": [(other,), ("cancel",)]}
    if bench.engine.dags["d"].dag.schedule is None:
        return {}
    return {"fill": [(rerun, concurrency) for rerun in Rerun for concurrency in (1, 2)]}


def outcomes_of(bench: WatchedBench, key: AttemptKey) -> list[Outcome]:
    """Return how an attempt may end."""
    is_short = bench.engine.runs[key.run_id].tasks[key.task_id].spec.options.short_circuit
    return [*OUTCOMES, FALSY, FALSY] if is_short else OUTCOMES


def waiting_or_running(bench: WatchedBench) -> list[tuple[str, str]]:
    """Return the tasks that have not ended, of runs that are not being cancelled."""
    return [
        (run_id, id)
        for run_id, machine in sorted(bench.engine.runs.items())
        for id, task in machine.tasks.items()
        if not task.has_ended and not machine.is_being_cancelled
    ]


def unsuccessful(bench: WatchedBench) -> list[str]:
    """Return the runs that failed or were cancelled."""
    return sorted(id for id, state in bench.run_states().items() if state in ("failed", "cancelled"))


def tasks_at_rest(bench: WatchedBench) -> list[tuple[str, str]]:
    """Return the tasks of all runs that neither run nor have anything downstream of them that does."""
    found = []
    for run_id in sorted(bench.run_states()):
        machine = bench.engine.runs.get(run_id)
        if machine is None:
            found += [(run_id, id) for id in bench.engine.dags["d"].dag.tasks]
        elif not machine.is_being_cancelled:
            running = {key.task_id for key in machine.running}
            found += [
                (run_id, id) for id in machine.tasks if running.isdisjoint(machine.with_downstream([id]))
            ]
    return found


def resumable(bench: WatchedBench) -> list[AttemptKey]:
    """Return the attempts whose kernels are held, where nothing downstream of them runs."""

    def is_free(key: AttemptKey) -> bool:
        machine = bench.engine.runs.get(key.run_id)
        newest = bench.engine.dags["d"].dag
        if machine is None:
            return key.task_id in newest.tasks
        return not machine.is_being_cancelled and not {k.task_id for k in machine.running}.intersection(
            machine.with_downstream([key.task_id])
        )

    return [key for key in bench.engine.held if is_free(key)]


def _finish(bench: Bench) -> None:
    for _ in range(10_000):
        while bench.running:
            bench.end_key(next(iter(bench.running)))
        if bench.engine.next_wakeup is None:
            return
        bench.wait((bench.engine.next_wakeup - bench.now).total_seconds())
    raise AssertionError("it never ends")
