"""Graphs and texts that the tests of the views are tried on."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from ppacer_nb.status import AttemptState
from ppacer_nb.views.graph import Graph, GraphEdge, GraphNode, Kind

HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style></svg><script>alert(2)</script>",
    '" onload="alert(3)" x="',
    "' onmouseover='alert(4)",
    "]]> <![CDATA[ <b>bold</b> -->",
    "a\x00b\x1b[31mred\x07",
    "lone surrogate \ud800, reversed \u202etxt.exe",
    "&lt;img src=x onerror=alert(5)&gt;",
    "two\nlines\r\nand\ttabs",
    "日本語のタスク",
)


def graph_of(pairs: list[tuple[str, str]], *lonely: str, title: str = "dag") -> Graph:
    """Return a graph of functions named in `pairs`, in the order they are met, and in `lonely`."""
    ids = dict.fromkeys([task for pair in pairs for task in pair] + list(lonely))
    nodes = tuple(GraphNode(task, "function", task) for task in ids)
    return Graph(title, nodes, tuple(GraphEdge(*pair) for pair in pairs))


def fan(width: int) -> Graph:
    """Return a source, `width` tasks beside each other, and a sink."""
    middle = [f"part_{number:03}" for number in range(width)]
    return graph_of([("source", task) for task in middle] + [(task, "sink") for task in middle])


def tangle(count: int, edges: int, *, seed: int = 1, span: int | None = None) -> Graph:
    """Return `count` tasks with random edges, none of them longer than `span` in the order of definition."""
    rng = random.Random(seed)
    pairs = set()
    for _ in range(edges):
        upstream = rng.randrange(count - 1)
        downstream = rng.randrange(upstream + 1, min(count, upstream + 1 + (span or count)))
        pairs.add((f"task_{upstream}", f"task_{downstream}"))
    return graph_of(sorted(pairs), *(f"task_{number}" for number in range(count)))


@st.composite
def graphs(draw: st.DrawFn, most: int = 16) -> Graph:
    """Return any DAG, with fan-outs wide enough to become blocks, of any kinds and states."""
    count = draw(st.integers(0, most))
    texts = st.sampled_from(HOSTILE) | st.text(max_size=40)
    ids = draw(st.lists(texts, min_size=count, max_size=count, unique=True))
    places = st.integers(0, max(0, count - 1))
    pairs = draw(st.lists(st.tuples(places, places), max_size=3 * count))
    edges = [GraphEdge(ids[a], ids[b], draw(st.booleans())) for a, b in pairs if a < b]
    copies = draw(st.sampled_from([0, 0, 3, 12])) if count > 1 else 0
    for number in range(copies):
        ids.append(f"copy {number}")
        edges.append(GraphEdge(ids[0], ids[-1]))
    kinds: st.SearchStrategy[Kind] = st.sampled_from(["function", "notebook", "bash"])
    states = st.none() | st.sampled_from(AttemptState)
    nodes = [GraphNode(task, draw(kinds), task, detail=task, state=draw(states)) for task in ids]
    return Graph(draw(texts), tuple(nodes), tuple(edges))
