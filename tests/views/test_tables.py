from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from rich.cells import cell_len

from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.views.tables import Cell, Column, Rendered, Table, combine, render, to_html, to_text
from tests.views.reading import read_html
from tests.views.strategies import HOSTILE

RUNS = Table(
    "Latest runs",
    (Column("DAG"), Column("State"), Column("Tasks"), Column("Took", "right")),
    (
        (Cell("daily_sales"), Cell(state=RunState.SUCCESS), Cell("5/5", progress=1), Cell("12.4 s")),
        (Cell("日本"), Cell(state=RunState.FAILED), Cell("2/5", progress=0.4), Cell("3 min 20 s")),
        (Cell("forecast"), Cell("attempt 2", state=RunState.RUNNING), Cell(progress=0.5), Cell("")),
    ),
    "3 of 214 runs.",
)


def test_text_is_aligned_in_columns_with_states_as_icon_and_word() -> None:
    assert to_text(RUNS) == (
        "Latest runs\n"
        "DAG          State        Tasks               Took\n"
        "───────────  ───────────  ────────────  ──────────\n"
        "daily_sales  ✓ success    5/5 ████████      12.4 s\n"
        "日本         ✗ failed     2/5 ███░░░░░  3 min 20 s\n"
        "forecast     ▶ attempt 2  ████░░░░\n"
        "3 of 214 runs."
    )


def test_text_cuts_the_widest_columns_first() -> None:
    table = Table(
        "",
        (Column("Id"), Column("Message"), Column("Path")),
        ((Cell("a1"), Cell("m" * 300), Cell("p" * 30)),),
    )
    assert to_text(table, width=60) == (
        "Id  Message                      Path\n"
        "──  ───────────────────────────  ───────────────────────────\n"
        f"a1  {'m' * 26}…  {'p' * 26}…"
    )


def test_text_of_a_narrow_terminal_keeps_eight_cells_of_each_column() -> None:
    table = Table("", (Column("A"), Column("B")), ((Cell("x" * 20), Cell("y" * 20)),))
    assert to_text(table, width=5).endswith("xxxxxxx…  yyyyyyy…")


def test_a_table_without_rows_says_so() -> None:
    table = Table("DAGs", (Column("DAG"), Column("Schedule")), ())
    assert to_text(table) == "DAGs\nDAG  Schedule\n───  ────────\n(none)"
    assert read_html(to_html(table))[1] == "DAGsDAGSchedulenone"


def test_an_empty_row_is_still_a_row() -> None:
    assert to_text(Table("", (Column("A"),), ((Cell(),), (Cell("x"),)))) == "A\n─\n\nx"


cells = st.builds(
    Cell,
    text=st.sampled_from(HOSTILE) | st.text(),
    state=st.none() | st.sampled_from(AttemptState) | st.sampled_from(RunState),
    tooltip=st.sampled_from(HOSTILE),
    link=st.sampled_from(HOSTILE) | st.text(),
    progress=st.none() | st.floats(),
)


@given(st.lists(st.tuples(cells, cells), max_size=4), st.sampled_from(HOSTILE), st.integers(1, 120))
def test_hostile_text_in_every_field_stays_text(rows: list[tuple[Cell, Cell]], text: str, width: int) -> None:
    table = Table(text, (Column(text), Column(text, "right")), tuple(rows), text)
    read_html(to_html(table))
    lines = to_text(table, width).split("\n")
    assert len(lines) == 4 + max(1, len(rows))
    assert all(cell_len(line) <= max(width, 18) for line in lines[1:-1])
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", " JavaScript:alert(1)", "java\tscript:alert(1)", "data:text/html,x",
     "\\\\host\\x", "vbscript:x", ":", "\x01javascript:alert(1)"],
)  # fmt: skip
def test_a_link_that_could_run_something_is_shown_as_text(link: str) -> None:
    tags, text = read_html(to_html(Table("", (Column("A"),), ((Cell("open", link=link),),))))
    assert "a" not in {tag for tag, _ in tags}
    assert text == "Aopen"


@pytest.mark.parametrize("link", ["runs/a b.ipynb", "https://example.org/?a=1&b=2", "../x.ipynb#cell"])
def test_a_link_to_a_file_or_page_opens_elsewhere(link: str) -> None:
    tags, _ = read_html(to_html(Table("", (Column("A"),), ((Cell("open", link=link),),))))
    (attributes,) = (attributes for tag, attributes in tags if tag == "a")
    assert attributes == {"href": link, "target": "_blank", "rel": "noopener noreferrer"}


@pytest.mark.parametrize(("progress", "shown"), [(0.4, "40"), (-1, "0"), (7, "100"), (float("nan"), "0")])
def test_progress_is_a_bar_that_says_how_far_it_is(progress: float, shown: str) -> None:
    tags, _ = read_html(to_html(Table("", (Column("A"),), ((Cell("", progress=progress),),))))
    (bar,) = (attributes for _, attributes in tags if attributes.get("role") == "progressbar")
    assert bar["aria-valuenow"] == shown


def test_html_shows_a_state_in_its_colour_with_icon_and_word() -> None:
    tags, text = read_html(to_html(RUNS))
    classes = [attributes.get("class") or "" for _, attributes in tags]
    assert "ppacer-badge ppacer-state-success" in classes
    assert classes.count("ppacer-icon") == 3
    assert "success" in text


def test_rendered_is_text_in_a_terminal_and_html_in_jupyter() -> None:
    shown = render(RUNS)
    assert repr(shown) == to_text(RUNS)
    data, _ = DisplayFormatter().format(shown)
    assert data == {"text/plain": to_text(RUNS), "text/html": to_html(RUNS)}


def test_combined_parts_stand_below_each_other() -> None:
    assert combine(Rendered("a", "<b/>"), Rendered("c", "<i/>")) == Rendered("a\n\nc", "<b/><i/>")
