"""Where in the log the events of a run lie, so that one run is found among a million.

The table ``run_index`` has a row for each run and each portion of the log in which something happened to it:
a number made of the run's id, and the first and the last of its events there. A scan of that, and of the
stretch of the log that it names, takes milliseconds where one of all run ids takes a hundred. The log alone
is the truth: the index follows it in portions, and what lies behind the last is looked through as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

#: So many events are looked through without the index, until the next portion of them is added to it.
PORTION = 10_000

_ADD = """
INSERT INTO run_index
SELECT md5_number_lower(run_id), min(seq), max(seq) FROM events
WHERE seq > ? AND run_id IS NOT NULL GROUP BY run_id ORDER BY min(seq)
"""
_REACHES = "SELECT coalesce(max(last), 0) FROM run_index"
#: Asks by a run's id for the first and the last event that the index knows of it, 0 and 0 if it knows none,
#: and for the last that it knows of any.
SPAN = f"""
SELECT coalesce(min(first), 0), coalesce(max(last), 0), ({_REACHES})
FROM run_index WHERE run_key = md5_number_lower(?)
"""

#: The condition that an event lies where the index says, or behind its last portion; takes what `SPAN` gives.
IN_SPAN = "(seq BETWEEN ? AND ? OR seq > ?)"


class Cursor(Protocol):
    """What is needed of a cursor of DuckDB."""

    def execute(self, query: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run a query."""
        ...


def reach(cursor: Cursor) -> int:
    """Return the number of the last event that the index knows."""
    ((last,),) = cursor.execute(_REACHES).fetchall()
    return int(last)


def extend(cursor: Cursor, after: int) -> None:
    """Add all events that come after that number, with which the index ends, in one transaction."""
    cursor.execute(_ADD, [after]).fetchall()
