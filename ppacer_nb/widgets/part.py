"""A part of the dashboard: a view that can be one tab among others, or stand alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets.picture import Picture
from ppacer_nb.widgets.updater import News


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a dashboard stands."""

    here: bool  #: whether the scheduler lives in the kernel of the dashboard
    folder: Path  #: the notebook's: paths below it are shown from there


class Asked(Protocol):
    """What a command of a browser can do: ask the scheduler, look elsewhere, say something."""

    @property
    def api(self) -> SchedulerApi:
        """The scheduler."""
        ...

    @property
    def picture(self) -> Picture:
        """What the dashboard shows now."""
        ...

    def select(self, **changes: object) -> None:
        """Look at something else; names are those of `Selection`."""
        ...

    def say(self, text: str, kind: str = "info") -> None:
        """Say a sentence to the viewer, as "info", "success", "warning" or "failed"."""
        ...

    def send(self, content: dict[str, Any]) -> None:
        """Send a message to the browser: for what is large, or wanted once."""
        ...


#: Does what a browser asks by ``content``, in the thread that brought the message.
#: A `PpacerError` that it raises is said to the viewer.
Command = Callable[[Asked, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the dashboard.

    `read` is called only while the part is shown: with the picture so far, its own field being that of the
    last time if it was shown then too and None if not, and with what is new since. `views` returns the values
    of those traits of the widget that are the part's own, `still` the same for a notebook without a kernel.
    """

    name: str  #: of the tab, and of its field in `Picture`
    read: Callable[[SchedulerApi, Picture, News], Any]
    views: Callable[[Picture, Frame], dict[str, Any]]
    still: Callable[[Picture, Reader], Sequence[Rendered]]
    commands: Mapping[str, Command] = field(default_factory=dict)
