"""What is known of a campaign: the log as found after each kill, the journal, and what was promised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.status import RunState
from tests.campaigns.people import Promises
from tests.campaigns.reading import Left, Row


@dataclass(frozen=True)
class Line:
    """A line of the journal."""

    what: str
    key: AttemptKey
    saw: Mapping[str, int] = field(default_factory=dict)  #: the attempts whose values it was given, by task

    @classmethod
    def of(cls, text: str) -> Line:
        """Read a line."""
        what, run_id, task_id, attempt, *saw = text.split()
        pairs = (pair.split("=") for pair in saw[0].split(",")) if saw else ()
        return cls(what, AttemptKey(run_id, task_id, int(attempt)), {task: int(n) for task, n in pairs})


class Evidence:
    """All that is known of a campaign so far."""

    def __init__(self, dags: Sequence[DagSpec]) -> None:
        self.dags = {dag.id: dag for dag in dags}
        self.promises = Promises()
        self.rows: list[Row] = []
        self.runs: dict[str, list[Row]] = defaultdict(list)
        self.journal: list[Line] = []
        self.fingerprint = ""
        self.kept = 0  #: promises
        self.left: Left | None = None  #: what the last look found
        self.changed: dict[str, list[Row]] = {}  #: of the runs that it found something new of, all rows
        self.in_flight: set[AttemptKey] = set()  #: attempts whose scheduler was killed while they ran
        self.overdue: set[AttemptKey] = set()  #: those of them that a scheduler has had the time to take up

    def take_in(self, left: Left, journal: Sequence[str], *, was_up: bool) -> None:
        """Add what one more look has found, after a scheduler that `was_up` or died before."""
        self.left = left
        self.rows += left.rows
        for row in left.rows:
            if row.run_id is not None and row.kind != "schedule":
                self.runs[row.run_id].append(row)
        self.changed = {id: self.runs[id] for id in {row.run_id for row in left.rows} if id in self.runs}
        self.journal += map(Line.of, journal)
        self.overdue = self.in_flight if was_up else set()
        self.in_flight = set() if was_up else self.in_flight
        self.in_flight |= {
            AttemptKey(id, row.task_id, row.attempt or 0)
            for id, rows in self.changed.items()
            for row in latest_of_tasks(rows).values()
            if row.state == "running" and row.task_id
        }

    def have_checked(self) -> None:
        """Remember that what was found is right: promises that were kept need no second look."""
        assert self.left is not None
        self.fingerprint = self.left.everything
        promises = self.promises
        for kept in (promises.triggered, promises.carried_out, promises.ended):
            self.kept += len(kept)
            kept.clear()

    def task(self, row: Row) -> TaskSpec:
        """Return the task that a row is about."""
        return self.dags[row.dag_id].tasks[row.task_id or ""]


def undisturbed(known: Evidence) -> Iterator[tuple[str, list[Row]]]:
    """Yield the runs that nobody steered, and in which no task was given up for its interruptions."""
    for id, rows in known.runs.items():
        given_up = any(row.gives_up and row.task_id != "charge" for row in rows)
        if id not in known.promises.touched and not given_up:
            yield id, rows


def in_early_end(rows: Sequence[Row]) -> Iterator[tuple[Row, bool]]:
    """Yield all rows of a run, with whether it is being cancelled: until it ends, and goes on after that."""
    early_end, state = False, ""
    for row in rows:
        if row.kind == "run":
            early_end = ends_early(row) or (early_end and not _has_ended(state))
            state = row.state
        yield row, early_end


def _has_ended(state: str) -> bool:
    return bool(state) and RunState(state).is_terminal


def latest_of_tasks(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.task_id: row for row in rows if row.kind == "task" and row.task_id is not None}


def states_of(rows: Sequence[Row]) -> dict[str, str]:
    return {task: row.state for task, row in latest_of_tasks(rows).items()}


def has_ended(rows: Sequence[Row]) -> bool:
    return RunState([row.state for row in rows if row.kind == "run"][-1]).is_terminal


def makes_a_run(row: Row) -> bool:
    return row.kind == "run" and row.state == "queued" and row.attempt is None


def ends_early(row: Row) -> bool:
    return row.kind == "run" and row.state == "running" and bool(row.told.get("reason"))


def is_of(row: Row, key: AttemptKey) -> bool:
    return row.task_id == key.task_id and row.attempt == key.attempt
