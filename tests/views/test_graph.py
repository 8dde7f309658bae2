from __future__ import annotations

import json
import re

import pytest
from hypothesis import given

from ppacer_nb.status import AttemptState
from ppacer_nb.views.graph import Graph, GraphEdge, GraphNode, to_mermaid, to_text
from tests.views.strategies import HOSTILE, fan, graph_of, graphs

DAG = Graph(
    "daily_sales",
    (
        GraphNode("report", "notebook", "report"),
        GraphNode("extract", "function", "extract"),
        GraphNode("total", "function", "total"),
        GraphNode("tidy", "bash", "tidy"),
    ),
    (
        GraphEdge("extract", "total"),
        GraphEdge("extract", "report"),
        GraphEdge("total", "report"),
        GraphEdge("extract", "tidy", carries_data=False),
        GraphEdge("report", "tidy", carries_data=False),
    ),
)


def with_states(*states: AttemptState | None) -> Graph:
    nodes = zip(DAG.nodes, states, strict=True)
    return Graph(DAG.title, tuple(GraphNode(n.id, n.kind, n.label, state=s) for n, s in nodes), DAG.edges)


def test_text_lists_tasks_in_topological_order_with_what_waits_for_them() -> None:
    assert to_text(DAG) == (
        "daily_sales: 4 tasks\n  extract → total, report ⇢ tidy\n  total → report\n  report ⇢ tidy\n  tidy"
    )


def test_text_shows_states_as_icon_and_word_in_a_column() -> None:
    states = (AttemptState.UP_FOR_RETRY, AttemptState.SUCCESS, AttemptState.RUNNING, None)
    assert to_text(with_states(*states)) == (
        "daily_sales: 4 tasks\n"
        "  ✓ success   extract → total, report ⇢ tidy\n"
        "  ▶ running   total → report\n"
        "  ↻ retrying  report ⇢ tidy\n"
        "              tidy"
    )


def test_text_of_many_tasks_is_cut_and_says_how_much_is_missing() -> None:
    lines = to_text(fan(300)).split("\n")
    assert len(lines) == 26
    assert lines[0] == "dag: 302 tasks"
    assert lines[1] == ("  source → part_000, part_001, part_002, part_003, part_004, part_005 and 294 more")
    assert lines[-1] == "  ... and 278 more"


def test_text_is_not_cut_to_save_a_single_line() -> None:
    assert "more" not in to_text(graph_of([], *(f"t{n}" for n in range(25))))
    assert to_text(graph_of([], *(f"t{n}" for n in range(26)))).endswith("... and 2 more")


def test_text_of_an_empty_dag() -> None:
    assert to_text(Graph("nothing_yet", (), ())) == "nothing_yet: 0 tasks"


@given(graphs())
def test_text_obeys_nothing_that_an_id_says_to_a_terminal(graph: Graph) -> None:
    text = to_text(graph)
    assert len(text.split("\n")) <= 26
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", text)


def test_mermaid_names_shapes_arrows_and_states() -> None:
    states = (None, AttemptState.SUCCESS, AttemptState.SUCCESS, AttemptState.FAILED)
    assert to_mermaid(with_states(*states)) == (
        "---\n"
        'title: "daily_sales"\n'
        "---\n"
        "flowchart LR\n"
        '    t0[["report"]]\n'
        '    t1("#10003; extract")\n'
        '    t2("#10003; total")\n'
        '    t3{{"#10007; tidy"}}\n'
        "    t1 --> t2\n"
        "    t1 --> t0\n"
        "    t2 --> t0\n"
        "    t1 -.-> t3\n"
        "    t0 -.-> t3\n"
        "    classDef success fill:#00775a,stroke:#00775a,color:#ffffff\n"
        "    class t1,t2 success\n"
        "    classDef failed fill:#b83a00,stroke:#b83a00,color:#ffffff\n"
        "    class t3 failed"
    )


_MERMAID_LINES = (
    r'    t\d+(\("(\w|[ .,-]|#\d+;)*"\)|\[\["(\w|[ .,-]|#\d+;)*"\]\]|\{\{"(\w|[ .,-]|#\d+;)*"\}\})',
    r"    t\d+ (-->|-\.->) t\d+",
    r"    classDef \w+ fill:#\w{6},stroke:#\w{6},color:#\w{6}",
    r"    class t\d+(,t\d+)* \w+",
)


@given(graphs())
def test_any_graph_is_mermaid_of_known_lines_only(graph: Graph) -> None:
    opening, title, closing, head, *body = to_mermaid(graph).split("\n")
    assert (opening, closing, head) == ("---", "---", "flowchart LR")
    json.loads(title.removeprefix("title: "))
    for line in body:
        assert any(re.fullmatch(pattern, line) for pattern in _MERMAID_LINES), line
    assert len([line for line in body if re.match(r"    t\d+[\(\[\{]", line)]) == len(graph.nodes)


@pytest.mark.parametrize("text", HOSTILE)
def test_mermaid_labels_hold_no_markup(text: str) -> None:
    label = to_mermaid(graph_of([], text)).split("\n")[4]
    assert not set("<>&'`;") & set(re.sub(r"#\d+;", "", label))


def test_two_edges_between_the_same_tasks_count_once_and_data_wins() -> None:
    edges = (GraphEdge("a", "b", carries_data=False), GraphEdge("a", "b"))
    assert Graph("dag", (), edges).links() == {("a", "b"): True}
