"""The page of a DAG in a dashboard of a real scheduler, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Annotated, Any, Literal

import pytest

from ppacer_nb import DAG, run, task
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import Dashboard
from ppacer_nb.widgets.selection import Selection
from tests.faces import failing_dag, may_go_on, sales_dag, waiting_dag
from tests.widgets.pasts import missed_points
from tests.widgets.records import HOSTILE
from tests.widgets.test_dashboard import ask, until


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    found = Scheduler(SchedulerOptions(store=tmp_path / "p.duckdb", runs_folder=tmp_path / "runs"))
    head: dict[str, Any] = {"tags": [HOSTILE, "eu"], "description": HOSTILE, "timezone": "Europe/Warsaw"}
    for dag in (sales_dag(schedule="15 6 * * 1-5", **head), failing_dag()):
        found.register(dag.spec)
    found.flush()  # so that all that is asked of the DAGs can be read at once
    yield found
    found.stop(wait=timedelta(seconds=5))


@pytest.fixture
def shown(scheduler: Scheduler) -> Iterator[Dashboard]:
    """A dashboard that shows the page of the DAG "sales"."""
    found = Dashboard(scheduler, selection=Selection("dag", "sales"))
    yield found
    found.close()


def test_it_says_when_the_dag_runs_and_in_words(shown: Dashboard) -> None:
    dag = shown.dag
    assert (dag["schedule"], dag["words"]) == ("15 6 * * 1-5 (Europe/Warsaw)", "at 06:15, Monday to Friday")
    assert (dag["description"], dag["tags"]) == (HOSTILE, [HOSTILE, "eu"])
    assert len(dag["points"]) == 5
    assert dag["points"] == sorted(dag["points"])


def test_another_dag_is_shown_when_it_is_chosen_and_the_first_where_none_is(shown: Dashboard) -> None:
    ask(shown, "select", dag_id="failing")
    until(shown, lambda: shown.dag["id"] == "failing")
    assert (shown.dag["words"], shown.dag["points"]) == ("only when it is triggered", [])
    ask(shown, "select", dag_id="nothing of that id")
    until(shown, lambda: shown.selection["dag_id"] == "nothing of that id")
    assert shown.dag["id"] == "failing"


def test_a_switch_pauses_the_dag_and_makes_it_go_on(scheduler: Scheduler, shown: Dashboard) -> None:
    ask(shown, "pause", dag_id="sales", paused=True)
    until(shown, lambda: shown.dag["paused"])
    assert shown.dag["points"] == []
    assert {dag.dag_id: dag.paused for dag in scheduler.dags()} == {"sales": True, "failing": False}
    ask(shown, "pause", dag_id="sales", paused=False)
    until(shown, lambda: not shown.dag["paused"])
    assert len(shown.dag["points"]) == 5
    ask(shown, "pause", dag_id="sales", paused=False)
    until(shown, lambda: shown.notice.get("kind") == "failed")
    assert "is not paused" in shown.notice["text"]


def test_its_grid_follows_runs_from_their_beginning_to_their_end(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    assert (shown.dag_past, shown.dag_now) == ([], [])
    assert shown.dag_grid["tasks"] == ["rows", "total"]
    for count in (1, 2):
        scheduler.trigger("sales")
        until(shown, lambda n=count: len(shown.dag_past) == n and not shown.dag_now)  # type: ignore[misc]
    done = shown.dag_grid["letters"][shown.dag_past[-1]["states"][0]]
    assert done == "success"
    assert [run["place"] for run in shown.dag_past] == sorted(run["place"] for run in shown.dag_past)
    assert shown.dag_tasks["total"]["about"].startswith("succeeded in 2 of 2 runs")
    assert len(shown.dag_durations["points"]) == 2
    fresh = Dashboard(scheduler, selection=Selection("dag", "sales"))
    assert (fresh.dag_past, fresh.dag_now) == (shown.dag_past, [])
    fresh.close()


def test_runs_of_other_dags_change_nothing_in_it(scheduler: Scheduler, shown: Dashboard) -> None:
    read = []
    for count in (1, 2, 3):  # when it opens, it reads everything twice
        scheduler.trigger_run("failing")[1].result(30)
        until(shown, lambda n=count: shown.scheduler["runs"]["failed"] == n)  # type: ignore[misc]
        read.append(shown.picture.dag)
    assert read[1] is read[2]


def test_more_runs_are_read_when_they_are_asked_for(scheduler: Scheduler, shown: Dashboard) -> None:
    for count in range(3):
        scheduler.trigger_run("sales")[1].result(30)
        until(shown, lambda n=count: len(shown.dag_past) == n + 1)  # type: ignore[misc]
    ask(shown, "select", dag_runs=2)
    until(shown, lambda: len(shown.dag_past) == 2)
    assert shown.dag_grid["more"]
    ask(shown, "select", dag_runs=4)
    until(shown, lambda: len(shown.dag_past) == 3)
    assert not shown.dag_grid["more"]


@task(executor="thread")
def report(day: date, count: Annotated[int, range(1, 11)], city: Literal["Gdansk", "Lodz"], note: str) -> str:
    return f"{day:%d} {count} {city} {note}"


def answers_of(shown: Dashboard) -> Queue[dict[str, Any]]:
    """Return where the messages arrive that a browser would get."""
    answers: Queue[dict[str, Any]] = Queue()
    shown.send = lambda content, buffers=None: answers.put(content)
    return answers


TYPED = {"day": date(2026, 1, 1), "count": 5, "city": "Gdansk", "note": HOSTILE}


def test_a_form_that_makes_no_sense_is_refused_field_by_field_and_runs_nothing(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    with DAG("typed", timezone="Europe/Warsaw", params=TYPED) as dag:
        report(*(run.params[name] for name in TYPED))
    scheduler.register(dag.spec)
    ask(shown, "select", dag_id="typed")
    until(shown, lambda: shown.dag_form.get("dag") == "typed")
    fields = {field["name"]: field for field in shown.dag_form["fields"]}
    assert [field["kind"] for field in fields.values()] == ["date", "int", "choice", "text"]
    assert (fields["count"]["low"], fields["count"]["high"]) == (1, 10)
    assert fields["note"]["default"] == HOSTILE
    answers = answers_of(shown)
    values = {"day": "2026-13-01", "count": "11", "city": "Lodz"}
    ask(shown, "trigger_form", dag_id="typed", form=7, values=values, date="then")
    answer = answers.get(timeout=10)
    assert (answer["form"], set(answer["problems"])) == (7, {"day", "count"})
    assert answer["date"].startswith("'then' is no date")
    assert scheduler.history.runs(dag_id="typed") == []

    values |= {"day": "2026-11-23", "count": "10"}
    ask(shown, "trigger_form", dag_id="typed", form=8, values=values, date="2026-11-23T06:15")
    answer = answers.get(timeout=10)
    assert (answer["problems"], answer["date"], answer["problem"]) == ({}, "", "")
    scheduler.end_of(answer["run_id"]).result(30)
    scheduler.flush()
    (done,) = scheduler.history.attempts(answer["run_id"])
    assert done.value_preview == repr(f"23 10 Lodz {HOSTILE}")
    (made,) = scheduler.history.runs(dag_id="typed")
    assert made.logical_date == datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
    until(shown, lambda: shown.selection["run_id"] == answer["run_id"])

    ask(shown, "trigger_form", dag_id="typed", form=9, values=values, date="2026-11-23T06:15")
    assert "exists already" in answers.get(timeout=10)["problem"]


def test_a_backfill_is_shown_before_it_runs_and_its_progress_while_it_does(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    answers = answers_of(shown)
    wish = {
        "dag_id": "sales",
        "first": "2026-11-02",
        "last": "2026-11-08",
        "rerun": "none",
        "concurrency": "2",
    }
    ask(shown, "backfill", form=1, dry_run=True, **wish)
    answer = answers.get(timeout=10)
    assert (answer["form"], answer["begun"], answer["problem"]) == (1, False, "")
    plan = answer["plan"]
    assert (plan["count"], len(plan["points"]), plan["skipped"], plan["concurrency"]) == (5, 5, {}, 2)
    assert (plan["first"], plan["last"]) == (plan["points"][0], plan["points"][-1])
    assert shown.dag_backfills == []
    ask(shown, "backfill", form=2, dry_run=False, **wish)
    assert answers.get(timeout=10)["begun"]
    until(shown, lambda: [b["state"] for b in shown.dag_backfills] == ["finished"])
    (done,) = shown.dag_backfills
    assert (done["runs"], done["succeeded"], done["failed"]) == (5, 5, 0)
    ask(shown, "backfill", form=3, dry_run=True, **wish)
    assert answers.get(timeout=10)["plan"]["skipped"] == {"succeeded": 5}
    ask(shown, "select", dag_id="failing")
    until(shown, lambda: shown.dag["id"] == "failing")
    assert shown.dag_backfills == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"concurrency": "many"}, "concurrency"),
        ({"first": "soon"}, "'soon': give a date"),
        ({"last": "2026-10-01"}, "ends before it begins"),
        ({"rerun": "some"}, "rerun"),
    ],
)
def test_a_backfill_that_makes_no_sense_is_refused_in_its_form(
    shown: Dashboard, changes: dict[str, str], sentence: str
) -> None:
    answers = answers_of(shown)
    wish = {
        "dag_id": "sales",
        "first": "2026-11-02",
        "last": "2026-11-08",
        "rerun": "none",
        "concurrency": "2",
    }
    ask(shown, "backfill", form=1, dry_run=False, **(wish | changes))
    assert sentence in answers.get(timeout=10)["problem"]


def test_a_backfill_under_way_is_paused_goes_on_and_is_cancelled(
    scheduler: Scheduler, shown: Dashboard
) -> None:
    scheduler.register(waiting_dag(schedule="@daily").spec)
    scheduler.backfill("waiting", "2026-11-02", "2026-11-04")
    ask(shown, "select", dag_id="waiting")
    for command, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        ask(shown, f"{command}_backfill", dag_id="waiting")
        until(shown, lambda it=state: [b["state"] for b in shown.dag_backfills] == [it])  # type: ignore[misc]
    may_go_on.set()


def test_missed_points_are_offered_until_somebody_decides(tmp_path: Path) -> None:
    options = SchedulerOptions(store=tmp_path / "m.duckdb", runs_folder=tmp_path / "runs")
    missed_points(tmp_path / "m.duckdb", "sales", count=3)
    scheduler = Scheduler(options)
    scheduler.register(sales_dag(schedule="0 * * * *").spec)
    shown = Dashboard(scheduler, ["dag"])
    assert shown.dag["missed"]["count"] >= 3
    ask(shown, "catch_up", dag_id="sales", choice="last")
    until(shown, lambda: shown.dag["missed"] is None)
    assert shown.notice["text"] == "1 missed point of sales to run, in order, as there is room."
    shown.close()
    scheduler.stop(wait=timedelta(seconds=5))


def test_alone_it_shows_nothing_else(scheduler: Scheduler) -> None:
    shown = Dashboard(scheduler, ["dag"])
    ask(shown, "select", tab="run", run_id="sales/manual-1")
    ask(shown, "select", dag_id="sales")
    until(shown, lambda: shown.dag.get("id") == "sales")
    assert shown.selection["tab"] == "dag"
    shown.close()


def test_a_saved_notebook_says_it_as_text(scheduler: Scheduler) -> None:
    shown = Dashboard(scheduler, ["dag"], Selection("dag", "sales"))
    data, _ = shown._repr_mimebundle_()
    assert "at 06:15, Monday to Friday" in data["text/plain"]
    assert HOSTILE not in data["text/html"]
    shown.close()


def test_versions_are_listed_and_tell_what_they_changed(scheduler: Scheduler, shown: Dashboard) -> None:
    answers = answers_of(shown)
    (first,) = shown.dag_versions
    scheduler.register(sales_dag(schedule="15 7 * * *").spec)
    until(shown, lambda: len(shown.dag_versions) == 2)
    newer, older = shown.dag_versions
    assert older == first
    ask(shown, "version_changes", dag_id="sales", version=newer[0])
    answer = answers.get(timeout=10)
    assert answer["version"] == newer[0]
    ((title, lines),) = [(change["title"], change["lines"]) for change in answer["changes"]]
    assert title == "the DAG itself"
    assert "+schedule 15 7 * * * (UTC)" in lines
    ask(shown, "version_changes", dag_id="sales", version=older[0])
    until(shown, lambda: shown.notice != {})
    assert "nothing to compare" in shown.notice["text"]
