"""What the browser is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.attempt import ErrorInfo, Files
from ppacer_nb.model.overview import Progress
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.widgets import viewmodels
from ppacer_nb.widgets.graphview import graph_view
from ppacer_nb.widgets.part import Frame
from ppacer_nb.widgets.parts import PARTS
from ppacer_nb.widgets.picture import Picture, RunPicture
from ppacer_nb.widgets.viewmodels import (
    LONGEST_MESSAGE,
    LONGEST_TRACEBACK,
    MOST_ERRORS,
    attempt_views,
    log_views,
    run_details,
    run_view,
    scheduler_view,
    task_views,
)
from tests.widgets.records import FOLDER, HOSTILE, RUN_ID, T0, attempt, dag, info, log, picture, run, version

T0_MS = 1_795_410_900_000


def _selected(*attempts: object, **changes: object) -> RunPicture:
    found = picture(*attempts).run  # type: ignore[arg-type]
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def views(shown: Picture) -> dict[str, Any]:
    """Return what all parts of the dashboard send."""
    sent: dict[str, Any] = {}
    for part in PARTS.values():
        sent |= part.views(shown, Frame(here=True, folder=FOLDER))
    return sent


def test_a_whole_picture_is_plain_json() -> None:
    shown = views(picture(attempt("extract", AttemptState.SUCCESS), attempt("total", AttemptState.RUNNING)))
    assert json.loads(json.dumps(shown)) == shown


def test_a_picture_without_runs_is_plain_json_too() -> None:
    shown = views(picture(overview=None, run=None))
    assert shown["runs"] == shown["attempts"] == shown["logs"] == []
    assert shown["run"] == shown["graph"] == shown["tasks"] == {}


def test_times_are_milliseconds_in_utc() -> None:
    shown = run_view(run(ended_at=T0 + timedelta(seconds=1.5)))
    assert (shown["point"], shown["started"], shown["ended"]) == (T0_MS, T0_MS, T0_MS + 1500)


def test_the_counters_name_every_state_of_a_run() -> None:
    shown = scheduler_view(info(), {RunState.FAILED: 2}, [], here=True, folder=FOLDER)
    assert shown["runs"] == {"queued": 0, "running": 0, "success": 0, "failed": 2, "cancelled": 0}


def test_the_next_schedule_point_is_the_earliest_of_all_dags() -> None:
    dags = [dag("late", T0 + timedelta(hours=2)), dag("soon", T0), dag("never")]
    shown = scheduler_view(info(), {}, dags, here=True, folder=FOLDER)
    assert (shown["next_at"], shown["next_dag"]) == (T0_MS, "soon")


def test_paths_below_the_notebook_are_shown_from_there() -> None:
    shown = scheduler_view(info(), {}, [], here=True, folder=FOLDER)
    assert (shown["store"], shown["notebook"]) == (".ppacer/ppacer.duckdb", "nb.ipynb")
    elsewhere = scheduler_view(info(), {}, [], here=True, folder=Path("/other"))
    assert elsewhere["store"] == "/home/ann/.ppacer/ppacer.duckdb"


def test_a_task_has_the_state_of_its_latest_attempt() -> None:
    selected = _selected(
        attempt("extract", AttemptState.UP_FOR_RETRY), attempt("extract", AttemptState.RUNNING, 2)
    )
    assert task_views(selected) == {"extract": {"state": "running", "cells": None}}


def test_a_notebook_that_runs_says_which_cell_it_is_at() -> None:
    selected = _selected(
        attempt("extract", AttemptState.RUNNING), progress=[Progress("extract", 1, cell=3, cells=7)]
    )
    assert task_views(selected)["extract"]["cells"] == [3, 7]
    assert attempt_views(selected, FOLDER)[0]["cells"] == [3, 7]


def test_an_attempt_that_another_one_followed_no_longer_announces_one() -> None:
    selected = _selected(
        attempt("extract", AttemptState.UP_FOR_RETRY, retry_at=T0), attempt("extract", AttemptState.FAILED, 2)
    )
    assert [view["retried"] for view in attempt_views(selected, FOLDER)] == [True, False]


def test_the_errors_of_failed_tasks_come_before_those_that_are_retried() -> None:
    error = ErrorInfo("TaskFailed", "no good", "Traceback ...")
    selected = _selected(
        attempt("a", AttemptState.UP_FOR_RETRY, error=error, retry_at=T0),
        attempt("b", AttemptState.FAILED, error=error),
        attempt("c", AttemptState.UPSTREAM_FAILED, 0),
    )
    errors = run_details(selected)["errors"]
    assert [error["task"] for error in errors] == ["b", "a"]
    assert [error["retry_at"] for error in errors] == [None, T0_MS]


def test_an_error_that_a_retry_has_made_good_is_not_shown() -> None:
    selected = _selected(
        attempt("a", AttemptState.UP_FOR_RETRY, error=ErrorInfo("TaskFailed", "no good")),
        attempt("a", AttemptState.SUCCESS, 2),
    )
    assert run_details(selected)["errors"] == []


def test_a_run_that_failed_a_hundred_times_shows_a_few_errors_and_how_many_more() -> None:
    error = ErrorInfo("TaskFailed", "no good")
    selected = _selected(*(attempt(f"t{n}", AttemptState.FAILED, error=error) for n in range(100)))
    details = run_details(selected)
    assert (len(details["errors"]), details["more_errors"]) == (MOST_ERRORS, 100 - MOST_ERRORS)


def test_long_texts_are_cut_and_say_by_how_much() -> None:
    (line,) = log_views([log("x" * 1_000_000)])
    assert line["message"].startswith("x" * LONGEST_MESSAGE)
    assert line["message"].endswith(f"… and {1_000_000 - LONGEST_MESSAGE:,} characters more")


def test_the_end_of_a_long_traceback_is_kept() -> None:
    error = ErrorInfo("TaskFailed", "no good", "x" * 100_000 + "\nValueError: here")
    (shown,) = run_details(_selected(attempt("a", AttemptState.FAILED, error=error)))["errors"]
    assert len(shown["traceback"]) == LONGEST_TRACEBACK
    assert shown["traceback"].endswith("ValueError: here")


def test_terminal_colours_are_taken_off_and_other_controls_made_visible() -> None:
    (line,) = log_views([log("\x1b[31mred\x1b[0m \x07bell\n")])
    assert line["message"] == "red \ufffdbell"


def test_a_line_is_known_by_its_number() -> None:
    lines = [replace(log("a"), number=number) for number in (7, 8)]
    assert [view["number"] for view in log_views(lines)] == [7, 8]


def test_files_are_told_with_their_kind() -> None:
    files = Files(notebook=Path("/home/ann/.ppacer/runs/extract.1.ipynb"))
    (shown,) = attempt_views(_selected(attempt("extract", AttemptState.SUCCESS, files=files)), FOLDER)
    assert shown["files"] == [
        {"kind": "notebook", "path": str(files.notebook), "shown": ".ppacer/runs/extract.1.ipynb"}
    ]


def test_a_graph_of_the_same_version_is_the_same_whatever_its_states() -> None:
    before = views(picture())
    after = views(picture(attempt("extract", AttemptState.FAILED)))
    assert before["graph"] == after["graph"]
    assert before["tasks"] != after["tasks"]
    assert [box["id"] for box in before["graph"]["boxes"]] == ["extract", "total"]


def test_a_run_of_a_lost_version_is_shown_without_a_graph() -> None:
    shown = views(picture(run=_selected(version=None)))
    assert shown["graph"] == {}
    assert shown["run"]["id"] == RUN_ID


@given(st.text())
def test_any_text_of_a_task_reaches_the_browser_as_utf8(text: str) -> None:
    error = ErrorInfo("TaskFailed", text, text)
    selected = _selected(
        attempt("a", AttemptState.FAILED, error=error, value_preview=text, reason=text, worker=text),
        run=run(params={text: text}, reason=text),
        logs=[log(text, level=text, x=text)],
    )
    shown = views(picture(run=selected))
    json.dumps(shown, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("part", ["message", "level"])
def test_markup_in_a_log_is_sent_as_it_is_for_the_browser_to_show_as_text(part: str) -> None:
    record = log(HOSTILE) if part == "message" else log("x", level=HOSTILE)
    assert viewmodels.log_views([record])[0][part] == HOSTILE


def test_a_version_of_one_task_has_no_edges() -> None:
    shown = graph_view(version("extract"))
    assert shown["edges"] == []
    assert shown["key"] == "sales@abc"
