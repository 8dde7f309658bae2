"""The one thread of a dashboard: it waits for news, merges bursts, and then looks again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

#: What is new: ids of runs and DAGs that changed; None means that everything may have.
News = frozenset[str] | None

NOTHING: News = frozenset()
EVERYTHING: News = None
#: From the first word of a change to the look at it: what changes together is seen together.
MERGE_S = 0.02
#: At the least between two looks, so that at most five updates a second reach the browser.
REST_S = 0.2

_log = logging.getLogger("ppacer_nb")


class Updater:
    """Calls `look` in a thread of its own, soon after `tell`, with all that was told since.

    The scheduler tells of a change a moment before it can be read in the history, so what was told once is
    looked at a second time after the rest.
    """

    def __init__(self, look: Callable[[News], None]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._news = NOTHING
        self._told = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ppacer-dashboard", daemon=True)
        self._thread.start()

    def tell(self, news: News = EVERYTHING) -> None:
        """Note what is new; returns at once, from any thread."""
        with self._lock:
            self._news = merged(self._news, news)
        self._told.set()

    def close(self) -> None:
        """End the thread, and return when it has ended."""
        self._closed.set()
        self._told.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        again = NOTHING
        while True:
            if again == NOTHING:
                self._told.wait()
            if self._closed.wait(MERGE_S):
                return
            fresh = self._take()
            try:
                self._look(merged(fresh, again))
            except Exception:  # one look that fails must not end all later ones
                _log.exception("ppacer: the dashboard could not be brought up to date")
            again = fresh
            if self._closed.wait(REST_S):
                return

    def _take(self) -> News:
        with self._lock:
            self._told.clear()
            news, self._news = self._news, NOTHING
        return news


def merged(first: News, second: News) -> News:
    """Return what is new by either."""
    return None if first is None or second is None else first | second
