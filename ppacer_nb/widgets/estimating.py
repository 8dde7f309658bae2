"""How long what runs now usually takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median


def usual_durations(past: Mapping[str, Sequence[timedelta]]) -> dict[str, timedelta]:
    """Return, by task, the median of how long its last successes took; a task without any is missing."""
    return {id: median(durations) for id, durations in past.items() if durations}
