from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from ppacer_nb.status import AttemptState
from ppacer_nb.views.graph import Graph, GraphEdge, GraphNode
from ppacer_nb.views.layout import layout
from ppacer_nb.views.palette import look
from ppacer_nb.views.svg import to_html, to_svg
from tests.views.reading import SVG, read_html, read_svg, titles
from tests.views.strategies import HOSTILE, fan, graph_of, graphs

DAG = Graph(
    "daily_sales",
    (
        GraphNode("extract", "function", "extract", "3 retries", AttemptState.SUCCESS),
        GraphNode("report", "notebook", "sales_report.ipynb", "", AttemptState.RUNNING),
        GraphNode("tidy", "bash", "tidy"),
    ),
    (GraphEdge("extract", "report"), GraphEdge("report", "tidy", carries_data=False)),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_field_stays_text(text: str) -> None:
    nodes = (
        GraphNode(text, "function", text, text, AttemptState.FAILED),
        GraphNode("next", "bash", text, text),
    )
    root = read_svg(to_svg(Graph(text, nodes, (GraphEdge(text, "next"),))))
    plain = [element for element in root.iter() if element.tag.removeprefix(SVG) in ("script", "b", "img")]
    assert plain == []


@settings(max_examples=60, deadline=None)
@given(graphs(most=6))
def test_any_graph_is_well_formed_harmless_svg(graph: Graph) -> None:
    read_svg(to_svg(graph))
    read_html(to_html(graph))


def test_a_hostile_id_is_shown_as_it_is_written() -> None:
    root = read_svg(to_svg(graph_of([], "<b>&amp;")))
    assert "<b>&amp;" in {element.text for element in root.iter(f"{SVG}text")}


def test_a_picture_names_and_describes_itself() -> None:
    root = read_svg(to_svg(DAG))
    ids = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert root.get("role") == "img"
    assert ids[root.get("aria-labelledby")] == "daily_sales"
    assert "extract → sales_report.ipynb" in (ids[root.get("aria-describedby")] or "")


def test_tooltips_say_kind_state_and_detail_in_words() -> None:
    assert titles(read_svg(to_svg(DAG)))[1:] == [
        "extract → sales_report.ipynb",
        "sales_report.ipynb → tidy (order only)",
        "extract\nfunction, success\n3 retries",
        "sales_report.ipynb\nreport\nnotebook, running",
        "tidy\nbash",
    ]


@pytest.mark.parametrize("state", AttemptState)
def test_every_state_shows_colour_icon_and_word(state: AttemptState) -> None:
    svg = to_svg(Graph("dag", (GraphNode("a", "function", "a", state=state),), ()))
    assert f'class="ppacer-node ppacer-state-{state.value}"' in svg
    assert svg.count(f'd="{look(state).path}"') == 2  # on the box, in the legend
    assert f">1 {look(state).word}</text>" in svg


def test_without_states_there_is_no_legend() -> None:
    svg = to_svg(graph_of([("a", "b")]))
    assert 'class="ppacer-icon' not in svg
    assert "order only" not in svg


def test_order_only_edges_are_dashed_and_explained() -> None:
    root = read_svg(to_svg(DAG))
    classes = [element.get("class") for element in root.iter(f"{SVG}g")]
    assert classes.count("ppacer-edge") == 1
    assert classes.count("ppacer-edge ppacer-order") == 2  # the edge, and its sample in the legend


def test_a_block_counts_its_tasks_by_state() -> None:
    states = [AttemptState.FAILED] * 3 + [AttemptState.SUCCESS] * 297
    plain = fan(300)
    middle = [
        GraphNode(node.id, "function", node.id, state=state)
        for node, state in zip(plain.nodes[1:301], states, strict=True)
    ]
    root = read_svg(to_svg(Graph("fan", (plain.nodes[0], *middle, plain.nodes[301]), plain.edges)))
    (block,) = (element for element in root.iter(f"{SVG}g") if element.get("class") == "ppacer-block")
    assert [element.text for element in block.iter(f"{SVG}text")] == ["300 tasks", "3", "297"]


def test_ids_differ_between_pictures_and_not_between_drawings_of_the_same() -> None:
    def ids(graph: Graph) -> set[str]:
        return set(re.findall(r' id="([^"]+)"', to_svg(graph)))

    assert ids(DAG) == ids(DAG)
    assert ids(DAG).isdisjoint(ids(graph_of([("a", "b")])))


def test_nothing_is_loaded_from_elsewhere() -> None:
    svg = to_svg(DAG).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in svg
    assert "url(" not in svg
    assert "@import" not in svg


def test_a_given_layout_is_used() -> None:
    assert to_svg(DAG, layout=layout(DAG)) == to_svg(DAG)


def test_an_empty_dag_is_drawn_as_its_name() -> None:
    assert "0 tasks" in to_svg(Graph("nothing_yet", (), ()))


def test_a_wide_picture_scrolls_instead_of_shrinking_out_of_sight() -> None:
    html = to_html(graph_of([(f"t{n}", f"t{n + 1}") for n in range(99)]))
    assert html.startswith('<div style="overflow-x:auto')
    width, least = re.search(r' width="([\d.]+)".*?min-width:([\d.]+)px', html).groups()  # type: ignore[union-attr]
    assert float(least) == pytest.approx(0.7 * float(width), abs=0.1)


@pytest.mark.parametrize(("title", "shown"), [("minutely · every 10m", True), ("x" * 100, False)])
def test_a_small_picture_is_wide_enough_for_a_title_that_is_not_endless(title: str, shown: bool) -> None:
    svg = to_svg(Graph(title, (GraphNode("a", "function", "a"),), ()))
    assert (f">{title}<tspan" in svg) is shown
