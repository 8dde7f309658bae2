"""The commands that ``%ppacer`` and ``ppacer`` share: ask a scheduler, answer with something to show."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ppacer_nb.errors import InvalidOption, InvalidParameters, NotFound
from ppacer_nb.model.dag import did_you_mean
from ppacer_nb.model.history import RunRecord
from ppacer_nb.model.version_diff import VersionDiff, version_diff
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.views import answers
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered
from ppacer_nb.views.versions import diff_page, version_table

_COMPLETED_RUNS = 200


def reader() -> Reader:
    """Return who reads: now, in this machine's zone."""
    local = datetime.now(UTC).astimezone()
    assert local.tzinfo is not None
    return Reader(local, local.tzinfo)


def runs(api: SchedulerApi, dag_id: str | None, limit: int) -> Rendered:
    """Return the latest runs, of one DAG or of all."""
    if dag_id is not None:
        check_dag(api, dag_id)
    return answers.run_table(api.history.runs(dag_id=dag_id, limit=limit), reader())


def show(api: SchedulerApi, name: str | None) -> Rendered:
    """Return all about one run."""
    run = find_run(api, name)
    return answers.run_page(
        run,
        api.history.attempts(run.run_id),
        api.history.dag_version(run.dag_id, run.version),
        api.progress(run.run_id),
        reader(),
        api.info().held,
    )


def logs(
    api: SchedulerApi, name: str | None, task_id: str | None, attempt: int | None, limit: int
) -> Rendered:
    """Return the last lines of a run's logs; with several tasks in it, each line names its own."""
    run = find_run(api, name)
    records = api.history.logs(run.run_id, task_id=task_id, attempt=attempt, limit=limit)
    if task_id is not None and not records:
        known = {a.task_id for a in api.history.attempts(run.run_id)}
        if task_id not in known:
            raise NotFound(f"run {run.run_id!r} has no task {task_id!r}{did_you_mean(task_id, known)}.")
    several = len({record.task_id for record in records}) > 1
    lines = [
        replace(r.line, attributes={"task": r.task_id, **r.line.attributes}) if several else r.line
        for r in records
    ]
    return answers.log_page(lines, reader())


def versions(api: SchedulerApi, dag_id: str) -> Rendered:
    """Return the versions that a DAG has had."""
    check_dag(api, dag_id)
    return version_table(dag_id, api.history.versions(dag_id), reader())


def diff(api: SchedulerApi, dag_id: str, old: str | None, new: str | None) -> Rendered:
    """Return what changed between two versions of a DAG; see `compare`."""
    return diff_page(compare(api, dag_id, old, new))


def compare(api: SchedulerApi, dag_id: str, old: str | None = None, new: str | None = None) -> VersionDiff:
    """Compare two versions of a DAG: each given as its version, the start of that, or a run that used it.

    Without `new` it is the newest version, without `old` the one that was there before `new`.

    Raises
    ------
    NotFound
        If there is no such DAG or version, or none before it.
    """
    check_dag(api, dag_id)
    known = [one.version for one in api.history.versions(dag_id)]
    latest = known[0] if new is None else _version(api, dag_id, new, known)
    if old is not None:
        before = _version(api, dag_id, old, known)
    else:
        earlier = [version for version in known[known.index(latest) :] if version != latest]
        if not earlier:
            raise NotFound(f"DAG {dag_id!r} has no version before {latest}: there is nothing to compare.")
        before = earlier[0]
    kept = [api.history.dag_version(dag_id, version) for version in (before, latest)]
    sources = [api.history.sources(dag_id, version) for version in (before, latest)]
    assert kept[0] is not None
    assert kept[1] is not None
    return version_diff(kept[0], kept[1], *sources)


