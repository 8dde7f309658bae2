"""The scheduler that is measured: threads, and a history on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions


@contextmanager
def durable_scheduler() -> Iterator[Scheduler]:
    """Give a scheduler with 32 threads and a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        options = SchedulerOptions(
            store=Path(folder) / "ppacer.duckdb",
            runs_folder=Path(folder) / "runs",
            max_workers=32,
            default_executor="thread",
        )
        scheduler = Scheduler(options)
        try:
            yield scheduler
        finally:
            scheduler.stop(wait=timedelta(0))
