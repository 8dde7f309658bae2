"""What can be written after ``%ppacer``: the commands with their arguments, and what completes them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from ppacer_nb import commands
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.service import DEFAULT_MAX_WORKERS
from ppacer_nb.status import MARKS, CatchupChoice

EPILOG = "Where RUN is asked for, a DAG's id means its latest run, and nothing means the latest of all."


#: What can be asked of a backfill that is under way.
BACKFILL_WISHES = ("pause", "resume", "cancel")


Completer = Callable[[SchedulerApi, Sequence[str]], list[str]]


class Usage(Exception):
    """A command line that cannot be read: what to say of it."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message[:1].upper()}{message[1:]}.\n{self.format_usage().strip()}")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the magic's arguments."""
    main = _Parser(
        prog="%ppacer", description="Schedule the DAGs of this notebook.", epilog=EPILOG, add_help=False
    )
    subcommands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, help: str) -> argparse.ArgumentParser:
        return subcommands.add_parser(name, help=help, description=help, add_help=False)

    start = add("start", "Start the scheduler in this kernel; the cell returns at once.")
    start.add_argument("--store", type=Path, help="DuckDB file of the history (.ppacer/ppacer.duckdb)")
    start.add_argument("--workers", type=int, default=DEFAULT_MAX_WORKERS, help="tasks at once (%(default)s)")
    start.add_argument("--pool", action="append", default=[], metavar="NAME=SLOTS", help="a pool for tasks")
    start.add_argument(
        "--preload",
        action="append",
        default=[],
        metavar="MODULE,...",
        help="what every kernel shall have imported, as pandas,matplotlib.pyplot",
    )
    start.add_argument(
        "--executor", choices=["kernel", "thread"], default="kernel", help="for tasks that name none"
    )
    stop = add(
        "stop",
        "Stop the scheduler: wait for the tasks that run, then stop them. Runs go on at the next start.",
    )
    stop.add_argument("--wait", default="30s", help="how long to wait for running tasks (%(default)s)")
    add("status", "Say whether and where the scheduler runs, and what comes next.")
    add("dags", "List the DAGs with their next schedule points.")
    runs = add("runs", "List the latest runs.")
    runs.add_argument("dag", nargs="?", metavar="DAG", help="only of this DAG")
    runs.add_argument("-n", type=int, default=20, metavar="N", help="how many (%(default)s)")
    show = add("show", "Show one run: its graph, its attempts, its errors.")
    show.add_argument("run", nargs="?", metavar="RUN")
    versions = add("versions", "List the versions that a DAG has had.")
    versions.add_argument("dag", metavar="DAG")
    diff = add("diff", "Say what changed between versions of a DAG; without any, what the newest changed.")
    diff.add_argument("dag", metavar="DAG")
    diff.add_argument("old", nargs="?", metavar="OLD", help="a version, or a run that used it")
    diff.add_argument("new", nargs="?", metavar="NEW", help="likewise; the newest unless given")
    logs = add("logs", "Show the log of a run, or of one of its tasks.")
    logs.add_argument("run", nargs="?", metavar="RUN")
    logs.add_argument("task", nargs="?", metavar="TASK", help="only of this task")
    logs.add_argument("--attempt", type=int, metavar="N", help="only of this attempt")
    logs.add_argument("-n", type=int, default=200, metavar="N", help="the last N lines (%(default)s)")
    trigger = add("trigger", "Run a DAG now.")
    trigger.add_argument("dag", metavar="DAG")
    trigger.add_argument("-p", action="append", default=[], metavar="NAME=VALUE", help="a run parameter")
    trigger.add_argument("--date", metavar="ISO", help="the logical date (now)")
    cancel = add("cancel", "End a run early, or one of its tasks.")
    cancel.add_argument("run", metavar="RUN")
    cancel.add_argument("task", nargs="?", metavar="TASK", help="only this task; the rest of the run goes on")
    restart = add("restart", "Let a failed or cancelled run go on: what ended badly or never started runs.")
    restart.add_argument("run", metavar="RUN")
    clear = add("clear", "Run tasks again, however they ended, and all that is downstream of them.")
    clear.add_argument("run", metavar="RUN")
    clear.add_argument("tasks", nargs="+", metavar="TASK")
    mark = add("mark", "Take a task for a success or a failure; what is downstream of it is decided anew.")
    mark.add_argument("run", metavar="RUN")
    mark.add_argument("task", metavar="TASK")
    mark.add_argument("state", choices=list(MARKS), metavar="|".join(MARKS))
    pause = add("pause", "Make no scheduled runs of a DAG; those that run go on, and it can be triggered.")
    pause.add_argument("dag", metavar="DAG")
    unpause = add("unpause", "End the pause of a DAG; the points in it are skipped, with catchup caught up.")
    unpause.add_argument("dag", metavar="DAG")
    catchup = add("catchup", "Decide on points missed while no scheduler ran: run the last, all or none.")
    catchup.add_argument("dag", metavar="DAG")
    catchup.add_argument("choice", choices=list(CatchupChoice), metavar="|".join(CatchupChoice))
    backfill = add(
        "backfill",
        "Run a DAG for all points of a range of dates; or pause, resume or cancel its backfill. "
        "Without a range: say how far backfills have come. NAME=VALUE gives run parameters.",
    )
    backfill.add_argument("dag", nargs="?", metavar="DAG")
    backfill.add_argument("first", nargs="?", metavar="FROM|pause|resume|cancel", help="the first date")
    backfill.add_argument("last", nargs="?", metavar="TO", help="the last date, included")
    backfill.add_argument("--dry-run", action="store_true", help="only say what would be run")
    backfill.add_argument(
        "--concurrency", type=int, default=1, metavar="N", help="runs at once (%(default)s)"
    )
    backfill.add_argument(
        "--rerun",
        choices=["failed", "all"],
        default="none",
        help="run again dates of which no run succeeded, or all that have been run",
    )
    backfill.add_argument("-p", action="append", default=[], metavar="NAME=VALUE", help="a run parameter")
    resume = add("resume", "Go on with a failed notebook in its held kernel, from the cell that failed.")
    resume.add_argument("run", nargs="?", metavar="RUN")
    resume.add_argument("task", nargs="?", metavar="TASK", help="if kernels of several are held")
    add("sql", "Query the run history; %%%%ppacer sql takes a query of several lines.")
    dashboard = add("dashboard", "Show and steer everything live, under the cell; or one DAG or run alone.")
    one = dashboard.add_mutually_exclusive_group()
    one.add_argument("--dag", metavar="DAG", help="only the page of this DAG")
    one.add_argument("--run", metavar="RUN", help="only the page of this run")
    topic = add("help", "Say what a command does.")
    topic.add_argument("topic", nargs="?", metavar="COMMAND")
    return main


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return the words of a command with ``-p`` ahead of the NAME=VALUE of a backfill, wherever it stands."""
    if words[:1] != ["backfill"]:
        return list(words)
    spelled: list[str] = []
    for word in words:
        is_parameter = "=" in word and not word.startswith("-") and spelled[-1] != "-p"
        spelled += ["-p", word] if is_parameter else [word]
    return spelled


def _dag_ids(api: SchedulerApi, _: Sequence[str]) -> list[str]:
    return [dag.dag_id for dag in api.dags()]


def _run_names(api: SchedulerApi, _: Sequence[str]) -> list[str]:
    return [*_dag_ids(api, ()), *api.history.run_ids()]


def _task_ids(api: SchedulerApi, given: Sequence[str]) -> list[str]:
    return sorted({a.task_id for a in api.history.attempts(commands.find_run(api, given[0]).run_id)})


def _defined_task_ids(api: SchedulerApi, given: Sequence[str]) -> list[str]:
    """Return the tasks of a run that are not named yet, also those that have not begun."""
    run = commands.find_run(api, given[0])
    version = api.history.dag_version(run.dag_id, run.version)
    return [task.id for task in version.tasks if task.id not in given[1:]] if version else []


def _versions(api: SchedulerApi, given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(one.version for one in api.history.versions(given[0])))


def _held_runs(api: SchedulerApi, _: Sequence[str]) -> list[str]:
    return sorted({held.run_id for held in api.info().held})


def _held_tasks(api: SchedulerApi, given: Sequence[str]) -> list[str]:
    return sorted({held.task_id for held in api.info().held if held.run_id == given[0]})


_ARGUMENTS: dict[str, list[Completer]] = {
    "runs": [_dag_ids],
    "trigger": [_dag_ids],
    "pause": [lambda api, _: [dag.dag_id for dag in api.dags() if not dag.paused]],
    "unpause": [lambda api, _: [dag.dag_id for dag in api.dags() if dag.paused]],
    "backfill": [_dag_ids, lambda _, __: list(BACKFILL_WISHES)],
    "catchup": [
        lambda api, _: [dag.dag_id for dag in api.dags() if dag.missed],
        lambda _, __: list(CatchupChoice),
    ],
    "show": [_run_names],
    "versions": [_dag_ids],
    "diff": [_dag_ids, _versions, _versions],
    "restart": [_run_names],
    "cancel": [_run_names, _defined_task_ids],
    "clear": [_run_names, _defined_task_ids],
    "mark": [_run_names, _defined_task_ids, lambda _, __: list(MARKS)],
    "resume": [_held_runs, _held_tasks],
    "logs": [_run_names, _task_ids],
}
#: What completes the value of an option.
_OPTION_VALUES: dict[tuple[str, str], Completer] = {
    ("dashboard", "--dag"): _dag_ids,
    ("dashboard", "--run"): _run_names,
}
#: Commands that take their last argument any number of times.
_REPEATED = {"clear"}


def completer_of(command: str, given: Sequence[str], option: str = "") -> Completer | None:
    """Return what knows the next argument of a command, None if it takes no more; some are `given`.

    Where the word before is an `option` with a value of its own, that is what comes next.
    """
    if (command, option) in _OPTION_VALUES:
        return _OPTION_VALUES[command, option]
    wanted = _ARGUMENTS.get(command, [])
    if command in _REPEATED:
        return wanted[min(len(given), len(wanted) - 1)]
    return wanted[len(given)] if len(given) < len(wanted) else None


def subparsers(main: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    for action in main._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def option_names(main: argparse.ArgumentParser, command: str) -> list[str]:
    """Return the options of a command, such as ``--date``."""
    chosen = subparsers(main).get(command)
    return [] if chosen is None else sorted(chosen._option_string_actions)
