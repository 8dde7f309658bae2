"""`Dashboard`: the widget. Its own thread alone reads and sets traits; messages from the browser only ask."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import anywidget
import traitlets

from ppacer_nb.errors import PpacerError
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views import answers
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets import assets
from ppacer_nb.widgets.part import Command, Frame
from ppacer_nb.widgets.parts import PARTS
from ppacer_nb.widgets.picture import Picture
from ppacer_nb.widgets.selection import Selection, changed
from ppacer_nb.widgets.snapshot import snapshot
from ppacer_nb.widgets.source import Source
from ppacer_nb.widgets.subshell import answer_while_busy
from ppacer_nb.widgets.updater import NOTHING, News, Updater
from ppacer_nb.widgets.viewmodels import dag_view, scheduler_view

#: How long the Stop button lets running tasks go on.
STOP_WAIT = timedelta(seconds=30)


@runtime_checkable
class _TellsItsEnd(Protocol):
    """A scheduler of this process says when it has stopped."""

    def at_stop(self, callback: Callable[[], None]) -> None: ...


class Dashboard(anywidget.AnyWidget):
    """A live view of a scheduler, with buttons to steer it.

    It follows the scheduler from its making until `close`, which also ends its thread.

    Parameters
    ----------
    api
        The scheduler.
    parts
        The names of the parts to show, as tabs if there are several. Default: all.
    selection
        What to look at first. Default: the first part.

    Raises
    ------
    PpacerError
        If there is neither a scheduler nor a history to read.
    """

    _esm = assets.script()
    _css = assets.style()

    # Set by the updater's thread only; the browser reads them and never sets one.
    parts: Any = traitlets.List().tag(sync=True)
    scheduler = traitlets.Dict().tag(sync=True)
    dags: Any = traitlets.List().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    notice = traitlets.Dict().tag(sync=True)  #: the last thing to be said to the viewer: text, kind, number
    stopping = traitlets.Bool(False).tag(sync=True)
    notebook = traitlets.Unicode().tag(sync=True)  #: the path of the notebook, to find files beside it
    # Of the overview
    runs: Any = traitlets.List().tag(sync=True)
    going_on = traitlets.Dict().tag(sync=True)
    # Of the table of runs, and of the comparison
    found = traitlets.Dict().tag(sync=True)
    comparison = traitlets.Dict().tag(sync=True)
    # Of the DAG's page
    dag = traitlets.Dict().tag(sync=True)
    dag_grid = traitlets.Dict().tag(sync=True)
    dag_past: Any = traitlets.List().tag(sync=True)  #: runs that have ended: they change seldom
    dag_now: Any = traitlets.List().tag(sync=True)
    dag_durations = traitlets.Dict().tag(sync=True)
    dag_graph = traitlets.Dict().tag(sync=True)
    dag_tasks = traitlets.Dict().tag(sync=True)
    dag_form = traitlets.Dict().tag(sync=True)
    dag_backfills: Any = traitlets.List().tag(sync=True)
    dag_versions: Any = traitlets.List().tag(sync=True)
    # Of the run's page
    run = traitlets.Dict().tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)
    tasks = traitlets.Dict().tag(sync=True)
    attempts: Any = traitlets.List().tag(sync=True)
    logs: Any = traitlets.List().tag(sync=True)  #: the last lines
    log_begins_earlier = traitlets.Bool(False).tag(sync=True)  #: than `logs`
    stretches: Any = traitlets.List().tag(sync=True)  #: when the run was at work
    steering = traitlets.Dict().tag(sync=True)  #: the buttons for the run and for the chosen task

    def __init__(
        self, api: SchedulerApi, parts: Sequence[str] = tuple(PARTS), selection: Selection | None = None
    ) -> None:
        self.api = api  #: the scheduler
        self._parts = [PARTS[name] for name in parts]
        self._chosen = selection or Selection(tab=parts[0])
        self._choosing = threading.Lock()
        self._said: dict[str, Any] = {}
        self._is_stopping = False
        self._folder = Path.cwd()
        self._commands: dict[str, Command] = dict(_COMMANDS)
        for part in self._parts:
            self._commands |= part.commands
        self._source = Source(api, self._chosen)
        super().__init__(notebook=os.environ.get("JPY_SESSION_NAME", ""), parts=list(parts), **self._views())
        answer_while_busy(self.comm)
        self.on_msg(self._hear)
        self._updater = Updater(self._look)
        self._unsubscribe = api.subscribe(self._updater.tell)
        if isinstance(api, _TellsItsEnd):
            api.at_stop(partial(_end, weakref.ref(self)))
        self._updater.tell()  # what changed between the first reading and the subscription

    def close(self) -> None:
        """End its thread, stop following the scheduler, and take it off the page."""
        updater = self.__dict__.get("_updater")  # missing where making it failed
        if updater is not None:
            self._unsubscribe()
            updater.close()
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # a closed dashboard still shows its last state

    @property
    def picture(self) -> Picture:
        """What it knows of the scheduler now."""
        return self._source.picture

    def select(self, **changes: object) -> None:
        """Look at something else: names are those of `Selection`, what makes no sense changes nothing."""
        if changes.get("tab", self._chosen.tab) not in self.parts:
            return
        with self._choosing:
            self._chosen = changed(self._chosen, changes)
        self._updater.tell(NOTHING)

    def say(self, text: str, kind: str = "info") -> None:
        """Say a sentence to the viewer, as "info", "success", "warning" or "failed"."""
        number = self._said.get("number", 0) + 1
        self._said = {"text": text[:1].upper() + text[1:], "kind": kind, "number": number}
        self._updater.tell(NOTHING)

    def __repr__(self) -> str:
        return f"<Dashboard of {self.picture.info.store}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        still = self._snapshot()
        data: dict[str, Any] = {"text/plain": still.text, "text/html": still.html}
        if self.comm is not None:
            live = super()._repr_mimebundle_()
            data = {**(live[0] if live else {}), **data}
        return data, {}

    def _snapshot(self) -> Rendered:
        now = datetime.now(UTC)
        zone = now.astimezone().tzinfo
        return snapshot(self.picture, self._parts, here=self._is_here, now=now, zone=zone or UTC)

    @property
    def _is_here(self) -> bool:
        return self.picture.info.pid == os.getpid()

    def _views(self) -> dict[str, Any]:
        """Return the values of the traits; of the parts, only of the one that is shown."""
        picture, frame = self.picture, Frame(self._is_here, self._folder)
        return {
            "scheduler": scheduler_view(
                picture.info, picture.counts, picture.dags, here=frame.here, folder=frame.folder
            ),
            "dags": [dag_view(dag) for dag in picture.dags],
            "selection": asdict(picture.selection),
            "notice": self._said,
            "stopping": self._is_stopping,
            **PARTS[picture.selection.tab].views(picture, frame),
        }

    def _look(self, news: News) -> None:
        """Bring the traits up to date; in the updater's thread."""
        chosen = self._chosen
        try:
            self._source.look(chosen, news)
        except PpacerError as error:
            with self._choosing:
                if self._chosen == chosen:  # back to what can be shown
                    self._chosen = self.picture.selection
            self.say(str(error), "failed")
        with self.hold_sync():
            for name, value in self._views().items():
                setattr(self, name, value)  # one that is equal is not sent

    def _hear(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Do what the browser asks, in the thread that brought the message."""
        command = self._commands.get(str(content.get("command")))
        if command is None:
            return
        try:
            command(self, content)
        except PpacerError as error:
            self.say(str(error), "failed")

    def _select(self, content: Mapping[str, Any]) -> None:
        self.select(**content)

    def _stop(self, _: Mapping[str, Any]) -> None:
        # In a thread of its own: it waits for running tasks, and other buttons must go on answering.
        if not self._is_stopping:
            self._is_stopping = True
            self._updater.tell(NOTHING)
            threading.Thread(target=self._stop_and_say, name="ppacer-dashboard-stop", daemon=True).start()

    def _stop_and_say(self) -> None:
        try:
            report = self.api.stop(wait=STOP_WAIT)
            self.say(answers.stopped(report).text)
        except PpacerError as error:
            self.say(str(error), "failed")
        self._is_stopping = False
        self._updater.tell()

    def _dismiss(self, _: Mapping[str, Any]) -> None:
        self._said = {}
        self._updater.tell(NOTHING)


def _end(dashboard: weakref.ref[Dashboard]) -> None:
    """Let a dashboard that is still there know the end: a scheduler keeps its callbacks for good."""
    if (still := dashboard()) is not None:
        still._source.end()
        still._updater.tell()


_COMMANDS: dict[str, Any] = {
    "select": Dashboard._select,
    "stop": Dashboard._stop,
    "dismiss": Dashboard._dismiss,
}
