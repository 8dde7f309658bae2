"""A dashboard of a real scheduler, without a browser."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb import DAG, task
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import Dashboard, dashboard
from ppacer_nb.widgets.selection import Selection
from tests.faces import failing_dag, sales_dag
from tests.widgets import gate
from tests.widgets.gate import WAIT_S
from tests.widgets.records import HOSTILE


@task(executor="thread")
def waits() -> None:
    gate.wait()


@task(executor="thread")
def shouts(text: str) -> str:
    print(text)
    raise ValueError(text)


def waiting_dag() -> DAG:
    with DAG("waiting") as dag:
        waits()
    return dag


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    gate.opened.clear()
    found = Scheduler(SchedulerOptions(store=tmp_path / "p.duckdb", runs_folder=tmp_path / "runs"))
    for dag in (sales_dag(schedule="15 6 * * *"), failing_dag(), waiting_dag()):
        found.register(dag.spec)
    found.flush()  # so that all that is asked of the DAGs can be read at once
    yield found
    gate.opened.set()
    found.stop(wait=timedelta(seconds=5))


@pytest.fixture
def shown(scheduler: Scheduler) -> Iterator[Dashboard]:
    """A dashboard that shows the page of the latest run."""
    found = Dashboard(scheduler, selection=Selection("run"))
    yield found
    found.close()


def until(shown: Dashboard, holds: Callable[[], bool]) -> None:
    """Return when `holds`, which a change of the dashboard brings about."""
    news = threading.Event()

    def note(_: object) -> None:
        news.set()

    shown.observe(note)
    try:
        while not holds():
            assert news.wait(WAIT_S), f"nothing changed any more: {shown.run} {shown.notice}"
            news.clear()
    finally:
        shown.unobserve(note)


def ask(shown: Dashboard, command: str, **content: Any) -> None:
    """Send what a browser would send."""
    shown._handle_custom_msg({"command": command, **content}, [])


def _is_finished(shown: Dashboard, run_id: str) -> bool:
    return bool(shown.run.get("id") == run_id and shown.run["finished"])


def test_it_opens_with_all_there_is(scheduler: Scheduler) -> None:
    _, end = scheduler.trigger_run("sales")
    end.result(WAIT_S)
    found = dashboard(scheduler)
    assert [dag["id"] for dag in found.dags] == ["failing", "sales", "waiting"]
    assert found.scheduler["running"]
    assert found.scheduler["here"]
    assert found.scheduler["next_dag"] == "sales"
    assert [run["state"] for run in found.runs] == ["success"]
    found.close()


def test_the_latest_run_is_shown_where_none_is_chosen(scheduler: Scheduler, shown: Dashboard) -> None:
    scheduler.trigger("sales")
    until(shown, lambda: shown.run.get("state") == "success")
    assert [box["id"] for box in shown.graph["boxes"]] == ["rows", "total"]


def test_it_follows_a_run_to_its_end_without_being_asked(scheduler: Scheduler, shown: Dashboard) -> None:
    states = []
    shown.observe(lambda change: states.append(change.new.get("state")), "run")
    scheduler.trigger("sales")
    until(shown, lambda: shown.run.get("state") == "success" and shown.scheduler["runs"]["success"] == 1)
    assert {task["state"] for task in shown.tasks.values()} == {"success"}
    assert [line["message"] for line in shown.logs] == ["reading"]
    assert states[-1] == "success"


def test_the_last_state_is_shown_although_it_was_told_before_it_was_on_disk(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    for _ in range(8):
        latest = partial(_is_finished, shown, scheduler.trigger("sales"))
        until(shown, latest)
    until(shown, lambda: shown.scheduler["runs"]["success"] == 8)


def test_a_failed_run_says_why_first(scheduler: Scheduler, shown: Dashboard) -> None:
    scheduler.trigger("failing")
    until(shown, lambda: shown.run.get("state") == "failed")
    (error,) = shown.run["errors"]
    assert (error["task"], error["message"]) == ("explode", "ValueError: no good: 1")
    assert "Traceback" in error["traceback"]


def test_a_button_triggers_a_run_and_shows_it(shown: Dashboard) -> None:
    ask(shown, "trigger", dag_id="sales")
    until(shown, lambda: shown.run.get("state") == "success" and shown.selection["run_id"] is not None)
    assert shown.run["dag"] == "sales"
    assert shown.selection["run_id"] == shown.run["id"]


def test_a_run_that_was_triggered_in_the_overview_is_opened(scheduler: Scheduler) -> None:
    shown = dashboard(scheduler)
    ask(shown, "trigger", dag_id="sales")
    until(shown, lambda: shown.run.get("state") == "success")
    assert shown.selection["tab"] == "run"
    shown.close()


def test_what_cannot_be_done_is_said_in_a_sentence_until_it_is_dismissed(shown: Dashboard) -> None:
    ask(shown, "trigger", dag_id="salse")
    until(shown, lambda: shown.notice != {})
    assert "salse" in shown.notice["text"]
    assert shown.notice["kind"] == "failed"
    ask(shown, "dismiss")
    until(shown, lambda: shown.notice == {})


def test_a_message_that_means_nothing_is_ignored(shown: Dashboard) -> None:
    ask(shown, "__init__")
    shown._handle_custom_msg({}, [])
    ask(shown, "select", run_id=["no", "text"], attempt="1")
    ask(shown, "trigger", dag_id="sales")
    until(shown, lambda: shown.run.get("state") == "success")


def test_cancelling_ends_a_run_early(shown: Dashboard) -> None:
    ask(shown, "trigger", dag_id="waiting")
    until(shown, lambda: shown.scheduler["busy"] == 1)
    ask(shown, "cancel", run_id=shown.run["id"])
    until(shown, lambda: shown.run["state"] == "cancelled")
    assert "the dashboard" in shown.run["reason"]


def test_choosing_narrows_what_is_shown(scheduler: Scheduler, shown: Dashboard) -> None:
    run_ids = []
    for name in ("sales", "failing"):
        run_id, end = scheduler.trigger_run(name)
        end.result(WAIT_S)
        run_ids.append(run_id)
    until(shown, lambda: shown.run.get("dag") == "failing")
    ask(shown, "select", run_id=run_ids[0])
    until(shown, lambda: shown.run["dag"] == "sales" and len(shown.logs) == 1)
    ask(shown, "select", task_id="total")
    until(shown, lambda: shown.selection["task_id"] == "total")
    assert shown.logs == []
    ask(shown, "select", run_id=None, task_id=None)
    until(shown, lambda: shown.run["dag"] == "failing")


def test_a_part_that_was_not_shown_meanwhile_is_up_to_date_when_it_is_shown_again(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    ask(shown, "trigger", dag_id="waiting")
    until(shown, lambda: shown.run.get("state") == "running")
    ask(shown, "select", tab="overview")
    until(shown, lambda: [run["state"] for run in shown.runs] == ["running"])
    gate.opened.set()
    until(shown, lambda: [run["state"] for run in shown.runs] == ["success"])
    assert shown.run["state"] == "running"  # not read while nobody sees it
    ask(shown, "select", tab="run")
    until(shown, lambda: shown.run["state"] == "success")


def test_a_tab_that_is_not_there_is_not_opened(scheduler: Scheduler) -> None:
    alone = Dashboard(scheduler, ["overview"])
    ask(alone, "select", tab="run")
    ask(alone, "select", tab=["overview"])
    ask(alone, "select", dag_id="sales")
    until(alone, lambda: alone.selection["dag_id"] == "sales")
    assert alone.selection["tab"] == "overview"
    alone.close()


def test_only_what_changed_is_sent(scheduler: Scheduler) -> None:
    run_id, end = scheduler.trigger_run("sales")
    end.result(WAIT_S)
    scheduler.flush()
    shown = Dashboard(scheduler, selection=Selection("run", run_id=run_id))
    sent: list[str] = []
    shown.observe(lambda change: sent.append(change.name))
    ask(shown, "select", task_id="total")
    until(shown, lambda: shown.selection["task_id"] == "total")
    shown.close()
    assert set(sent) - {"comm"} == {"selection", "logs", "steering"}


def test_the_stop_button_stops_the_scheduler_and_the_dashboard_stays_readable(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    scheduler.trigger_run("failing")[1].result(WAIT_S)
    older, end = scheduler.trigger_run("sales")
    end.result(WAIT_S)
    scheduler.trigger_run("failing")[1].result(WAIT_S)
    until(shown, lambda: shown.scheduler["runs"]["failed"] == 2)
    ask(shown, "stop")
    until(shown, lambda: not shown.scheduler["running"] and not shown.stopping)
    assert not scheduler.is_running
    assert "stopped" in shown.notice["text"]
    ask(shown, "select", run_id=older)
    until(shown, lambda: shown.run["id"] == older)
    assert [attempt["task"] for attempt in shown.attempts] == ["rows", "total"]


def test_it_notices_that_somebody_else_stopped_the_scheduler(scheduler: Scheduler, shown: Dashboard) -> None:
    scheduler.stop(wait=timedelta(0))
    until(shown, lambda: not shown.scheduler["running"])
    ask(shown, "trigger", dag_id="sales")
    until(shown, lambda: shown.notice != {})
    assert "stopped" in shown.notice["text"]


def test_closing_frees_everything(scheduler: Scheduler) -> None:
    found = dashboard(scheduler)
    listeners = scheduler._loop.listeners
    assert len(listeners) == 1
    found.close()
    found.close()
    assert len(listeners) == 0
    assert "ppacer-dashboard" not in [thread.name for thread in threading.enumerate()]
    gone = weakref.ref(found)
    del found
    gc.collect()
    assert gone() is None


def test_a_terminal_and_a_saved_notebook_get_the_last_state(scheduler: Scheduler, shown: Dashboard) -> None:
    scheduler.trigger("failing")
    until(shown, lambda: shown.run.get("state") == "failed")
    data, _ = shown._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.model_id
    assert "✗ failed" in data["text/plain"]
    assert "no good: 1" in data["text/html"]
    assert "<svg" in data["text/html"]


def test_a_closed_dashboard_still_shows_its_last_state(shown: Dashboard) -> None:
    shown.close()
    data, _ = shown._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}


def test_markup_from_a_task_is_escaped_in_the_still_picture(tmp_path: Path) -> None:
    with DAG("hostile", description=HOSTILE, params={"p": HOSTILE}) as dag:
        shouts(HOSTILE)
    scheduler = Scheduler(SchedulerOptions(store=None, runs_folder=tmp_path, notebook=HOSTILE))
    scheduler.register(dag.spec)
    scheduler.trigger_run("hostile")[1].result(WAIT_S)
    scheduler.flush()
    found = dashboard(scheduler)
    html = found._repr_mimebundle_()[0]["text/html"]
    assert "onerror" in html
    assert "<img" not in html
    assert "<script" not in html
    found.close()
    scheduler.stop(wait=timedelta(0))


def test_runs_that_the_stop_interrupted_are_shown_as_queued(scheduler: Scheduler, shown: Dashboard) -> None:
    scheduler.trigger("waiting")
    until(shown, lambda: shown.scheduler["busy"] == 1)
    scheduler.stop(wait=timedelta(0))
    until(shown, lambda: not shown.scheduler["running"])
    assert shown.run["state"] == "queued"
    assert shown.scheduler["runs"]["queued"] == 1


def test_a_dashboard_that_looks_back_leaves_the_store_to_the_next_scheduler(
    scheduler: Scheduler, shown: Dashboard, tmp_path: Path
) -> None:
    scheduler.stop(wait=timedelta(0))
    following = Scheduler(SchedulerOptions(store=tmp_path / "p.duckdb", runs_folder=tmp_path))
    until(shown, lambda: not shown.scheduler["running"])
    ask(shown, "select", tab="overview")
    until(shown, lambda: shown.notice != {})
    assert "%ppacer dashboard shows the one that runs now" in shown.notice["text"]
    following.stop(wait=timedelta(0))
