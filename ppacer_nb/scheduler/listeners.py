"""Those who want to know what has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable

Listener = Callable[[frozenset[str]], None]

_log = logging.getLogger("ppacer_nb")


class Listeners:
    """Functions to call with the ids of the runs and DAGs that changed. They must return at once."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` from now on; the function returned here ends it."""
        self._listeners.append(listener)

        def remove() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return remove

    def tell(self, ids: frozenset[str]) -> None:
        """Call all of them, in this thread; one that raises is not called again."""
        for listener in list(self._listeners):
            try:
                listener(ids)
            except Exception:  # one dashboard's defect is not the scheduler's
                _log.exception("ppacer: a listener failed and is not called again")
                self._listeners.remove(listener)
