"""A gate that a task's body waits at until a test opens it."""

from __future__ import annotations

import threading

WAIT_S = 20.0
opened = threading.Event()


def wait() -> None:
    """Return when the gate is open."""
    opened.wait(WAIT_S)
