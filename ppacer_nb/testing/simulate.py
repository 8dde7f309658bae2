"""`simulate`: what a DAG would do in a stretch of time, in milliseconds."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ppacer_nb.authoring.dag import DAG
from ppacer_nb.authoring.head import instant_of
from ppacer_nb.engine.queue import Limits
from ppacer_nb.errors import DuplicateId, InvalidOption, NotFound, StoreError
from ppacer_nb.model.dag import DagSpec, did_you_mean
from ppacer_nb.store.codec import Row, notification_row, source_rows, version_row
from ppacer_nb.store.store import Store
from ppacer_nb.testing.calls import CallingExecutor
from ppacer_nb.testing.driver import Driver
from ppacer_nb.testing.result import Simulation, gathered
from ppacer_nb.testing.script import ScriptedExecutor
from ppacer_nb.testing.world import spec_of

Moment = datetime | date | str
_INSTANT = timedelta(microseconds=1)


def simulate(
    dag: DAG | DagSpec | Iterable[DAG | DagSpec],
    start: Moment,
    end: Moment,
    outcomes: Mapping[str, Any] | None = None,
    *,
    call_functions: bool = False,
    asleep: Sequence[tuple[Moment, Moment]] = (),
    store: str | Path | None = None,
    max_workers: int = 4,
    pools: Mapping[str, int] | None = None,
) -> Simulation:
    """Let a scheduler have `dag` from `start` until before `end`, in simulated time, and say what ran.

    ::

        march = simulate(dag, "2027-03-01", "2027-04-01", {"extract": [OSError("disk"), 42]})
        assert march.states == ["success"] * 31
        assert march.run("2027-03-05")["extract"].value == 42

    What decides is the scheduler's own engine: schedules, clock changes, retries, timeouts, trigger rules,
    pools and limits are the real ones. Nothing sleeps, and the same simulation ends the same every time.

    Parameters
    ----------
    dag
        A DAG, or several that share the workers.
    start, end
        Datetimes, dates or ISO text; without a zone they are read in the timezone of the (first) DAG.
    outcomes
        What tasks do, by id: a value to return, an exception to raise, a `Does` for what takes time or
        prints, a list of these, one for each attempt of a run, of which the last one repeats, or a function
        that is given the attempt's `RunInfo` and returns any of these. Other tasks return None at once.
    call_functions
        Whether function tasks without an outcome are called, in this thread, with what their upstreams
        returned. No simulated time passes in them. Notebooks and shell commands are never run.
    asleep
        Spans in which the machine sleeps: what falls due in one comes at its end, as after the lid of a
        laptop was closed.
    store
        The path of a DuckDB file to be made: the history as a scheduler would have written it, for SQL.
    max_workers, pools
        As of the scheduler: tasks at once, and slots by name. A pool that is not named has `max_workers`.

    Raises
    ------
    NotFound
        If `outcomes` names a task that no DAG has.
    InvalidOption
        If a DAG has no schedule, or `end` is not later than `start`.
    StoreError
        If there is a file at `store` already: a history is not the place for what never happened.
    """
    dags = _by_id(dag)
    zone = next(iter(dags.values())).timezone
    first, last = _span(start, end, zone, "the simulation")
    _check_outcomes(outcomes or {}, dags)
    path = None if store is None else _free(Path(store))
    folder = _Folder(path and path.absolute().parent / "runs")
    driver = Driver(
        first - _INSTANT,  # so that a point at the start is one of the simulation
        Limits(max_workers, {**_pools_of(dags, max_workers), **(pools or {})}),
        folder.path,
        CallingExecutor if call_functions else ScriptedExecutor,
        outcomes,
        [_span(*span, zone, "a sleep") for span in asleep],
    )
    executor = driver.executor
    with executor.capturing() if isinstance(executor, CallingExecutor) else nullcontext():
        for spec in dags.values():
            driver.register(spec, driver.now() if spec.catchup.is_on else None)
        driver.run_until(last)
    if path is not None:
        _write(path, dags, first, driver)
    runs, skipped = gathered(dags, driver.events, driver.logs, folder)
    return Simulation(first, last, runs, skipped, driver.notifications, driver.events)


class _Folder:
    """Where large results lie: of its own, and gone when nobody can read them any more, or beside a store."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or Path(tempfile.mkdtemp(prefix="ppacer-"))
        if path is None:
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _by_id(given: DAG | DagSpec | Iterable[DAG | DagSpec]) -> dict[str, DagSpec]:
    dags: dict[str, DagSpec] = {}
    for dag in [given] if isinstance(given, DAG | DagSpec) else given:
        spec = spec_of(dag)
        if spec.id in dags:
            raise DuplicateId(f"there are two DAGs {spec.id!r} to simulate: give one of them another id.")
        if spec.schedule is None:
            raise InvalidOption(
                f"DAG {spec.id!r} has no schedule, so nothing of it would run: give it one, "
                "or run it once with dag.run()."
            )
        dags[spec.id] = spec
    if not dags:
        raise InvalidOption("there is no DAG to simulate: give at least one.")
    return dags


def _span(start: Moment, end: Moment, zone: ZoneInfo, what: str) -> tuple[datetime, datetime]:
    first = instant_of(start, zone, f"start of {what}")
    last = instant_of(end, zone, f"end of {what}")
    if first is None or last is None:
        raise InvalidOption(f"{what} has no {'start' if first is None else 'end'}: give a date.")
    if last <= first:
        raise InvalidOption(f"{what} ends at {last}, which is not later than its start {first}.")
    return first, last


def _check_outcomes(outcomes: Mapping[str, Any], dags: Mapping[str, DagSpec]) -> None:
    known = {id for dag in dags.values() for id in dag.tasks}
    for task_id in outcomes:
        if task_id not in known:
            raise NotFound(
                f"outcomes has a task {task_id!r}, which no DAG has{did_you_mean(task_id, known)}: "
                f"there are {', '.join(sorted(known))}."
            )


def _pools_of(dags: Mapping[str, DagSpec], slots: int) -> dict[str, int]:
    names = (task.options.pool for dag in dags.values() for task in dag.tasks.values())
    return {name: slots for name in names if name is not None}


def _free(path: Path) -> Path:
    if path.exists():
        raise StoreError(f"{path} exists already, and what never happened is kept apart: give a new path.")
    return path


def _write(path: Path, dags: Mapping[str, DagSpec], defined_at: datetime, driver: Driver) -> None:
    with Store(path) as store:
        sources: dict[str, Row] = {}
        for dag in dags.values():
            sources |= source_rows(dag)
        for row in sources.values():
            store.log.row("task_sources", row)
        for dag in dags.values():
            store.log.row("dag_versions", version_row(dag, defined_at))
        for notification in driver.notifications:
            store.log.row("notifications", notification_row(notification, ""))
        store.log.events(driver.events)
        for key, lines in driver.logs.items():
            for line in lines:
                store.log.line(key, line)
