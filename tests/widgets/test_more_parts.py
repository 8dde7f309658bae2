"""The overview, the table of runs and the comparison, of a real scheduler without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.status import RunState
from ppacer_nb.views.comparing import comparison_page
from ppacer_nb.views.reader import Reader
from ppacer_nb.widgets import Dashboard
from ppacer_nb.widgets.overview import hours
from ppacer_nb.widgets.runs_table import run_filter
from ppacer_nb.widgets.selection import RunsChoice, Selection, changed
from tests.faces import failing_dag, sales_dag
from tests.widgets.gate import WAIT_S
from tests.widgets.records import dag
from tests.widgets.test_dashboard import ask, until


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    found = Scheduler(SchedulerOptions(store=tmp_path / "p.duckdb", runs_folder=tmp_path / "runs"))
    for each in (sales_dag(schedule="15 6 * * *", tags=["money"]), failing_dag()):
        found.register(each.spec)
    found.flush()  # so that all that is asked of the DAGs can be read at once
    yield found
    found.stop(wait=timedelta(seconds=5))


def run_to_its_end(scheduler: Scheduler, dag_id: str) -> str:
    run_id, end = scheduler.trigger_run(dag_id)
    end.result(WAIT_S)
    scheduler.flush()
    return run_id


def test_the_overview_says_what_failed_and_why_and_what_comes(scheduler: Scheduler) -> None:
    run_id = run_to_its_end(scheduler, "failing")
    run_to_its_end(scheduler, "sales")
    shown = Dashboard(scheduler, ["overview"])
    (failed,) = shown.going_on["failed"]
    assert (failed["id"], failed["why"]) == (run_id, "explode: ValueError: no good: 1")
    assert shown.going_on["open"] == []
    assert [point[0] for point in shown.going_on["upcoming"]] == ["sales"] * 8
    assert shown.going_on["upcoming"][0][2] == "UTC"
    ((_, well, badly),) = shown.going_on["hours"] or [(0, 0, 0)]
    assert (well, badly) == (1, 1)
    ask(shown, "restart", run_id=run_id)
    until(shown, lambda: shown.going_on["failed"][0]["ended"] > failed["ended"])
    shown.close()


def test_hours_count_what_ended_well_and_what_did_not(scheduler: Scheduler) -> None:
    run_to_its_end(scheduler, "failing")
    run_to_its_end(scheduler, "sales")
    ((hour, well, badly),) = hours(scheduler.history.outcomes(datetime.now(UTC) - timedelta(hours=1)))
    assert (hour % 3_600_000, well, badly) == (0, 1, 1)
    assert scheduler.history.outcomes(datetime.now(UTC) + timedelta(hours=1)) == []


def test_the_table_shows_the_runs_that_are_looked_for(scheduler: Scheduler) -> None:
    for dag_id in ("failing", "sales", "sales"):
        run_to_its_end(scheduler, dag_id)
    shown = Dashboard(scheduler, selection=Selection("runs"))
    assert [row["dag"] for row in shown.found["rows"]] == ["sales", "sales", "failing"]
    assert shown.found["tags"] == ["money"]
    ask(shown, "select", runs={"state": "failed"})
    until(shown, lambda: [row["dag"] for row in shown.found["rows"]] == ["failing"])
    ask(shown, "select", runs={"state": None, "tag": "money", "order": "created", "ascending": True})
    until(shown, lambda: [row["dag"] for row in shown.found["rows"]] == ["sales", "sales"])
    assert shown.found["rows"][0]["created"] < shown.found["rows"][1]["created"]
    run_to_its_end(scheduler, "sales")
    until(shown, lambda: len(shown.found["rows"]) == 3)  # it is live
    ask(shown, "select", runs={"page": 1})
    until(shown, lambda: shown.found["rows"] == [])
    assert shown.selection["runs"]["tag"] == "money"
    shown.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        {"state": "sick"},
        {"run_type": "none"},
        {"order": "colour"},
        {"since": 10**30},
        {"until": -(10**30)},
        {"page": -3},
    ],
)
def test_a_choice_that_makes_no_sense_shows_the_runs_all_the_same(
    scheduler: Scheduler, nonsense: dict[str, object]
) -> None:
    run_to_its_end(scheduler, "sales")
    shown = Dashboard(scheduler, selection=Selection("runs", runs=RunsChoice(**nonsense)))  # type: ignore[arg-type]
    assert len(shown.found["rows"]) == 1
    shown.close()


def test_a_tag_and_a_dag_together_mean_that_dag_if_it_has_the_tag() -> None:
    dags = [dag("a", tags=("x",)), dag("b", tags=("x", "y")), dag("c")]
    assert run_filter(RunsChoice(tag="x"), dags).dag_ids == ["a", "b"]
    assert run_filter(RunsChoice(tag="x", dag_id="b"), dags).dag_ids == ["b"]
    assert run_filter(RunsChoice(tag="x", dag_id="c"), dags).dag_ids == [""]


def test_a_new_choice_of_runs_begins_at_its_first_page() -> None:
    third = Selection("runs", runs=RunsChoice(state="failed", page=2))
    assert changed(third, {"runs": {"text": "sales"}}).runs == RunsChoice(state="failed", text="sales")
    assert changed(third, {"runs": {"page": 3}}).runs.page == 3
    assert changed(third, {"runs": ["no", "choice"]}) == third


def test_a_run_is_compared_with_the_one_before_it_of_its_dag(scheduler: Scheduler) -> None:
    first = run_to_its_end(scheduler, "sales")
    run_to_its_end(scheduler, "failing")
    scheduler.register(sales_dag(schedule="15 7 * * *").spec)
    second = run_to_its_end(scheduler, "sales")
    shown = Dashboard(scheduler, selection=Selection("compare"))
    assert (shown.comparison["old"]["id"], shown.comparison["new"]["id"]) == (first, second)
    assert [task["id"] for task in shown.comparison["tasks"]] == ["rows", "total"]
    assert not any(task["differs"] for task in shown.comparison["tasks"])
    ((title, lines),) = [(change["title"], change["lines"]) for change in shown.comparison["changes"]]
    assert title == "the DAG itself"
    assert "+schedule 15 7 * * * (UTC)" in lines
    ask(shown, "select", compared=[second, first])
    until(
        shown,
        lambda: (
            shown.selection["compared"] == (second, first) or shown.selection["compared"] == [second, first]
        ),
    )
    assert shown.comparison["old"]["id"] == first, (
        "the older one stands on the left whichever was chosen first"
    )
    still = shown._repr_mimebundle_()[0]
    assert "Two runs" in still["text/plain"]
    shown.close()


def test_without_two_runs_there_is_nothing_to_compare(scheduler: Scheduler) -> None:
    shown = Dashboard(scheduler, selection=Selection("compare"))
    assert shown.comparison == {"candidates": []}
    shown.close()


def test_a_comparison_reads_well_in_a_terminal(scheduler: Scheduler) -> None:
    for dag_id in ("failing", "failing"):
        run_to_its_end(scheduler, dag_id)
    shown = Dashboard(scheduler, selection=Selection("compare"))
    compared = shown.picture.compare
    assert compared is not None
    assert compared.comparison is not None
    text = comparison_page(compared.comparison, Reader(datetime.now(UTC), UTC)).text
    assert "explode" in text
    assert RunState.FAILED.value in text
    shown.close()
