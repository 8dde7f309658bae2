"""People at work: they trigger and steer runs over the API of a scheduler that may be killed at any time.

They keep what they were promised. What the API answered was on disk before it answered, so it must be found
there after the kill.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ppacer_nb.errors import NotRunning, PpacerError
from ppacer_nb.model.history import RunRecord
from ppacer_nb.server.address import published
from ppacer_nb.server.client import RemoteScheduler
from tests.campaigns.load import BY_HAND

#: DAGs whose points may also be left out: those of the others are looked at without a break.
PAUSED_AT_TIMES = ("rules", "fan")


@dataclass
class Promises:
    """What the API has answered, and what it was asked."""

    triggered: dict[str, str] = field(default_factory=dict)  #: by run, who asked
    carried_out: dict[str, str] = field(default_factory=dict)  #: by who asked, what, in words
    ended: dict[str, str] = field(default_factory=dict)  #: by run, a state that it was said to have ended in
    touched: set[str] = field(default_factory=set)  #: runs that were steered, or may have been
    refused: int = 0  #: what came too late, or made no sense


class People(threading.Thread):
    """Somebody who speaks to the scheduler of `store` until it is gone or has answered `requests` times."""

    def __init__(self, store: Path, promises: Promises, rng: random.Random, name: str, requests: int) -> None:
        super().__init__(daemon=True)
        self._store = store
        self._promises = promises
        self._rng = rng
        self._who = name
        self._requests = requests
        self.leave = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        """Ask for one thing after the other, with a breath between."""
        address = published(self._store)
        assert address is not None
        scheduler = RemoteScheduler(address)
        for number in range(self._requests):
            try:
                self._ask(scheduler, f"{self._who}.{number}.")
            except NotRunning:
                return
            except PpacerError:
                self._promises.refused += 1
            except (OSError, EOFError):  # it was killed while it answered
                return
            except Exception as error:  # no answer of an API in order: for the campaign to report
                self.failure = error
                return
            if self.leave.wait(self._rng.expovariate(10)):
                return

    def _ask(self, scheduler: RemoteScheduler, by: str) -> None:
        requests: list[Callable[[RemoteScheduler, str], None]] = [
            *[self._trigger] * 5,
            *[self._look] * 2,
            *[self._restart] * 2,
            *(self._cancel, self._cancel_task, self._clear, self._mark, self._pause, self._unpause),
        ]
        self._rng.choice(requests)(scheduler, by)

    def _trigger(self, scheduler: RemoteScheduler, by: str) -> None:
        run_id = scheduler.trigger(BY_HAND, params={"city": by}, by=by)
        self._promises.triggered[run_id] = by

    def _look(self, scheduler: RemoteScheduler, by: str) -> None:
        runs = scheduler.history.runs(limit=100)
        self._promises.ended |= {run.run_id: run.state for run in runs if run.state.is_terminal}

    def _cancel(self, scheduler: RemoteScheduler, by: str) -> None:
        if run := self._one(scheduler, "queued", "running"):
            scheduler.cancel(run.run_id, by=by)
            self._promises.carried_out[by] = f"cancel {run.run_id}"

    def _cancel_task(self, scheduler: RemoteScheduler, by: str) -> None:
        if run := self._one(scheduler, "running"):
            running = [a.task_id for a in scheduler.history.attempts(run.run_id) if not a.state.is_terminal]
            if running:
                scheduler.cancel_task(run.run_id, task_id := self._rng.choice(running), by=by)
                self._promises.carried_out[by] = f"cancel {run.run_id} {task_id}"

    def _restart(self, scheduler: RemoteScheduler, by: str) -> None:
        if run := self._one(scheduler, "failed", "cancelled"):
            scheduler.restart(run.run_id, by=by)
            self._promises.carried_out[by] = f"restart {run.run_id}"

    def _clear(self, scheduler: RemoteScheduler, by: str) -> None:
        if run := self._one(scheduler, "success", "failed", "cancelled"):
            tasks = sorted({attempt.task_id for attempt in scheduler.history.attempts(run.run_id)})
            if tasks:
                scheduler.clear(run.run_id, [self._rng.choice(tasks)], by=by)
                self._promises.carried_out[by] = f"clear {run.run_id}"

    def _mark(self, scheduler: RemoteScheduler, by: str) -> None:
        if run := self._one(scheduler, "failed"):
            failed = [a.task_id for a in scheduler.history.attempts(run.run_id) if a.state == "failed"]
            if failed:
                scheduler.mark(run.run_id, failed[0], "success", by=by)
                self._promises.carried_out[by] = f"mark {run.run_id}"

    def _pause(self, scheduler: RemoteScheduler, by: str) -> None:
        scheduler.pause(dag_id := self._rng.choice(PAUSED_AT_TIMES), by=by)
        self._promises.carried_out[by] = f"pause {dag_id}"

    def _unpause(self, scheduler: RemoteScheduler, by: str) -> None:
        scheduler.unpause(dag_id := self._rng.choice(PAUSED_AT_TIMES), by=by)
        self._promises.carried_out[by] = f"unpause {dag_id}"

    def _one(self, scheduler: RemoteScheduler, *states: str) -> RunRecord | None:
        """Return one of the latest runs in such a state, mostly of those made by hand."""
        found = [run for run in scheduler.history.runs(limit=40) if run.state in states]
        by_hand = [run for run in found if run.dag_id == BY_HAND]
        choice = by_hand if by_hand and self._rng.random() < 0.8 else found
        if not choice:
            return None
        run = self._rng.choice(choice)
        self._promises.touched.add(run.run_id)
        return run
