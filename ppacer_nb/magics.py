"""``%ppacer`` and ``%%ppacer sql``: the scheduler at the notebook's command."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display

from ppacer_nb import commands, dashboards
from ppacer_nb.errors import InvalidOption, PpacerError
from ppacer_nb.magic_syntax import Usage, build_parser, completer_of, option_names, spelled_out, subparsers
from ppacer_nb.model.dag import did_you_mean
from ppacer_nb.model.durations import parse_duration
from ppacer_nb.model.history import QueryResult
from ppacer_nb.session import Session, current, notebook_name
from ppacer_nb.views import answers, catching_up
from ppacer_nb.views.page import note
from ppacer_nb.views.tables import Rendered, combine


class QueryAnswer:
    """The rows of ``%ppacer sql``, shown as a table; ``rows = %ppacer sql SELECT ...`` keeps them."""

    def __init__(self, result: QueryResult) -> None:
        self._shown = answers.query_table(result)
        self.columns = list(result.columns)
        self.rows = [tuple(row) for row in result.rows]

    def df(self) -> Any:
        """Return the rows as a pandas DataFrame."""
        import pandas as pd  # an extra: only who asks for a frame needs it

        return pd.DataFrame(self.rows, columns=self.columns)

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return self._shown.text

    def _repr_html_(self) -> str:
        return self._shown.html


@magics_class
class PpacerMagics(Magics):
    """The magic, for one kernel."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session
        self._parser = build_parser()
        self._dashboard: Any = None
        self._commands: dict[str, Callable[[argparse.Namespace], Rendered | None]] = {
            "start": self._start,
            "stop": self._stop,
            "status": self._status,
            "dags": self._dags,
            "runs": self._runs,
            "show": self._show,
            "versions": self._versions,
            "diff": self._diff,
            "logs": self._logs,
            "trigger": self._trigger,
            "cancel": self._cancel,
            "restart": self._restart,
            "clear": self._clear,
            "mark": self._mark,
            "pause": self._pause,
            "unpause": self._unpause,
            "catchup": self._catchup,
            "backfill": self._backfill,
            "resume": self._resume,
            "dashboard": self._show_dashboard,
            "help": self._help,
        }

    @line_cell_magic
    def ppacer(self, line: str, cell: str | None = None) -> QueryAnswer | None:
        """Schedule the DAGs of this notebook. ``%ppacer help`` lists the commands."""
        try:
            command, _, rest = line.strip().partition(" ")
            if command == "sql":
                return self._sql("\n".join(filter(None, [rest.strip(), cell])))
            if command and command not in self._commands and not command.startswith("#"):
                near = did_you_mean(command, [*self._commands, "sql"])
                raise Usage(f"There is no command {command!r}{near}: %ppacer help lists them.")
            if cell is not None:
                raise Usage("Only sql takes a whole cell: %%ppacer sql, and the query below it.")
            words = spelled_out(shlex.split(line, comments=True)) or ["help"]
            arguments = self._parser.parse_args(words)
            self.after_cell()  # so that what this cell has defined above can be triggered in it
            shown = self._commands[arguments.command](arguments)
            if shown is not None:
                display(shown)
        except (PpacerError, Usage, ValueError) as error:
            display(note(_sentence(error), kind="error"))
        return None

    def after_cell(self, *_: object) -> None:
        """Give the scheduler what the cell has defined anew."""
        for registered in self._session.register():
            if registered.problem:
                display(note(registered.problem, kind="error"))
            else:
                verb = "is scheduled now" if registered.is_new else "has a new version: the next run uses it"
                display(note(f"{registered.dag_id} {verb}.", kind="success"))

    @context_matcher()  # type: ignore[untyped-decorator]
    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Complete commands, options, DAGs, runs and tasks of ``%ppacer``."""
        words = context.text_until_cursor.split(" ")
        if words[0] not in ("%ppacer", "%%ppacer") or len(words) < 2:
            return {"completions": []}
        options = [word for word in self._candidates(words[1:-1]) if word.startswith(words[-1])]
        return {
            "completions": [SimpleCompletion(word, type="ppacer") for word in options],
            "matched_fragment": words[-1],
            "suppress": True,
            "ordered": True,
        }

    def _candidates(self, before: Sequence[str]) -> list[str]:
        if not before:
            return [*self._commands, "sql"]
        command, given = before[0], [word for word in before[1:] if not word.startswith("-")]
        if command == "help":
            return [*self._commands, "sql"]
        completer = completer_of(command, given, before[-1])
        if completer is None:
            return option_names(self._parser, command)
        try:
            with self._session.api() as api:
                return completer(api, given)
        except PpacerError:  # nothing to complete from; the command itself will say why
            return []

    def _start(self, given: argparse.Namespace) -> Rendered:
        if self._session.is_running:
            text = "The scheduler runs in this kernel already; new definitions reach it by themselves."
            return combine(note(text), self._status(given))
        self._session.start(
            store=given.store,
            max_workers=_at_least_one(given.workers),
            pools=dict(_pool(text) for text in given.pool),
            preload=[name for text in given.preload for name in text.split(",") if name],
            executor=given.executor,
        )
        refused = [r for r in self._session.register() if r.problem]
        return combine(*(note(r.problem, kind="error") for r in refused), self._status(given))

    def _stop(self, given: argparse.Namespace) -> Rendered:
        seconds = given.wait.replace(".", "", 1).isdigit()
        wait = parse_duration(float(given.wait) if seconds else given.wait, what="--wait")
        with self._session.api() as api:
            return answers.stopped(api.stop(wait=wait))

    def _status(self, _: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            here = self._session.is_running
            return answers.status(
                *(api.info(), api.dags(), api.history.counts(), commands.reader()),
                backfills=[b for b in api.backfills() if not b.state.is_terminal],
                here=here,
            )

    def _dags(self, _: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            return answers.dag_table(api.dags(), commands.reader())

    def _runs(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            return commands.runs(api, given.dag, _at_least_one(given.n))

    def _show(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            return commands.show(api, given.run)

    def _versions(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            return commands.versions(api, given.dag)

    def _diff(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            return commands.diff(api, given.dag, given.old, given.new)

    def _logs(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            return commands.logs(api, given.run, given.task, given.attempt, _at_least_one(given.n))

    def _trigger(self, given: argparse.Namespace) -> Rendered:
        date = _aware(given.date) if given.date else None
        with self._session.api() as api:
            run_id = api.trigger(
                given.dag, params=commands.parse_params(given.p), logical_date=date, by=notebook_name()
            )
        return note(f"Run {run_id} begins.", kind="success", hint=f"%ppacer show {given.dag}")

    def _cancel(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            run_id = commands.find_run(api, given.run).run_id
            if given.task is not None:
                api.cancel_task(run_id, given.task, by=notebook_name())
                return note(f"Task {given.task} of run {run_id} is being cancelled.", hint=_show(run_id))
            api.cancel(run_id, by=notebook_name())
        return note(f"Run {run_id} is being cancelled.")

    def _restart(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            run_id = commands.find_run(api, given.run).run_id
            api.restart(run_id, by=notebook_name())
        return note(f"Run {run_id} goes on.", kind="success", hint=_show(run_id))

    def _clear(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            run_id = commands.find_run(api, given.run).run_id
            api.clear(run_id, given.tasks, by=notebook_name())
        text = f"{', '.join(given.tasks)} of run {run_id} and what is downstream run again."
        return note(text, kind="success", hint=_show(run_id))

    def _mark(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            run_id = commands.find_run(api, given.run).run_id
            api.mark(run_id, given.task, given.state, by=notebook_name())
        return note(f"Task {given.task} of run {run_id} is marked {given.state}.", hint=_show(run_id))

    def _pause(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            api.pause(given.dag, by=notebook_name())
        text = f"{given.dag} is paused: no scheduled runs of it are made."
        return note(text, hint=f"%ppacer unpause {given.dag}")

    def _unpause(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            api.unpause(given.dag, by=notebook_name())
            (dag,) = (dag for dag in api.dags() if dag.dag_id == given.dag)
        following = commands.reader().when(dag.next_point)
        return note(f"{given.dag} is scheduled again{following and f': next {following}'}.", kind="success")

    def _catchup(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            points = api.catchup(given.dag, given.choice, by=notebook_name())
        return catching_up.caught_up(given.dag, given.choice, points, commands.reader())

    def _backfill(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            if given.last is None:
                if given.first is not None:
                    commands.steer_backfill(api, given.dag, given.first, by=notebook_name())
                found = [b for b in api.backfills() if given.dag in (None, b.dag_id)]
                return catching_up.backfill_table(found, commands.reader())
            plan = api.backfill(
                given.dag,
                given.first,
                given.last,
                rerun=given.rerun,
                concurrency=given.concurrency,
                params=commands.parse_params(given.p),
                dry_run=given.dry_run,
                by=notebook_name(),
            )
            shown = catching_up.backfill_plan(plan, commands.reader())
            progress = [b for b in api.backfills() if b.backfill_id == plan.backfill_id]
        return combine(shown, catching_up.backfill_table(progress, commands.reader())) if progress else shown

    def _resume(self, given: argparse.Namespace) -> Rendered:
        with self._session.api() as api:
            run, task_id = commands.find_held(api, given.run, given.task)
            api.resume(run.run_id, task_id, by=notebook_name())
        return note(f"Task {task_id} of run {run.run_id} goes on.", kind="success", hint=_show(run.run_id))

    def _sql(self, query: str) -> QueryAnswer:
        if not query.strip():
            raise Usage("Give a query: %ppacer sql SELECT * FROM dag_runs")
        with self._session.api() as api:
            result = api.history.sql(query)
        return QueryAnswer(result)

    def _show_dashboard(self, given: argparse.Namespace) -> None:
        if given.dag is not None:
            opened = dashboards.dag_view(given.dag)
        elif given.run is not None:
            opened = dashboards.run_view(given.run)
        else:
            opened = dashboards.dashboard()
        if self._dashboard is not None:
            self._dashboard.close()
        self._dashboard = opened
        display(opened)

    def _help(self, given: argparse.Namespace) -> Rendered:
        chosen = self._parser
        if getattr(given, "topic", None) is not None:
            chosen = subparsers(self._parser).get(given.topic, self._parser)
        return Rendered(chosen.format_help(), "")


def load(shell: InteractiveShell) -> None:
    """Add the magic to a shell; what ``%load_ext ppacer_nb`` does."""
    magics = PpacerMagics(shell, current())
    shell.register_magics(magics)
    shell.events.register("post_run_cell", magics.after_cell)
    shell.Completer.custom_matchers.append(magics.complete)


def _show(run_id: str) -> str:
    return f"%ppacer show {run_id}"


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _at_least_one(number: int) -> int:
    if number < 1:
        raise InvalidOption(f"{number} is too few: give a whole number from 1.")
    return number


def _pool(text: str) -> tuple[str, int]:
    name, _, slots = text.partition("=")
    if not name or not slots.isdigit() or slots == "0":
        raise InvalidOption(f"--pool {text!r} is not of the form NAME=SLOTS, such as db=2.")
    return name, int(slots)


def _aware(text: str) -> datetime:
    """Return a point in time; without a zone it is this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise InvalidOption(f"--date {text!r} is not an ISO date, such as 2026-11-23T06:15.") from None
