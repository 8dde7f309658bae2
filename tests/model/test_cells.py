"""Cells as one text, and what changed between two notebooks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.cells import CellDiff, cell_diffs, join_cells, split_cells

cells = st.lists(
    st.lists(st.sampled_from(["x = 1", "y = 2", "# %%", "# %%%", "", "plot(x)\r", "\f"]), max_size=4).map(
        "\n".join
    )
    | st.text(max_size=12),
    max_size=6,
)


@given(cells)
def test_cells_come_back_from_their_text(given: list[str]) -> None:
    assert split_cells(join_cells(given)) == given


@given(cells, cells)
def test_other_cells_have_another_text(one: list[str], other: list[str]) -> None:
    assert (join_cells(one) == join_cells(other)) == (one == other)


@given(cells, cells)
def test_what_changed_turns_the_old_cells_into_the_new_ones(old: list[str], new: list[str]) -> None:
    diffs = cell_diffs(old, new)
    gone = {diff.old: diff.before for diff in diffs if diff.old is not None}
    come = {diff.new: diff.after for diff in diffs if diff.new is not None}
    assert all(old[number - 1] == cell for number, cell in gone.items())
    assert all(new[number - 1] == cell for number, cell in come.items())
    kept = [cell for number, cell in enumerate(old, 1) if number not in gone]
    made = [come[number] if number in come else kept.pop(0) for number in range(1, len(new) + 1)]
    assert (made, kept) == (new, [])
    assert all(diff.before != diff.after for diff in diffs if diff.change == "changed")
    assert (diffs == []) == (old == new)


LOAD, CLEAN, PLOT = "rows = load(path, day)", "rows = rows.dropna()\nrows.head()", "plot(rows, by='city')"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            [LOAD, PLOT],
            [LOAD, CLEAN, PLOT],
            [CellDiff("added", None, 2, "", CLEAN)],
        ),
        (
            [LOAD, CLEAN, PLOT],
            [PLOT],
            [CellDiff("removed", 1, None, LOAD, ""), CellDiff("removed", 2, None, CLEAN, "")],
        ),
        # A cell that is put before one that changed too is not taken for that one.
        (
            [LOAD, "plot(rows, by='day')"],
            [LOAD, CLEAN, PLOT],
            [CellDiff("added", None, 2, "", CLEAN), CellDiff("changed", 2, 3, "plot(rows, by='day')", PLOT)],
        ),
        (["x = 1"], ["x = 2"], [CellDiff("changed", 1, 1, "x = 1", "x = 2")]),
        (
            ["x = 1"],
            ["print('done')"],
            [CellDiff("removed", 1, None, "x = 1", ""), CellDiff("added", None, 1, "", "print('done')")],
        ),
    ],
)
def test_cells_are_aligned_by_what_is_in_them(old: list[str], new: list[str], found: list[CellDiff]) -> None:
    assert cell_diffs(old, new) == found


@pytest.mark.parametrize(
    ("diff", "title"),
    [
        (CellDiff("changed", 2, 2, "a", "b"), "cell 2"),
        (CellDiff("changed", 2, 3, "a", "b"), "cell 3, was cell 2"),
        (CellDiff("added", None, 1, "", "b"), "cell 1, added"),
        (CellDiff("removed", 4, None, "a", ""), "cell 4, removed"),
    ],
)
def test_a_cell_is_named_by_its_number(diff: CellDiff, title: str) -> None:
    assert diff.title == title
