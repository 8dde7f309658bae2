"""Cells of notebooks that browser tests open."""

from __future__ import annotations

#: A scheduler with a few DAGs of threads: quick, slow, failing.
SETUP = """
import time
from datetime import timedelta
from pathlib import Path
from ppacer_nb import DAG, task, run
from ppacer_nb.model.context import TaskContext
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import dashboard

@task(executor="thread")
def extract(day, context: TaskContext):
    context.logger.warning("reading", extra={"rows": 2})
    return [120, 80]

@task(executor="thread")
def total(rows):
    return sum(rows)

@task(executor="thread")
def sleep(seconds):
    time.sleep(seconds)

@task(executor="thread")
def explode(text):
    print(text)
    raise ValueError(text)

with DAG("daily_sales", schedule="15 6 * * 1-5", timezone="Europe/Warsaw") as sales:
    total(extract(run.logical_date))
with DAG("slow") as slow:
    sleep(60)
with DAG("broken", params={"text": "no good"}) as broken:
    explode(run.params["text"])

scheduler = Scheduler(SchedulerOptions(store=Path(FOLDER) / "p.duckdb", runs_folder=Path(FOLDER) / "runs"))
with DAG("kept") as kept:
    total.override(executor="kernel")([1, 2])

for dag in (sales, slow, broken, kept):
    scheduler.register(dag.spec)
shown = dashboard(scheduler)
shown
"""

STOP = "scheduler.stop(wait=timedelta(0))"


def setup(folder: str) -> str:
    """Return the cell that makes the scheduler, its store in `folder`, and shows its dashboard."""
    return f"FOLDER = {folder!r}\n{SETUP}"
