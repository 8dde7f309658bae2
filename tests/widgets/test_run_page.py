"""The page of a run of a real scheduler, steered as its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb import DAG, task
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import Dashboard
from ppacer_nb.widgets.selection import Selection
from tests.widgets import gate
from tests.widgets.test_dashboard import ask, until, waiting_dag

WAIT_S = gate.WAIT_S


class Flaky:
    """Fails until it is mended."""

    mended = False


@task(executor="thread")
def extract() -> int:
    return 1


@task(executor="thread")
def total(rows: int) -> int:
    from tests.widgets.test_run_page import Flaky  # the class of this process, not a copy

    if not Flaky.mended:
        raise ValueError("no good")
    return rows


@task(executor="thread")
def report(total: int) -> None:
    print(total)


def flaky_dag() -> DAG:
    with DAG("flaky") as dag:
        report(total(extract()))
    return dag


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    gate.opened.clear()
    Flaky.mended = False
    found = Scheduler(SchedulerOptions(store=tmp_path / "p.duckdb", runs_folder=tmp_path / "runs"))
    for dag in (flaky_dag(), waiting_dag()):
        found.register(dag.spec)
    found.flush()  # so that all that is asked of the DAGs can be read at once
    yield found
    gate.opened.set()
    found.stop(wait=timedelta(seconds=5))


@pytest.fixture
def shown(scheduler: Scheduler) -> Iterator[Dashboard]:
    """A dashboard that shows the page of a run that has failed."""
    run_id, end = scheduler.trigger_run("flaky")
    end.result(WAIT_S)
    found = Dashboard(scheduler, selection=Selection("run", run_id=run_id, task_id="total"))
    until(found, lambda: found.run.get("state") == "failed")
    yield found
    found.close()


def press(shown: Dashboard, of: str, label: str) -> None:
    """Press a button and answer its question with yes."""
    until(shown, lambda: label in [action["label"] for action in shown.steering[of]])
    (wish,) = (action["ask"] for action in shown.steering[of] if action["label"] == label)
    ask(shown, wish["command"], **{name: value for name, value in wish.items() if name != "command"})


def states(shown: Dashboard) -> dict[str, Any]:
    return {id: task["state"] for id, task in shown.tasks.items()}


def test_a_failed_run_is_restarted(shown: Dashboard, scheduler: Scheduler) -> None:
    Flaky.mended = True
    press(shown, "run", "Restart")
    until(shown, lambda: shown.run["state"] == "success")
    assert states(shown) == {"extract": "success", "total": "success", "report": "success"}
    assert "restarted by the dashboard" in _reasons(scheduler, shown.run["id"])


def test_a_task_is_run_again_with_what_is_downstream(shown: Dashboard) -> None:
    Flaky.mended = True
    press(shown, "task", "Run again")
    until(shown, lambda: shown.run["state"] == "success")
    assert [(a["task"], a["attempt"]) for a in shown.attempts if a["state"] == "success"] == [
        ("extract", 1),
        ("total", 2),
        ("report", 1),
    ]


def test_a_task_is_marked(shown: Dashboard) -> None:
    press(shown, "task", "Mark success")
    until(shown, lambda: shown.run["state"] == "success")
    press(shown, "task", "Mark failed")
    until(shown, lambda: shown.run["state"] == "failed")
    assert states(shown)["report"] == "upstream_failed"


def test_a_task_that_runs_is_cancelled(scheduler: Scheduler, shown: Dashboard) -> None:
    run_id = scheduler.trigger("waiting")
    ask(shown, "select", run_id=run_id, task_id="waits")
    until(shown, lambda: states(shown) == {"waits": "running"})
    press(shown, "task", "Cancel task")
    gate.opened.set()  # a thread ends by itself
    until(shown, lambda: shown.run["state"] == "failed")
    assert states(shown) == {"waits": "cancelled"}


def test_what_cannot_be_resumed_is_said(shown: Dashboard) -> None:
    ask(shown, "resume", run_id=shown.run["id"], task_id="total")
    until(shown, lambda: shown.notice != {})
    assert "No kernel is held" in shown.notice["text"]
    assert shown.notice["kind"] == "failed"


def test_what_a_task_usually_takes_is_said_while_it_runs(scheduler: Scheduler, shown: Dashboard) -> None:
    run_id = scheduler.trigger("waiting")
    ask(shown, "select", run_id=run_id, task_id=None)
    until(shown, lambda: states(shown) == {"waits": "running"})
    assert shown.attempts[0]["usual"] is None  # it has no past
    gate.opened.set()
    until(shown, lambda: shown.run["state"] == "success")
    gate.opened.clear()
    run_id = scheduler.trigger("waiting")
    ask(shown, "select", run_id=run_id)
    until(shown, lambda: shown.run["id"] == run_id and states(shown) == {"waits": "running"})
    usual = [attempt["usual"] for attempt in shown.attempts]
    assert usual[0] >= 0
    gate.opened.set()
    until(shown, lambda: shown.run["state"] == "success")
    assert shown.attempts[0]["usual"] is None


def _reasons(scheduler: Scheduler, run_id: str) -> list[str]:
    query = f"SELECT reason FROM run_events WHERE run_id = '{run_id}'"
    return [reason for (reason,) in scheduler.history.sql(query).rows]
