"""A scheduler with its API in its own process: ``python -m tests.campaigns.scheduler_process FOLDER LOAD``.

It says on its standard output how far it has come, and lives until it is killed or its API stops it.
"""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path

from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.server.app import Server
from tests.campaigns import load

STORE = "ppacer.duckdb"
OPENING, OPENED, UP = "opening", "opened", "up"


def main() -> None:
    """Run a scheduler until it is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("load", choices=load.LOADS)
    parser.add_argument("--only-finish", action="store_true", help="make no scheduled runs")
    given = parser.parse_args()
    dags = load.dags(given.load)
    store: Path = given.folder / STORE
    say(OPENING)
    scheduler = Scheduler(
        SchedulerOptions(
            store=store,
            runs_folder=given.folder / "runs",
            max_workers=8,
            default_executor="thread",
            receivers=(),
        )
    )
    stopped = threading.Event()
    scheduler.at_stop(stopped.set)
    say(OPENED)
    Server(scheduler, store)
    for dag in dags:
        scheduler.register(dag, scheduled=not given.only_finish)
    say(UP)
    stopped.wait()
    for thread in threading.enumerate():
        if thread.name == "ppacer-server":  # it still answers who asked for the stop
            thread.join()


def say(text: str) -> None:
    """Tell whoever started this process."""
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()
