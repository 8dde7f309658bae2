"""How long what runs now usually takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median


def usual_durations(past: Mapping[str, Sequence[timedelta]]) -> dict[str, timedelta]:
    """Return, by task, the median of how long its last successes took; a task without any is missing."""
    seconds = {id: [one.total_seconds() for one in durations] for id, durations in past.items()}
    return {id: timedelta(seconds=median(each)) for id, each in seconds.items() if each}