def _version(api: SchedulerApi, dag_id: str, name: str, known: list[str]) -> str:
    """Return the version that `name` means, as in `compare`."""
    if "/" in name:
        run = find_run(api, name)
        if run.dag_id != dag_id:
            raise NotFound(f"run {run.run_id!r} is one of another DAG than {dag_id!r}.")
        return run.version
    matching = list(dict.fromkeys(version for version in known if version.startswith(name)))
    if len(matching) != 1:
        why = "there are several that begin so" if matching else f"it has had {', '.join(known)}"
        raise NotFound(f"DAG {dag_id!r} has no one version {name!r}: {why}.")
    return matching[0]


def find_run(api: SchedulerApi, name: str | None) -> RunRecord:
    """Return the run that `name` means: its id, the start of it, or a DAG's id for that DAG's latest run.

    Without a name it is the latest run of all.

    Raises
    ------
    NotFound
        If it means none, or several.
    """
    history = api.history
    if name is None:
        found = history.runs(limit=1)
        if not found:
            raise NotFound("there are no runs yet: %ppacer trigger DAG starts one.")
        return found[0]
    if "/" not in name:
        check_dag(api, name)
        found = history.runs(dag_id=name, limit=1)
        if not found:
            raise NotFound(f"DAG {name!r} has not run yet: %ppacer trigger {name} runs it now.")
        return found[0]
    run = history.run(name)
    if run is not None:
        return run
    known = history.run_ids(limit=_COMPLETED_RUNS)
    matching = [run_id for run_id in known if run_id.startswith(name)]
    if len(matching) == 1 and (run := history.run(matching[0])) is not None:
        return run
    if matching:
        raise NotFound(f"{name!r} could be {len(matching)} runs, such as {matching[0]!r}: write more of it.")
    raise NotFound(f"no run {name!r}{did_you_mean(name, known)}.")


def find_held(api: SchedulerApi, name: str | None, task_id: str | None) -> tuple[RunRecord, str]:
    """Return a run as in `find_run`, and its task of which a kernel is held; `task_id` if that is given.

    Without a name it is the run of the kernel that was held last.

    Raises
    ------
    NotFound
        If there is no such run, or not exactly one such task in it.
    """
    held = api.info().held
    if name is None and not held:
        raise NotFound(
            "no kernel is held: notebook(..., hold_on_failure='30m') holds that of a failed notebook."
        )
    run = find_run(api, held[-1].run_id if name is None else name)
    if task_id is not None:
        return run, task_id
    of_run = [kernel.task_id for kernel in held if kernel.run_id == run.run_id]
    if len(of_run) == 1:
        return run, of_run[0]
    known = f"of {', '.join(of_run)}: name one of them" if of_run else "of none of its tasks"
    raise NotFound(f"of run {run.run_id!r} kernels are held {known}.")


def steer_backfill(api: SchedulerApi, dag_id: str, wish: str, *, by: str) -> None:
    """Pause, resume or cancel the backfill of a DAG.

    Raises
    ------
    InvalidOption
        If `wish` is something else.
    """
    wishes = {
        "pause": api.pause_backfill,
        "resume": api.resume_backfill,
        "cancel": api.cancel_backfill,
    }
    if wish not in wishes:
        raise InvalidOption(
            f"a backfill goes from one date to another: %ppacer backfill {dag_id} FROM TO; "
            f"or %ppacer backfill {dag_id} pause, resume or cancel."
        )
    wishes[wish](dag_id, by=by)


def parse_params(given: Iterable[str]) -> dict[str, Any]:
    """Return ``["day=2026-11-23", "limit=5"]`` as values: JSON where it is JSON, text elsewhere.

    Raises
    ------
    InvalidParameters
        If one has no ``=``.
    """
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidParameters(f"parameter {text!r} is not of the form NAME=VALUE.")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    return params


def check_dag(api: SchedulerApi, dag_id: str) -> None:
    """Raise NotFound if there is no such DAG, neither defined nor in the history."""
    known = [dag.dag_id for dag in api.dags()]
    if dag_id not in known:
        listed = f": there are {', '.join(known)}" if known else ": none is defined yet"
        raise NotFound(f"no DAG {dag_id!r}{did_you_mean(dag_id, known)}{listed}.")
