"""What the viewer chooses."""

from __future__ import annotations

import pytest

from ppacer_nb.widgets.selection import Selection, changed

CHOSEN = Selection("run", dag_id="sales", run_id="sales/manual-1", task_id="total", attempt=2)


def test_what_is_not_named_stays() -> None:
    assert changed(CHOSEN, {"tab": "overview"}) == Selection(
        "overview", "sales", "sales/manual-1", "total", 2
    )


def test_none_is_a_choice_too() -> None:
    assert changed(CHOSEN, {"run_id": None, "task_id": None, "attempt": None}) == Selection("run", "sales")


@pytest.mark.parametrize("name", ["tab", "dag_id", "run_id", "task_id", "attempt", "__class__", "colour"])
def test_what_makes_no_sense_changes_nothing(name: str) -> None:
    assert changed(CHOSEN, {name: ["neither", "text"]}) == CHOSEN


def test_there_is_always_a_tab() -> None:
    assert changed(CHOSEN, {"tab": None}).tab == "run"
