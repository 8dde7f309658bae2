"""A DAG as something to look at: its boxes and arrows, as lines of text and as Mermaid source.

`ppacer_nb.views.svg` draws the same `Graph` as a picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal

from ppacer_nb.status import AttemptState
from ppacer_nb.views.markup import one_line
from ppacer_nb.views.palette import look

Kind = Literal["function", "notebook", "bash"]

_LINES = 24  # a longer list scrolls the definition out of sight
_NEIGHBOURS = 6


@dataclass(frozen=True)
class GraphNode:
    """One task."""

    id: str
    kind: Kind
    label: str
    detail: str = ""  #: what else the tooltip says: retries, timeout, ...
    state: AttemptState | None = None  #: None where no run is shown


@dataclass(frozen=True)
class GraphEdge:
    """`downstream` waits for `upstream`, and gets its result if `carries_data`."""

    upstream: str
    downstream: str
    carries_data: bool = True


@dataclass(frozen=True)
class Graph:
    """A DAG to show: ids are unique, edges join nodes that are there, and there is no cycle."""

    title: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def links(self) -> dict[tuple[str, str], bool]:
        """Return each pair of joined ids once, with whether data flows between them."""
        links: dict[tuple[str, str], bool] = {}
        for edge in self.edges:
            pair = (edge.upstream, edge.downstream)
            links[pair] = links.get(pair, False) or edge.carries_data
        return links


def to_text(graph: Graph) -> str:
    """Return a headline, then a line per task in topological order with the tasks that wait for it.

    ``→`` hands a result on, ``⇢`` only orders. Long lists are cut, and say how much is missing.
    """
    links = graph.links()
    nodes = {node.id: node for node in graph.nodes}
    shown = _topological(graph)[: _LINES if len(nodes) > _LINES + 1 else None]
    lines = [f"{one_line(graph.title)}: {count_of(len(nodes), 'task')}"]
    state_width = max((len(_state_text(node)) for node in graph.nodes), default=0)
    for task_id in shown:
        node = nodes[task_id]
        state = f"{_state_text(node):<{state_width}}  " if state_width else ""
        lines.append(f"  {state}{one_line(node.label)}{_downstream_text(task_id, links, nodes)}".rstrip())
    if len(shown) < len(nodes):
        lines.append(f"  ... and {len(nodes) - len(shown)} more")
    return "\n".join(lines)


def to_mermaid(graph: Graph) -> str:
    """Return Mermaid source: a flowchart from left to right, with classes for the states present."""
    names = {node.id: f"t{number}" for number, node in enumerate(graph.nodes)}
    lines = ["---", f"title: {json.dumps(one_line(graph.title))}", "---", "flowchart LR"]
    lines += [f"    {names[node.id]}{_mermaid_shape(node)}" for node in graph.nodes]
    for (upstream, downstream), carries_data in graph.links().items():
        arrow = "-->" if carries_data else "-.->"
        lines.append(f"    {names[upstream]} {arrow} {names[downstream]}")
    for state in AttemptState:
        members = [names[node.id] for node in graph.nodes if node.state is state]
        if members:
            shown = look(state)
            lines.append(f"    classDef {state.value} fill:{shown.light},stroke:{shown.light},color:#ffffff")
            lines.append(f"    class {','.join(members)} {state.value}")
    return "\n".join(lines)


def count_of(count: int, noun: str) -> str:
    """Return ``"1 task"``, ``"2 tasks"``, ``"1,000 tasks"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _topological(graph: Graph) -> list[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter({node.id: () for node in graph.nodes})
    for upstream, downstream in graph.links():
        sorter.add(downstream, upstream)
    return list(sorter.static_order())


def _state_text(node: GraphNode) -> str:
    return f"{look(node.state).icon} {look(node.state).word}" if node.state else ""


def _downstream_text(task_id: str, links: dict[tuple[str, str], bool], nodes: dict[str, GraphNode]) -> str:
    after = [(nodes[d].label, data) for (u, d), data in links.items() if u == task_id]
    return "".join(
        f" {arrow} {_few([one_line(label) for label, data in after if data is kind])}"
        for arrow, kind in (("→", True), ("⇢", False))
        if any(data is kind for _, data in after)
    )


def _few(labels: list[str]) -> str:
    if len(labels) <= _NEIGHBOURS + 1:
        return ", ".join(labels)
    return f"{', '.join(labels[:_NEIGHBOURS])} and {len(labels) - _NEIGHBOURS} more"


def _mermaid_shape(node: GraphNode) -> str:
    before, after = {"function": ("(", ")"), "notebook": ("[[", "]]"), "bash": ("{{", "}}")}[node.kind]
    icon = f"{look(node.state).icon} " if node.state else ""
    return f'{before}"{_mermaid_text(icon + one_line(node.label))}"{after}'


def _mermaid_text(characters: Iterable[str]) -> str:
    """Mermaid has no quoting: what is not plain is written as a decimal entity, ``#34;``."""
    return "".join(
        character if character.isalnum() or character in " _-.," else f"#{ord(character)};"
        for character in characters
    )
