"""What must hold of a log, of what bodies did, and of what people were promised: each check yields sentences.

The rules are those for a scheduler that is started again after it was killed: what ran becomes `interrupted`
and is tried again without using up retries, what waited goes on waiting, no point is lost or doubled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ppacer_nb.engine.run_machine import RunMachine, replay
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.status import AttemptState, TriggerRule
from ppacer_nb.store.codec import event_of
from tests.campaigns.evidence import (
    Evidence,
    has_ended,
    in_early_end,
    is_of,
    latest_of_tasks,
    makes_a_run,
    states_of,
    undisturbed,
)
from tests.campaigns.load import ENDS
from tests.campaigns.reading import Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: A task that is interrupted so often in a row may be what kills its schedulers, and fails.
GIVEN_UP_AFTER = 5


Check = Callable[[Evidence], Iterator[str]]


def numbers_without_gaps(known: Evidence) -> Iterator[str]:
    """The events are numbered from 1."""
    for place, row in enumerate(known.rows, 1):
        if row.seq != place:
            yield f"event {row.seq} stands in place {place}"
            return


def nothing_rewritten(known: Evidence) -> Iterator[str]:
    """What was in the log once stays there as it was."""
    assert known.left is not None
    if known.left.before != known.fingerprint:
        yield f"the events up to the last look were {known.fingerprint!r} and are {known.left.before!r}"


def one_run_for_one_point(known: Evidence) -> Iterator[str]:
    """A run is made once, and no schedule point has two."""
    made = Counter(id for id, rows in known.runs.items() for row in rows if makes_a_run(row))
    yield from (f"run {id} was made {count} times" for id, count in made.items() if count > 1)
    yield from (f"run {id} was not made" for id in known.runs if not made[id])
    points = Counter(
        (row.dag_id, row.told["logical_date"])
        for rows in known.runs.values()
        for row in rows
        if makes_a_run(row) and row.told["run_type"] in ("scheduled", "catchup")
    )
    yield from (f"the point {point} has {count} runs" for point, count in points.items() if count > 1)


def every_point_accounted_for(known: Evidence) -> Iterator[str]:
    """The points of each DAG follow each other without a gap, and those that are run have their run."""
    last: dict[str, datetime] = {}
    named = {row.run_id for row in known.rows if row.kind == "schedule"}
    for row in known.rows:
        if row.kind != "schedule":
            continue
        if row.run_id is not None and row.run_id not in known.runs:
            yield f"the point of event {row.seq} has no run {row.run_id}"
        schedule = known.dags[row.dag_id].schedule
        if row.state == "manually_triggered" or schedule is None:
            continue
        first, end = _instant(row.told["first"]), _instant(row.told["last"])
        before = last.get(row.dag_id)
        if before is not None and first != schedule.next(before):
            yield f"{row.dag_id}: after the point {before} comes {first} (event {row.seq}, {row.state})"
        if row.told["count"] is not None and not _are_so_many(known.dags[row.dag_id], first, end, row):
            yield f"{row.dag_id}: there are not {row.told['count']} points from {first} to {end}"
        last[row.dag_id] = end
    yield from (f"run {id} stands for no point" for id in known.changed if id not in named)


def attempts_are_numbered(known: Evidence) -> Iterator[str]:
    """Each attempt of a task begins once, in the order of its number, and ends once."""
    for id, rows in known.changed.items():
        begun: Counter[str] = Counter()
        now: dict[str, AttemptState] = {}
        for row in rows:
            if row.kind != "task" or not row.attempt:
                continue
            task, state = row.task_id or "", AttemptState(row.state)
            if row.begins:
                begun[task] += 1
                if now.get(task) is AttemptState.RUNNING:
                    yield f"{id} {task}: event {row.seq} begins an attempt while another one runs"
            elif state != now.get(task) and not now[task].may_become(state):
                yield f"{id} {task}: event {row.seq} makes {state} of an attempt that is {now[task]}"
            if row.attempt != begun[task]:
                yield f"{id} {task}: event {row.seq} is of attempt {row.attempt} and not of {begun[task]}"
            now[task] = state


def written_ahead(known: Evidence) -> Iterator[str]:
    """No body begins before its attempt is in the log, and none begins twice in one attempt."""
    starts = Counter(line.key for line in known.journal if line.what == "start")
    for key, count in starts.items():
        if count > 1:
            yield f"the body of {key} began {count} times"
        if not any(is_of(row, key) and row.begins for row in known.runs.get(key.run_id, ())):
            yield f"the body of {key} began, and the log does not know it"


def after_upstreams(known: Evidence) -> Iterator[str]:
    """A task that needs the success of all upstreams begins when they have succeeded, with their values."""
    saw = {line.key: line.saw for line in known.journal if line.what == "start"}
    for id, rows in known.changed.items():
        latest: dict[str, Row] = {}
        values: dict[str, int | None] = {}
        for row in rows:
            if row.kind != "task" or row.task_id is None:
                continue
            latest[row.task_id] = row
            if row.state == "success" and row.attempt:
                values[row.task_id] = row.attempt
            task = known.task(row)
            if not row.begins or task.options.trigger_rule is not TriggerRule.ALL_SUCCESS:
                continue
            states = {up: latest[up].state if up in latest else "nothing" for up in task.upstreams}
            if set(states.values()) - {"success"}:
                yield f"{id} {row.task_id}: attempt {row.attempt} begins with {states}"
            for upstream, attempt in saw.get(AttemptKey(id, row.task_id, row.attempt or 0), {}).items():
                if attempt != values.get(upstream):
                    yield f"{id} {row.task_id} was given the value of {upstream} {attempt}, not {values}"


def promises_kept(known: Evidence) -> Iterator[str]:
    """What the API has answered is in the log."""
    promises = known.promises
    details = [row.detail for row in known.rows if row.detail]
    for id, by in promises.triggered.items():
        if not any(makes_a_run(row) and row.told.get("reason") == by for row in known.runs.get(id, ())):
            yield f"run {id} was promised to {by}, and is not there"
    for by, what in promises.carried_out.items():
        if not any(by in detail for detail in details):
            yield f"{what} was promised to {by}, and is not there"
    for id, state in promises.ended.items():
        if not any(row.kind == "run" and row.state == state for row in known.runs.get(id, ())):
            yield f"run {id} was said to be {state}, and never was"


def interrupted_in_time(known: Evidence) -> Iterator[str]:
    """The next scheduler that comes up notes what was interrupted."""
    for key in known.overdue:
        after = [row.state for row in known.runs[key.run_id] if is_of(row, key)]
        if after[-1] == "running":
            yield f"{key} was running when its scheduler was killed, and is still said to run"
        elif after[-1] not in ("interrupted", "failed"):
            yield f"{key} was running when its scheduler was killed, and became {after[-1]}"


def interrupted_are_tried_again(known: Evidence) -> Iterator[str]:
    """An interrupted attempt is followed by another one, if nobody ends the task or lets it begin anew.

    Not that of a task that must not begin twice, and not that of one that was interrupted again and again.
    """
    for id, rows in known.changed.items():
        in_a_row: Counter[str] = Counter()
        for place, row in enumerate(rows):
            task = row.task_id or ""
            if row.kind == "task" and row.state not in ("running", "interrupted"):
                in_a_row[task] = 0
            if row.state != "interrupted":
                continue
            in_a_row[task] += 1
            following = next((later for later in rows[place + 1 :] if later.task_id == task), None)
            where = f"{id} {task}: attempt {row.attempt} was interrupted"
            if following is None:
                if has_ended(rows):
                    yield f"{where}, and nothing follows"
            elif task == "charge":
                if following.begins:
                    yield f"{where}, and it begins again"
            elif following.gives_up and in_a_row[task] < GIVEN_UP_AFTER:
                yield f"{where}, and it is given up after {in_a_row[task]} times"


def retries_not_used_up(known: Evidence) -> Iterator[str]:
    """A task that failed for good has failed once more than it has retries, interruptions not counted."""
    for id, rows in known.changed.items():
        if id in known.promises.touched:
            continue
        failures = Counter(row.task_id for row in rows if row.state == "up_for_retry")
        for row in rows:
            if row.kind != "task" or row.state != "failed" or row.gives_up:
                continue
            retries = known.task(row).options.retries
            if failures[row.task_id] != retries:
                yield f"{id} {row.task_id} fails for good after {failures[row.task_id]} of {retries} retries"


def retries_wait_until_due(known: Evidence) -> Iterator[str]:
    """No retry begins before its time, whichever scheduler begins it."""
    for id, rows in known.changed.items():
        due: dict[str, datetime] = {}
        for row in rows:
            task = row.task_id or ""
            if row.state == "up_for_retry":
                due[task] = _instant(row.told["retry_at"])
            elif row.begins and task in due and row.ts.replace(tzinfo=UTC) < due[task]:
                yield f"{id} {task}: attempt {row.attempt} begins at {row.ts}, before {due[task]}"
            if row.begins or row.state == "cleared":
                due.pop(task, None)


def ended_early_stays_so(known: Evidence) -> Iterator[str]:
    """A run that is being cancelled starts nothing but what cleans up, also under another scheduler."""
    for id, rows in known.changed.items():
        for row, early_end in in_early_end(rows):
            if early_end and row.begins and not known.task(row).options.cleanup:
                yield f"{id} {row.task_id} begins (event {row.seq}) in a run that is being cancelled"


def replays(known: Evidence) -> Iterator[str]:
    """A run that is read back from the log stands where the views say."""
    assert known.left is not None
    for id, rows in known.changed.items():
        machine = replay(known.dags[rows[0].dag_id], (event_of(row) for row in rows))  # type: ignore[misc]
        if machine.state != known.left.runs.get(id):
            yield f"{id} is {known.left.runs.get(id)} by the view and {machine.state} by its replay"
        yield from (f"{id} {text}" for text in _other_tasks(machine, rows, known.left.attempts))


def all_ended(known: Evidence) -> Iterator[str]:
    """No run is left unfinished."""
    for id, rows in known.runs.items():
        if not has_ended(rows):
            yield f"{id} has not ended: its tasks are {states_of(rows)}"


def ended_as_if_never_killed(known: Evidence) -> Iterator[str]:
    """Undisturbed runs have ended as they do without any crash."""
    for id, rows in undisturbed(known):
        dag, states = known.dags[rows[0].dag_id], states_of(rows)
        for task in dag.tasks:
            if states.get(task) not in ENDS.get(task, frozenset({"success"})):
                yield f"{id} {task} is {states.get(task)} in the end"
        failed = any(AttemptState(state).is_failure for state in states.values())
        end = "failed" if failed else "success"
        if has_ended(rows) and [row.state for row in rows if row.kind == "run"][-1] != end:
            yield f"{id} did not end as {end}"


#: What must hold after each kill.
ALWAYS: Sequence[Check] = (
    numbers_without_gaps,
    nothing_rewritten,
    one_run_for_one_point,
    every_point_accounted_for,
    attempts_are_numbered,
    written_ahead,
    after_upstreams,
    promises_kept,
    interrupted_in_time,
    interrupted_are_tried_again,
    retries_not_used_up,
    retries_wait_until_due,
    ended_early_stays_so,
    replays,
)

#: What must hold in the end too.
IN_THE_END: Sequence[Check] = (all_ended, ended_as_if_never_killed)


def _other_tasks(
    machine: RunMachine, rows: Sequence[Row], attempts: Mapping[AttemptKey, str]
) -> Iterator[str]:
    for task_id, row in latest_of_tasks(rows).items():
        if row.attempt and attempts[AttemptKey(machine.run_id, task_id, row.attempt)] != row.state:
            yield f"{task_id} {row.attempt} is {row.state} in the log, and not by the view"
        found = machine.tasks[task_id].state
        expected = None if row.state == "cleared" else row.state
        if row.state != "interrupted" and found != expected:  # from there it may have its way ahead of it
            yield f"{task_id} is {expected} in the log and {found} by the replay"


def _are_so_many(dag: DagSpec, first: datetime, last: datetime, row: Row) -> bool:
    schedule, count, point = dag.schedule, 1, first
    assert schedule is not None
    while point < last and (following := schedule.next(point)) is not None:
        point, count = following, count + 1
    return point == last and count == row.told["count"]


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
