"""`Dashboard`: the widget. Its own thread alone reads and sets traits; messages from the browser only ask."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import anywidget
import traitlets

from ppacer_nb.errors import NotFound, PpacerError
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views import answers
from ppacer_nb.views.tables import Rendered
from ppacer_nb.widgets import assets
from ppacer_nb.widgets.documents import document_of
from ppacer_nb.widgets.reading import Selection
from ppacer_nb.widgets.snapshot import snapshot
from ppacer_nb.widgets.source import Source
from ppacer_nb.widgets.subshell import answer_while_busy
from ppacer_nb.widgets.updater import NOTHING, News, Updater
from ppacer_nb.widgets.viewmodels import views

#: How long the Stop button lets running tasks go on.
STOP_WAIT = timedelta(seconds=30)


@runtime_checkable
class _TellsItsEnd(Protocol):
    """A scheduler of this process says when it has stopped."""

    def at_stop(self, callback: Callable[[], None]) -> None: ...


class Dashboard(anywidget.AnyWidget):
    """A live view of a scheduler, with buttons to trigger, cancel and stop.

    It follows the scheduler from its making until `close`, which also ends its thread.
    """

    _esm = assets.script()
    _css = assets.style()

    # Set by the updater's thread only; the browser reads them and never sets one.
    scheduler = traitlets.Dict().tag(sync=True)
    dags: Any = traitlets.List().tag(sync=True)
    runs: Any = traitlets.List().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    run = traitlets.Dict().tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)
    tasks = traitlets.Dict().tag(sync=True)
    attempts: Any = traitlets.List().tag(sync=True)
    logs: Any = traitlets.List().tag(sync=True)
    notice = traitlets.Dict().tag(sync=True)  #: the last thing to be said to the viewer: text, kind, number
    stopping = traitlets.Bool(False).tag(sync=True)
    notebook = traitlets.Unicode().tag(sync=True)  #: the path of the notebook, to find files beside it

    def __init__(self, api: SchedulerApi) -> None:
        self._api = api
        self._chosen = Selection()
        self._said: dict[str, Any] = {}
        self._is_stopping = False
        self._folder = Path.cwd()
        self._source = Source(api)
        super().__init__(notebook=os.environ.get("JPY_SESSION_NAME", ""), **self._views())
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

    def __repr__(self) -> str:
        return f"<Dashboard of {self._source.picture.info.store}>"

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
        return snapshot(self._source.picture, here=self._is_here, now=now, zone=zone or UTC)

    @property
    def _is_here(self) -> bool:
        return self._source.picture.info.pid == os.getpid()

    def _views(self) -> dict[str, Any]:
        return {
            **views(self._source.picture, here=self._is_here, folder=self._folder),
            "notice": self._said,
            "stopping": self._is_stopping,
        }

    def _look(self, news: News) -> None:
        """Bring the traits up to date; in the updater's thread."""
        try:
            self._source.look(self._chosen, news)
        except PpacerError as error:
            self._chosen = self._source.picture.selection
            self._say(str(error), "failed")
        with self.hold_sync():
            for name, value in self._views().items():
                setattr(self, name, value)  # one that is equal is not sent

    def _hear(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Do what the browser asks, in the thread that brought the message."""
        command = _COMMANDS.get(str(content.get("command")))
        if command is None:
            return
        try:
            command(self, content)
        except PpacerError as error:
            self._say(str(error), "failed")
        self._updater.tell(NOTHING)  # it shows what was chosen and said, whatever else changed

    def _say(self, text: str, kind: str) -> None:
        number = self._said.get("number", 0) + 1
        self._said = {"text": text[:1].upper() + text[1:], "kind": kind, "number": number}

    def _select(self, content: Mapping[str, Any]) -> None:
        attempt = content.get("attempt")
        self._chosen = Selection(
            dag_id=_text_or_none(content.get("dag_id")),
            run_id=_text_or_none(content.get("run_id")),
            task_id=_text_or_none(content.get("task_id")),
            attempt=attempt if isinstance(attempt, int) else None,
        )

    def _trigger(self, content: Mapping[str, Any]) -> None:
        run_id = self._api.trigger(str(content["dag_id"]), by="the dashboard")
        self._chosen = replace(self._chosen, run_id=run_id, task_id=None, attempt=None)

    def _cancel(self, content: Mapping[str, Any]) -> None:
        self._api.cancel(str(content["run_id"]), by="the dashboard")

    def _stop(self, _: Mapping[str, Any]) -> None:
        # In a thread of its own: it waits for running tasks, and other buttons must go on answering.
        if not self._is_stopping:
            self._is_stopping = True
            threading.Thread(target=self._stop_and_say, name="ppacer-dashboard-stop", daemon=True).start()

    def _stop_and_say(self) -> None:
        try:
            report = self._api.stop(wait=STOP_WAIT)
            self._say(answers.stopped(report).text, "info")
        except PpacerError as error:
            self._say(str(error), "failed")
        self._is_stopping = False
        self._updater.tell()

    def _open(self, content: Mapping[str, Any]) -> None:
        # As a message and not as a trait: it may be large, and nothing else needs it.
        selected = self._source.picture.selected
        attempts = selected.attempts if selected is not None else []
        for attempt in attempts:
            if [attempt.task_id, attempt.attempt] == [content["task"], content["attempt"]]:
                self.send({"command": "document", **document_of(attempt, str(content["kind"]))})
                return
        raise NotFound("what was asked for belongs to another run than the one shown now.")

    def _dismiss(self, _: Mapping[str, Any]) -> None:
        self._said = {}


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _end(dashboard: weakref.ref[Dashboard]) -> None:
    """Let a dashboard that is still there know the end: a scheduler keeps its callbacks for good."""
    if (still := dashboard()) is not None:
        still._source.end()
        still._updater.tell()


_COMMANDS: dict[str, Callable[[Dashboard, Mapping[str, Any]], None]] = {
    "select": Dashboard._select,
    "trigger": Dashboard._trigger,
    "cancel": Dashboard._cancel,
    "stop": Dashboard._stop,
    "open": Dashboard._open,
    "dismiss": Dashboard._dismiss,
}
