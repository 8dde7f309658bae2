"""When a run was at work: what the time axis of its attempts shows, and what it leaves out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ppacer_nb.model.history import AttemptRecord

Stretch = tuple[datetime, datetime | None]  #: from, to; None: it goes on

#: A pause shorter than this is always shown.
SHORTEST_CUT = timedelta(seconds=30)


def stretches(attempts: Sequence[AttemptRecord]) -> list[Stretch]:
    """Return the times in which an attempt waited for a worker or ran, in order, none touching another.

    A pause between two of them is left in, and the two are one, unless it is longer than all that went on
    before and after together: then it would make the rest too narrow to read. Waiting for a retry is such a
    pause; so is the time to a restart.
    """
    spans = sorted(_spans(attempts), key=lambda span: span[0])
    if not spans:
        return []
    joined = _joined(spans, timedelta(0))
    worked = sum((to - since for since, to in joined if to is not None), timedelta(0))
    return _joined(joined, max(SHORTEST_CUT, worked))


def _spans(attempts: Sequence[AttemptRecord]) -> list[Stretch]:
    spans: list[Stretch] = []
    for attempt in attempts:
        if attempt.started_at is None:
            continue
        since = min(attempt.queued_at or attempt.started_at, attempt.started_at)
        to = attempt.ended_at
        spans.append((since, max(to, attempt.started_at) if to is not None else None))  # clocks are put back
    return spans


def _joined(spans: Sequence[Stretch], longest_pause: timedelta) -> list[Stretch]:
    """Return `spans`, which are in order of their beginning, with those as one that are close together."""
    found = [spans[0]]
    for since, to in spans[1:]:
        first, last = found[-1]
        if last is not None and since - last > longest_pause:
            found.append((since, to))
        else:
            found[-1] = (first, None if last is None or to is None else max(last, to))
    return found
