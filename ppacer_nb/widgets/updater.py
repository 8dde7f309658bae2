"""The one thread that brings a dashboard up to date, when something has happened."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Between two updates, in seconds: a burst of changes becomes one update.
PAUSE = 0.2


class Updater:
    """Calls `update` in a thread of its own after each `poke`, at most five times a second."""

    def __init__(self, update: Callable[[], None]) -> None:
        self._update = update
        self._poked = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ppacer-dashboard", daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Say that something has happened; returns at once."""
        self._poked.set()

    def close(self) -> None:
        """End the thread. From the thread itself, after the update under way."""
        self._closed.set()
        self._poked.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while True:
            self._poked.wait()
            self._poked.clear()
            if self._closed.is_set():
                return
            self._update()
            self._closed.wait(PAUSE)
