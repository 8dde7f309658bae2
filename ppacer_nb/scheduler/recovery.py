"""What an earlier scheduler has left in the history, for the next one to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ppacer_nb.engine.interruption import DIED, interrupted_by_history
from ppacer_nb.model.events import Event, EventOfRun
from ppacer_nb.model.points import PointRange
from ppacer_nb.store.queries import History


@dataclass(frozen=True, slots=True)
class Left:
    """What was under way, waited, or was undecided when a scheduler ended."""

    #: All that happened to the runs that have not ended, by id, the oldest first.
    unfinished: Mapping[str, Sequence[EventOfRun]] = field(default_factory=dict)
    #: What ended with that scheduler: the last of the above, and still to be recorded.
    interruptions: Sequence[Event] = ()
    missed: Mapping[str, Sequence[PointRange]] = field(default_factory=dict)  #: by DAG
    to_catch_up: Mapping[str, Sequence[datetime]] = field(default_factory=dict)  #: by DAG
    backfills: Sequence[Sequence[Event]] = ()  #: those that have not ended, each by all its events


def left_behind(history: History, now: datetime) -> Left:
    """Return what the history says an earlier scheduler has left, `now` that another one starts."""
    runs = history.unfinished_events()
    ended = {run_id: interrupted_by_history(events, now, DIED) for run_id, events in runs.items()}
    return Left(
        {run_id: [*events, *ended[run_id]] for run_id, events in runs.items()},
        [event for events in ended.values() for event in events],
        history.missed(),
        history.to_catch_up(),
        history.open_backfills(),
    )
