"""One life of a scheduler's process, from its start to its sudden end, and the moments to end it at.

Moments are aimed at what can be seen from outside: a line that the process says, a body that notes something
in the journal, a commit that reaches the write-ahead log, a checkpoint that is written to the store. Where a
moment lies between two such events, it is a share, drawn by lot, of the time that lay between them in the
life before. The draws come from the seed; what the scheduler does until then depends on the machine too.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil

from ppacer_nb.errors import NotRunning
from ppacer_nb.server.address import published
from ppacer_nb.server.client import RemoteScheduler
from tests.campaigns.load import JOURNAL
from tests.campaigns.scheduler_process import OPENED, OPENING, STORE, UP
from tests.campaigns.watching import FolderWatch

#: Seconds until something that must come is taken to hang.
PATIENCE = 60.0

#: Seconds for what a scheduler has started to end when it is dead.
ORPHANS_MAY_LIVE = 20.0


class Life:
    """A scheduler's process. It is watched from before its start."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.watch = FolderWatch(folder)
        self.reached = {mark: threading.Event() for mark in (OPENING, OPENED, UP)}
        self.times: dict[str, float] = {}
        self.gone = threading.Event()
        self._words = folder / "words"  # all that it says on stderr
        with self._words.open("wb") as words:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.campaigns.scheduler_process", str(folder), *options],
                stdout=subprocess.PIPE,
                stderr=words,
                env={**os.environ, JOURNAL: str(folder / "journal")},
            )
        self.ending = os.pidfd_open(self.process.pid)  #: a descriptor that can be read when it has ended
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def wait_for(self, mark: str) -> None:
        """Return when it has said that it is so far, or is gone."""
        if not self.reached[mark].wait(PATIENCE):
            raise TimeoutError(f"the scheduler was not {mark} within {PATIENCE:.0f} s: {self.words}")

    @property
    def was_up(self) -> bool:
        """Whether it came up, with all its DAGs."""
        return UP in self.times

    @property
    def words(self) -> str:
        """What it said on its standard error."""
        return self._words.read_text(errors="replace").strip()

    def ask_to_stop(self) -> None:
        """Ask it to stop, without waiting for it."""
        threading.Thread(target=self._stop, daemon=True).start()

    def kill(self) -> list[psutil.Process]:
        """Kill it with SIGKILL; return what it leaves behind that does not end by itself."""
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self.process.send_signal(signal.SIGKILL)
        self.end()
        return psutil.wait_procs(family, ORPHANS_MAY_LIVE)[1]

    def end(self) -> int:
        """Wait for its end, and return its exit status."""
        status = self.process.wait(PATIENCE)
        self._listening.join()
        self.watch.close()
        os.close(self.ending)
        return status

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                mark = line.decode().strip()
                if mark in self.reached:  # threads that a stop gave up print there too
                    self.times[mark] = time.monotonic()
                    self.reached[mark].set()
        self.gone.set()
        for reached in self.reached.values():
            reached.set()

    def _stop(self) -> None:
        address = published(self.folder / STORE)
        if address is not None:
            try:
                RemoteScheduler(address).stop(wait=timedelta(0))
            except (NotRunning, OSError, EOFError):  # it was killed before it could answer
                return


class Moments:
    """Draws the moments to kill at."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._opening = 0.3  # seconds from OPENING to UP, in the life before
        self._closing = 0.3  # seconds from the wish to stop to the end
        self.kinds: dict[str, Callable[[Life], None]] = {
            "any time": self.any_time,
            "at its start": self.at_its_start,
            "a body": self.a_body,
            "a commit": self.a_commit,
            "a checkpoint": self.a_checkpoint,
            "its stop": self.its_stop,
        }

    def note(self, life: Life) -> None:
        """Learn from a life how long things take."""
        if UP in life.times:
            self._opening = life.times[UP] - life.times[OPENING]

    def any_time(self, life: Life) -> None:
        """Up to two seconds after it has come up."""
        life.wait_for(UP)
        life.gone.wait(self._rng.uniform(0, 2))

    def at_its_start(self, life: Life) -> None:
        """While it opens the store, takes up unfinished runs and learns of its DAGs."""
        life.wait_for(OPENING)
        life.gone.wait(self._rng.random() * self._opening)

    def a_body(self, life: Life) -> None:
        """When bodies have begun or ended some times."""
        life.wait_for(UP)
        self._until(life, "journal", self._rng.randint(1, 30))

    def a_commit(self, life: Life) -> None:
        """When some commits are being written, the first ones those of the recovery."""
        life.wait_for(OPENING)
        self._until(life, f"{STORE}.wal", self._rng.choice((1, 1, 2, 3, 5, 20, 60)))

    def a_checkpoint(self, life: Life) -> None:
        """When the store itself is being written: when it is opened after a kill, or else when it closes."""
        life.wait_for(OPENING)
        times = self._rng.choice((1, 1, 2, 3, 4))
        if not life.watch.has_changed(STORE, times, self._opening + self._rng.uniform(0, 1)):
            life.wait_for(UP)
            life.ask_to_stop()
            self._until(life, STORE, times)

    def its_stop(self, life: Life) -> None:
        """While it stops in order."""
        life.wait_for(UP)
        life.gone.wait(self._rng.uniform(0, 1))
        asked = time.monotonic()
        life.ask_to_stop()
        if life.gone.wait(self._rng.random() * self._closing * 1.2):
            self._closing = time.monotonic() - asked

    def _until(self, life: Life, name: str, times: int) -> None:
        if not life.watch.has_changed(name, times, PATIENCE, until=life.ending):
            raise TimeoutError(f"{name} was not written {times} times within {PATIENCE:.0f} s: {life.words}")
