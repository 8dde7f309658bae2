"""A DAG drawn as one self-contained SVG: no script, no font and no file from elsewhere; light and dark."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from ppacer_nb.status import AttemptState
from ppacer_nb.views.graph import Graph, GraphNode, count_of, to_text
from ppacer_nb.views.layout import GraphLayout
from ppacer_nb.views.layout import layout as layout_of
from ppacer_nb.views.markup import escape, lines_of, middle_ellipsis, one_line
from ppacer_nb.views.palette import look, state_class, theme_css
from ppacer_nb.views.shapes import BLOCK_HEADER, Block, Box, EdgePath, Point, text_width

_MARGIN = 20.0
_HEADER = 36.0
_LEGEND = 36.0
_NARROWEST = 240.0
_TITLE_ADVANCE, _COUNT_WIDTH = 8.5, 90.0  # of a character of the title, and of the number of tasks behind it
_WIDEST_HEADLINE = 480.0  # a longer title is cut in its middle, unless the graph is wider
_SMALLEST_SCALE = 0.7  # below that the text is too small, and the picture scrolls instead of shrinking
_NAMED_IN_TOOLTIP = 6

Nodes = Mapping[str, GraphNode]


def to_html(graph: Graph) -> str:
    """Return `graph` drawn, in a container that scrolls sideways when the picture is wider than the page."""
    return f'<div style="overflow-x:auto;max-width:100%">{to_svg(graph)}</div>'


def to_svg(graph: Graph, *, layout: GraphLayout | None = None) -> str:
    """Return `graph` as an inline ``<svg>``, as wide as its container up to its natural size.

    A state is told by colour, icon and word. `layout` is what `ppacer_nb.views.layout.layout` gave for a
    graph with the same nodes and edges; without it the layout is computed, or taken from those kept.
    """
    placed = layout_of(graph) if layout is None else layout
    nodes = {node.id: node for node in graph.nodes}
    legend = _legend(graph)
    width = max(placed.width, _legend_width(legend), _headline_width(graph), _NARROWEST) + 2 * _MARGIN
    height = placed.height + 2 * _MARGIN + _HEADER + (_LEGEND if legend else 0)
    body = "".join(
        [
            _headline(graph, width),
            f'<g transform="translate({_n(_MARGIN)} {_n(_MARGIN + _HEADER)})">',
            *(_block(block, nodes) for block in placed.blocks),
            *(_edge(path, nodes) for path in placed.paths),
            *(_box(box, nodes[box.id]) for box in placed.boxes),
            "</g>",
            _legend_svg(legend, height - _MARGIN - 6),
        ]
    )
    # Several pictures stand on one page, so what is referred to by id is named after its content.
    name = "ppacer-" + hashlib.sha256(f"{graph.title}{body}".encode(errors="replace")).hexdigest()[:12]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="ppacer ppacer-graph" role="img" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-desc" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" height="{_n(height)}" '
        f'style="max-width:100%;min-width:{_n(width * _SMALLEST_SCALE)}px;height:auto">'
        f'<title id="{name}-title">{escape(one_line(graph.title))}</title>'
        f'<desc id="{name}-desc">{escape(to_text(graph))}</desc>'
        f"<style>{theme_css()}{_CSS}</style>"
        f'<rect class="ppacer-canvas" width="{_n(width)}" height="{_n(height)}" rx="8"/>{body}</svg>'
    )


def _headline(graph: Graph, width: float) -> str:
    title = middle_ellipsis(one_line(graph.title), int((width - 2 * _MARGIN - _COUNT_WIDTH) / _TITLE_ADVANCE))
    return (
        f'<text class="ppacer-title" x="{_n(_MARGIN)}" y="{_n(_MARGIN + 12)}">{escape(title)}'
        f'<tspan class="ppacer-note" dx="10">{count_of(len(graph.nodes), "task")}</tspan></text>'
    )


def _headline_width(graph: Graph) -> float:
    return min(len(one_line(graph.title)) * _TITLE_ADVANCE + _COUNT_WIDTH, _WIDEST_HEADLINE)


def _box(box: Box, node: GraphNode) -> str:
    # Measures of a normal and of a small box: corner, tile of the kind, baseline, icon of the state.
    corner, inset, baseline, scale = (6, 4, 4, 0.84) if box.small else (9, 7, 4.6, 1.17)
    tile, middle = box.height - 2 * inset, box.height / 2
    tile_middle = inset + tile / 2
    state = f" {state_class(node.state)}" if node.state else ""
    icon = _icon(node.state, box.width - inset - 6 * scale - 3, middle, scale) if node.state else ""
    return (
        f'<g class="ppacer-node{" ppacer-small" if box.small else ""}{state}" '
        f'transform="translate({_n(box.x)} {_n(box.y)})"><title>{escape(_tooltip(node))}</title>'
        f'<rect class="ppacer-box" width="{_n(box.width)}" height="{_n(box.height)}" rx="{corner}"/>'
        f'<rect class="ppacer-tile" x="{inset}" y="{inset}" width="{_n(tile)}" height="{_n(tile)}" '
        f'rx="{corner - 3}"/>{_kind(node, tile_middle, middle, tile / 26)}'
        f'<text class="ppacer-label" x="{_n(inset + tile + (6 if box.small else 9))}" '
        f'y="{_n(middle + baseline)}">{escape(box.text)}</text>{icon}</g>'
    )


def _kind(node: GraphNode, x: float, y: float, scale: float) -> str:
    place = f'transform="translate({_n(x)} {_n(y)}) scale({scale:.2f})"'
    return f'<path class="ppacer-kind" {place} d="{_KINDS[node.kind]}"/>'


def _icon(state: AttemptState, x: float, y: float, scale: float = 1.0) -> str:
    place = f"translate({_n(x - 6 * scale)} {_n(y - 6 * scale)}) scale({scale})"
    return (
        f'<g class="ppacer-icon ppacer-icon-{state.value}" transform="{place}">'
        f'<circle cx="6" cy="6" r="6"/><path d="{look(state).path}"/></g>'
    )


def _block(block: Block, nodes: Nodes) -> str:
    counts = Counter(state for task_id in block.ids if (state := nodes[task_id].state))
    right, badges = block.x + block.width - 14, ""
    for state, count in sorted(counts.items(), key=lambda item: _ORDER[item[0]], reverse=True):
        right -= 7 * len(str(count))
        badges += f'<text class="ppacer-note" x="{_n(right)}" y="{_n(block.y + 21)}">{count}</text>'
        badges += f'<g class="{state_class(state)}">{_icon(state, right - 10, block.y + 17)}</g>'
        right -= 28
    return (
        f'<g class="ppacer-block"><rect x="{_n(block.x)}" y="{_n(block.y)}" width="{_n(block.width)}" '
        f'height="{_n(block.height)}" rx="11"/><text class="ppacer-note" x="{_n(block.x + 14)}" '
        f'y="{_n(block.y + BLOCK_HEADER - 13)}">{count_of(len(block.ids), "task")}</text>{badges}</g>'
    )


def _edge(path: EdgePath, nodes: Nodes) -> str:
    kinds = "ppacer-edge" if path.carries_data else "ppacer-edge ppacer-order"
    if max(len(path.upstreams), len(path.downstreams)) > 1:
        kinds += " ppacer-bundle"
    x, y = path.points[-1]
    title = f"{_names(path.upstreams, nodes)} → {_names(path.downstreams, nodes)}"
    if not path.carries_data:
        title += " (order only)"
    return (
        f'<g class="{kinds}"><title>{escape(title)}</title><path d="{_curve(path.points)}"/>'
        f'<path class="ppacer-arrow" d="M{_n(x)} {_n(y)}l-7.5 -4v8z"/></g>'
    )


def _curve(points: Iterable[Point]) -> str:
    *line, (x, y) = points
    line.append((x - 6, y))  # under the arrowhead, so that the line does not show beyond its tip
    drawn = f"M{_n(line[0][0])} {_n(line[0][1])}"
    for (x1, y1), (x2, y2) in pairwise(line):
        if y1 == y2:
            drawn += f"H{_n(x2)}"
        else:
            bend = (x2 - x1) / 2
            drawn += f"C{_n(x1 + bend)} {_n(y1)} {_n(x2 - bend)} {_n(y2)} {_n(x2)} {_n(y2)}"
    return drawn


def _legend(graph: Graph) -> list[tuple[AttemptState | None, str]]:
    counts = Counter(node.state for node in graph.nodes if node.state)
    entries: list[tuple[AttemptState | None, str]] = [
        (state, f"{counts[state]:,} {look(state).word}") for state in _ORDER if counts[state]
    ]
    if not all(graph.links().values()):
        entries.append((None, "order only"))
    return entries


def _legend_width(entries: Iterable[tuple[AttemptState | None, str]]) -> float:
    return sum(_legend_step(text) for _, text in entries)


def _legend_step(text: str) -> float:
    return 40 + 12 * text_width(text)


def _legend_svg(entries: Iterable[tuple[AttemptState | None, str]], y: float) -> str:
    x, drawn = _MARGIN, ""
    for state, text in entries:
        if state is None:
            drawn += f'<g class="ppacer-edge ppacer-order"><path d="M{_n(x)} {_n(y)}h18"/></g>'
        else:
            drawn += f'<g class="{state_class(state)}">{_icon(state, x + 6, y)}</g>'
        start = x + (26 if state is None else 19)
        drawn += f'<text class="ppacer-note" x="{_n(start)}" y="{_n(y + 4)}">{escape(text)}</text>'
        x += _legend_step(text)
    return drawn


def _tooltip(node: GraphNode) -> str:
    about = f"{node.kind}, {look(node.state).word}" if node.state else node.kind
    name = node.label if node.id == node.label else f"{node.label}\n{node.id}"
    return "\n".join(lines_of(part) for part in (name, about, node.detail) if part)


def _names(ids: tuple[str, ...], nodes: Nodes) -> str:
    shown = [one_line(nodes[task_id].label) for task_id in ids]
    if len(shown) <= _NAMED_IN_TOOLTIP:
        return ", ".join(shown)
    return f"{shown[0]}, {shown[1]} ... {shown[-1]} ({len(shown):,} tasks)"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


_ORDER = {state: place for place, state in enumerate(AttemptState)}
_KINDS = {  # drawn around (0, 0) in a tile of 26: ƒ, a page with lines, $ as a prompt
    "function": "M3.8-6.2C1.6-7.4.6-6 .2-3.6L-1.2 3.8C-1.6 6-2.6 7-4.4 6M-3-1.6H3",
    "notebook": "M-5-6.5H5V6.5H-5ZM-2.2-3H2.2M-2.2 0H2.2M-2.2 3H.6",
    "bash": "M3.4-3.2C2.6-5.2-3-5.4-3.2-2.6-3.2.4 3.4-.8 3.4 2.4 3.2 5.4-2.8 5.2-3.6 2.8M0-6.8V6.8",
}
_CSS = (
    ".ppacer-graph{font-family:var(--ppacer-font);color-scheme:light dark}"
    ".ppacer-canvas{fill:var(--ppacer-bg)}"
    ".ppacer-title{font-size:15px;font-weight:600;fill:var(--ppacer-ink)}"
    ".ppacer-note{font-size:12px;font-weight:400;fill:var(--ppacer-muted)}"
    ".ppacer-label{font-size:13px;fill:var(--ppacer-ink)}"
    ".ppacer-small .ppacer-label{font-size:11px}"
    ".ppacer-box{fill:var(--ppacer-bg);stroke:var(--ppacer-line);stroke-width:1.2}"
    ".ppacer-tile{fill:var(--ppacer-raised)}"
    ".ppacer-kind{fill:none;stroke:var(--ppacer-muted);stroke-width:1.5;stroke-linecap:round;"
    "stroke-linejoin:round}"
    ".ppacer-node[class*=ppacer-state] .ppacer-box{stroke:var(--ppacer-state);stroke-opacity:.55}"
    ".ppacer-node[class*=ppacer-state] .ppacer-tile{fill:var(--ppacer-state);fill-opacity:.13}"
    ".ppacer-node[class*=ppacer-state] .ppacer-kind{stroke:var(--ppacer-state)}"
    ".ppacer-state-skipped .ppacer-box,.ppacer-state-upstream_failed .ppacer-box{stroke-dasharray:4 3}"
    ".ppacer-node:hover .ppacer-box{stroke:var(--ppacer-state,var(--ppacer-muted));stroke-opacity:1}"
    ".ppacer-block>rect{fill:var(--ppacer-raised);fill-opacity:.45;stroke:var(--ppacer-line)}"
    ".ppacer-edge path{fill:none;stroke:var(--ppacer-edge);stroke-width:1.4}"
    ".ppacer-edge .ppacer-arrow{fill:var(--ppacer-edge);stroke:none}"
    ".ppacer-bundle path{stroke-width:2.4}"
    ".ppacer-order path:not(.ppacer-arrow){stroke-dasharray:5 4}"
    ".ppacer-edge:hover{--ppacer-edge:var(--ppacer-ink)}"
    "@media (prefers-reduced-motion:no-preference){.ppacer-icon-running circle{"
    "animation:ppacer-pulse 1.6s ease-in-out infinite}"
    "@keyframes ppacer-pulse{50%{opacity:.55}}}"
)
