from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ppacer_nb.model.grid import GridCell, GridRun
from ppacer_nb.status import AttemptState, RunState, RunType
from ppacer_nb.widgets.gridviews import LETTERS, durations_view, grid_view, run_views, task_abouts
from ppacer_nb.widgets.picture import DagPicture
from tests.widgets.records import T0, version

SECOND = timedelta(seconds=1)
OK, BAD = AttemptState.SUCCESS, AttemptState.FAILED


def cell(task: str, state: AttemptState = OK, seconds: float | None = 1, attempt: int = 1) -> GridCell:
    ended = None if seconds is None else T0 + seconds * SECOND
    return GridCell(task, state, attempt, T0 if attempt else None, ended)


def grid_run(
    number: int, *cells: GridCell, state: RunState = RunState.SUCCESS, seconds: float = 10
) -> GridRun:
    begin = T0 + number * timedelta(days=1)
    end = begin + seconds * SECOND if state.is_terminal else None
    return GridRun(f"sales/{number}", number, RunType.SCHEDULED, begin, state, begin, begin, end, cells)


def shown(*oldest_first: GridRun, tasks: Sequence[str] = ("extract", "total")) -> DagPicture:
    return DagPicture("sales", version(*tasks), (), oldest_first[::-1], 60)


def test_rows_are_the_tasks_in_graph_order_and_then_those_of_older_versions() -> None:
    picture = shown(grid_run(1, cell("gone"), cell("total")), grid_run(2, cell("extract")))
    view = grid_view(picture, 1000)
    assert view["tasks"] == ["extract", "total", "gone"]
    assert {view["letters"][letter] for letter in LETTERS.values()} == {state.value for state in AttemptState}
    assert not view["more"]


def test_older_runs_are_offered_where_there_may_be_some() -> None:
    picture = DagPicture("sales", None, (), [grid_run(2), grid_run(1)], 2)
    assert grid_view(picture, 1000)["more"]
    assert not grid_view(picture, 2)["more"]


def test_a_run_is_sent_as_letters_in_the_order_of_the_rows() -> None:
    done = grid_run(1, cell("total", BAD, 2, attempt=3), cell("extract", seconds=1.23456))
    under_way = grid_run(2, cell("extract", AttemptState.RUNNING, None), state=RunState.RUNNING)
    picture = shown(done, under_way)
    (past,) = run_views(picture, ended=True)
    assert past["states"] == LETTERS[OK] + LETTERS[BAD]
    assert (past["took"], past["tries"]) == ([1.23, 2.0], {"1": 3})
    (now,) = run_views(picture, ended=False)
    assert (now["states"], now["took"], now["ended"]) == (
        LETTERS[AttemptState.RUNNING] + ".",
        [None, None],
        None,
    )


def test_a_run_that_takes_far_longer_than_those_before_is_slow() -> None:
    runs = [grid_run(n, seconds=10 + n % 3) for n in range(6)]
    slow, failed = grid_run(6, seconds=60), grid_run(7, state=RunState.FAILED, seconds=1)
    points = durations_view(shown(*runs, slow, failed), None)["points"]
    assert [point["slow"] for point in points] == [False] * 6 + [True, False]
    assert [point["usual"] for point in points[:5]] == [None] * 5
    assert points[6]["usual"] == [10.0, 11.0, 12.0]
    assert points[7]["state"] == "failed"


def test_of_one_task_the_durations_are_those_of_its_attempts() -> None:
    picture = shown(
        grid_run(1, cell("total", seconds=3)), grid_run(2, cell("total", AttemptState.SKIPPED, 5, 0))
    )
    view = durations_view(picture, "total")
    assert (view["task"], [point["seconds"] for point in view["points"]]) == ("total", [3.0])
    assert durations_view(picture, "nothing of that id")["points"] == []


def test_of_each_task_it_is_said_how_often_it_succeeds_and_how_long_it_takes() -> None:
    runs = [grid_run(n, cell("extract", seconds=2), cell("total", OK if n else BAD)) for n in range(5)]
    abouts = task_abouts(shown(*runs))
    assert abouts["extract"]["about"] == (
        "succeeded in 5 of 5 runs (100%)\nusually takes 2.00 s, eight times in ten between 2.00 s and 2.00 s"
    )
    assert abouts["total"]["about"] == "succeeded in 4 of 5 runs (80%)"
    assert task_abouts(shown()) == {}
