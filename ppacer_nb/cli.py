"""``ppacer`` on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from ppacer_nb import commands
from ppacer_nb.errors import PpacerError
from ppacer_nb.progress import Progress
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.session import default_store, find_scheduler
from ppacer_nb.status import RunState
from ppacer_nb.views import answers
from ppacer_nb.views.tables import Rendered

F = TypeVar("F", bound=Callable[..., Any])


class _Group(click.Group):
    """Shows what ppacer_nb raises on purpose as one sentence, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except PpacerError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ppacer-nb", prog_name="ppacer")
def main() -> None:
    """Schedule DAGs of functions and notebooks from Jupyter, and look at their history."""


def _store_option(function: F) -> F:
    return click.option(
        "--store",
        type=click.Path(path_type=Path),
        help="DuckDB file of the run history [default: .ppacer/ppacer.duckdb]",
    )(function)


@main.command()
@_store_option
@click.option("-n", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@click.argument("dag", required=False)
def runs(store: Path | None, n: int, dag: str | None) -> None:
    """List the latest runs, of all DAGs or of DAG."""
    with _api(store) as api:
        _print(commands.runs(api, dag, n))


@main.command()
@_store_option
@click.argument("run", required=False)
def show(store: Path | None, run: str | None) -> None:
    """Show RUN: its attempts, results and errors.

    RUN is a run's id, the start of one, or a DAG's id for its latest run; without it, the latest run.
    """
    with _api(store) as api:
        _print(commands.show(api, run))


@main.command()
@_store_option
@click.argument("dag")
def versions(store: Path | None, dag: str) -> None:
    """List the versions that DAG has had, and how many runs were made with each."""
    with _api(store) as api:
        _print(commands.versions(api, dag))


@main.command()
@_store_option
@click.argument("dag")
@click.argument("old", required=False)
@click.argument("new", required=False)
def diff(store: Path | None, dag: str, old: str | None, new: str | None) -> None:
    """Say what changed in DAG from its version OLD to NEW.

    Each is a version, the start of one, or a run that used it; without them, what the newest changed.
    """
    with _api(store) as api:
        _print(commands.diff(api, dag, old, new))


@main.command()
@_store_option
@click.option("-n", default=200, show_default=True, type=click.IntRange(1), help="How many lines, the last.")
@click.option("--attempt", type=click.IntRange(1), help="Only of this attempt.")
@click.argument("run", required=False)
@click.argument("task", required=False)
def logs(store: Path | None, n: int, attempt: int | None, run: str | None, task: str | None) -> None:
    """Show the log of RUN, or of its TASK.

    RUN is a run's id, the start of one, or a DAG's id for its latest run; without it, the latest run.
    """
    with _api(store) as api:
        _print(commands.logs(api, run, task, attempt, n))


@main.command()
@_store_option
@click.argument("query", nargs=-1, required=True)
def sql(store: Path | None, query: tuple[str, ...]) -> None:
    """Run QUERY, a SELECT, on the history: ppacer sql "SELECT * FROM dag_runs"."""
    with _api(store) as api:
        _print(answers.query_table(api.history.sql(" ".join(query))))


@main.command(name="run")
@_store_option
@click.option("--dag", help="Which of the notebook's DAGs; needed if it defines several.")
@click.option("-p", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the run.")
@click.option("--executor", type=click.Choice(["kernel", "thread"]), help="For all function tasks.")
@click.argument("notebook", type=click.Path(path_type=Path))
def run_notebook(
    store: Path | None, dag: str | None, params: tuple[str, ...], executor: str | None, notebook: Path
) -> None:
    """Execute NOTEBOOK, which defines DAGs, and run one of them to the end.

    Cells with %ppacer commands are left out. The exit code is 0 if the run succeeded, 1 if not.
    """
    # Not at the top: other commands need neither IPython nor an executor.
    from ppacer_nb.runbook import choose, dags_of
    from ppacer_nb.scheduler.run_once import run_once

    path = store or notebook.absolute().parent / ".ppacer" / "ppacer.duckdb"
    chosen = choose(dags_of(notebook), dag, notebook)
    result = run_once(
        chosen.spec,
        params=commands.parse_params(params),
        store=path,
        executor=executor,
        on_change=Progress(click.echo),
    )
    click.echo(f"\n{result!r}")
    sys.exit(0 if result.state is RunState.SUCCESS else 1)


@main.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
def recover(path: Path | None) -> None:
    """Save what can be read of a damaged run history at PATH in a new file beside it.

    PATH is .ppacer/ppacer.duckdb unless one is named. It is left as it is.
    """
    # Not at the top: nobody else needs it.
    from ppacer_nb.store.recovering import recover as recover_store

    recovery = recover_store((path or default_store()).expanduser().absolute())
    for line in recovery.lines():
        click.echo(line)


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("ppacer-demo"), show_default=True)
def demo(folder: Path) -> None:
    """Run a complete example with real data: a few scheduled runs, then say where everything is."""
    # Not at the top: it needs the extra "demo".
    from ppacer_nb.demo import run_demo

    run_demo(folder, click.echo)


@main.command()
@_store_option
@click.option("--port", default=8866, show_default=True, type=click.IntRange(1, 65535), help="Near which.")
@click.option("--no-browser", is_flag=True, help="Only say where the page is.")
def ui(store: Path | None, port: int, no_browser: bool) -> None:
    """Serve the dashboard as a web page to this machine, until Ctrl+C.

    It shows and steers the scheduler that runs on the store, or its history if none does. Whoever has the
    address that is printed can do so: the token in it is made anew each time.
    """
    # Not at the top: it needs the extra "ui".
    from ppacer_nb.ui import serve_ui

    path = (store or default_store()).expanduser().absolute()
    serve_ui(path, click.echo, port=port, open_browser=not no_browser)


@contextmanager
def _api(store: Path | None) -> Iterator[SchedulerApi]:
    path = (store or default_store()).expanduser().absolute()
    remote = find_scheduler(path)
    if remote is not None:
        yield remote
        return
    with OfflineScheduler(path) as offline:
        yield offline


def _print(shown: Rendered) -> None:
    click.echo(shown.text)
