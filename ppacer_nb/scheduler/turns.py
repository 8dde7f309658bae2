"""How long other threads of this process compute before a thread of the scheduler's comes to its turn.

A thread that computes in Python gives way to another after Python's switch interval, 5 ms unless set (see
`sys.setswitchinterval`). From a schedule point to a task's body several threads follow one another, and each
would wait as long while a cell of the user's computes. Where nothing waits the interval costs nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds.
INTERVAL = 0.001

_lock = threading.Lock()
_users = 0
_before = INTERVAL


@contextmanager
def short_turns() -> Iterator[None]:
    """Let no thread of this process compute for more than 1 ms while another waits; nests.

    An interval that is shorter stays, as does one that somebody sets meanwhile.
    """
    global _users, _before
    with _lock:
        _users += 1
        if _users == 1:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(min(_before, INTERVAL))
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and sys.getswitchinterval() == INTERVAL:
                sys.setswitchinterval(_before)
