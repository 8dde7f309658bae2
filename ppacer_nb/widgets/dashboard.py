"""The live dashboard: what a scheduler does, and buttons to steer it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ppacer_nb import commands
from ppacer_nb.errors import NotFound, PpacerError
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views import answers
from ppacer_nb.views.palette import theme_css
from ppacer_nb.views.tables import Rendered, combine
from ppacer_nb.widgets.subshell import answer_in_subshell
from ppacer_nb.widgets.updater import Updater
from ppacer_nb.widgets.viewmodels import log_rows, overview, run_detail, run_row

_STATIC = Path(__file__).parent / "static"
_RUNS, _LINES = 50, 500
_STOP_WAIT = timedelta(seconds=10)

_log = logging.getLogger("ppacer_nb")


class Dashboard(anywidget.AnyWidget):
    """Shows a scheduler as it works. `close` ends its thread and lets go of the scheduler."""

    _esm = _STATIC / "dashboard.js"
    _css = theme_css() + (_STATIC / "dashboard.css").read_text()

    overview = traitlets.Dict().tag(sync=True)
    runs: traitlets.List[Any] = traitlets.List().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)
    logs: traitlets.List[Any] = traitlets.List().tag(sync=True)
    notice = traitlets.Dict().tag(sync=True)
    #: The run that the reader has chosen; "" follows the newest.
    selected = traitlets.Unicode().tag(sync=True)
    #: The task whose log the reader has chosen; "" shows all.
    log_task = traitlets.Unicode().tag(sync=True)

    def __init__(self, api: SchedulerApi) -> None:
        super().__init__()
        self._api = api
        if self.comm is not None:
            answer_in_subshell(self.comm)
        self._commands: dict[str, Callable[[Mapping[str, Any]], str]] = {
            "trigger": self._trigger,
            "cancel": self._cancel,
            "stop": self._stop,
            "report": self._send_report,
        }
        self.on_msg(self._obey)
        self._update()
        self._updater = Updater(self._update)
        self._unsubscribe = api.subscribe(lambda _: self._updater.poke())
        self.observe(lambda _: self._updater.poke(), names=["selected", "log_task"])

    def close(self) -> None:
        """End the updates and free what the dashboard holds."""
        self._unsubscribe()
        self._updater.close()
        super().close()

    def _update(self) -> None:
        """Read how things are; traits that did not change are not sent."""
        api = self._api
        try:
            self.overview = overview(api.info(), api.dags(), api.history.counts())
            runs = api.history.runs(limit=_RUNS)
            self.runs = [run_row(run) for run in runs]
            chosen = self.selected or (runs[0].run_id if runs else "")
            self.detail = self._detail(chosen)
            lines = api.history.logs(chosen, task_id=self.log_task or None, limit=_LINES) if chosen else []
            self.logs = log_rows(lines)
        except PpacerError as error:  # above all: the scheduler has stopped
            self.overview = {**self.overview, "running": False, "stopped": str(error)}
        except Exception as error:  # a defect of ours must not end the updates silently
            _log.exception("ppacer: the dashboard could not be brought up to date")
            self.notice = {"kind": "error", "text": f"internal error: {type(error).__name__}: {error}"}

    def _detail(self, run_id: str) -> dict[str, Any]:
        history = self._api.history
        run = history.run(run_id) if run_id else None
        if run is None:
            return {}
        version = history.dag_version(run.dag_id, run.version)
        return run_detail(run, history.attempts(run_id), version, self._api.progress(run_id))

    def _obey(self, _: object, content: Mapping[str, Any], __: object) -> None:
        """Do what a button asks for, and say what came of it."""
        try:
            text = self._commands[content["kind"]](content)
            self.notice = {"kind": "success", "text": text} if text else {}
        except PpacerError as error:
            self.notice = {"kind": "error", "text": str(error)}
        self._updater.poke()

    def _trigger(self, content: Mapping[str, Any]) -> str:
        self.selected = ""
        return f"Run {self._api.trigger(str(content['dag']), by='dashboard')} begins."

    def _cancel(self, content: Mapping[str, Any]) -> str:
        self._api.cancel(str(content["run"]), by="dashboard")
        return f"Run {content['run']} is being cancelled."

    def _stop(self, _: Mapping[str, Any]) -> str:
        return answers.stopped(self._api.stop(wait=_STOP_WAIT)).text

    def _send_report(self, content: Mapping[str, Any]) -> str:
        for attempt in self._api.history.attempts(str(content["run"])):
            path = attempt.files.report
            if path is not None and [attempt.task_id, attempt.attempt] == [
                content["task"],
                content["number"],
            ]:
                try:
                    html = path.read_text(encoding="utf-8")
                except OSError as error:
                    raise NotFound(f"the report cannot be read: {error}") from None
                self.send({"kind": "report", "task": attempt.task_id, "html": html})
                return ""
        raise NotFound("there is no such report.")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Offer text and HTML too, for where no widgets are: a terminal, a saved notebook."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        shown = self._as_page()
        return {**(data or {}), "text/plain": shown.text, "text/html": shown.html}, metadata

    def _as_page(self) -> Rendered:
        api, reader = self._api, commands.reader()
        try:
            status = answers.status(api.info(), api.dags(), api.history.counts(), reader, here=True)
            return combine(status, answers.run_table(api.history.runs(limit=10), reader))
        except PpacerError as error:
            return Rendered(str(error), "")


def dashboard(api: SchedulerApi) -> Dashboard:
    """Return a live dashboard of a running scheduler, to be displayed under the cell."""
    return Dashboard(api)
