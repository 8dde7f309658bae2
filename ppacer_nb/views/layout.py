"""Where everything in the picture of a DAG stands: boxes in columns from left to right, edges between them.

Coordinates are in pixels and y grows downwards. Only ids, labels and edges matter: a layout is kept, and used
again while the same graph changes its colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise

from ppacer_nb.views.graph import Graph
from ppacer_nb.views.grouping import Links, group, unit_links
from ppacer_nb.views.layering import Layers, layers
from ppacer_nb.views.placing import centres
from ppacer_nb.views.shapes import NORMAL, SMALL, Block, Box, EdgePath, Point, Shape, Style, shape

_CROWDED = 24  # boxes in one column before all boxes become small
_BEND_HEIGHT = 8.0  # what an edge takes of a column that it passes through
_PART_GAP = 24.0
_NARROWEST_GAP, _WIDEST_GAP, _GAP_PER_RISE = 40.0, 180.0, 0.12  # between columns


@dataclass(frozen=True)
class GraphLayout:
    """A picture of `width` x `height`, with its corner at (0, 0)."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    blocks: tuple[Block, ...]
    paths: tuple[EdgePath, ...]


def layout(graph: Graph) -> GraphLayout:
    """Return the layout of `graph`; the same ids, labels and edges get the same one, in every process.

    Tasks that stand in the same place of the DAG (a wide fan-out, say) are gathered in a `Block`, and one
    `EdgePath` stands for the edges of all of them. A column of many boxes gets small ones.
    """
    nodes = tuple((node.id, node.label) for node in graph.nodes)
    return _layout(nodes, tuple(graph.links().items()))


@lru_cache(maxsize=64)
def _layout(
    nodes: tuple[tuple[str, str], ...], links: tuple[tuple[tuple[str, str], bool], ...]
) -> GraphLayout:
    number = {node_id: place for place, (node_id, _) in enumerate(nodes)}
    numbered = {(number[upstream], number[downstream]): data for (upstream, downstream), data in links}
    units = group(len(nodes), numbered)
    joins = unit_links(units, numbered)
    parts = layers(len(units), joins)
    style = _style(parts, len(units))
    shapes = [shape(unit, nodes, numbered, style) for unit in units]
    return _below_each_other([_placed(part, shapes, joins, style.gap) for part in parts], style.gap)


def _style(parts: Sequence[Layers], units: int) -> Style:
    tallest = max(
        (sum(vertex < units for vertex in column) for part in parts for column in part.columns), default=0
    )
    return SMALL if max(tallest, len(parts)) > _CROWDED else NORMAL


def _placed(part: Layers, shapes: Sequence[Shape], joins: Links, gap: float) -> GraphLayout:
    own = _evened(part, shapes)
    heights = {
        vertex: own[vertex].height if vertex in own else _BEND_HEIGHT
        for column in part.columns
        for vertex in column
    }
    middle = centres(part, heights, gap)
    spans = _spans(part, own, middle)
    span_of = {vertex: span for column, span in zip(part.columns, spans, strict=True) for vertex in column}
    corners = {unit: (span_of[unit][0], middle[unit] - heights[unit] / 2) for unit in own}

    blocks = [
        Block(tuple(box.id for box in found.boxes), *corners[unit], found.width, found.height)
        for unit, found in own.items()
        if found.is_block
    ]
    paths = [
        EdgePath(own[start].tails, own[end].heads, joins[start, end], _points(route, own, middle, span_of))
        for (start, end), route in part.routes.items()
    ]
    return GraphLayout(
        width=spans[-1][1],
        height=max(middle[vertex] + heights[vertex] / 2 for vertex in middle),
        boxes=tuple(_box_at(box, *corners[unit]) for unit, found in own.items() for box in found.boxes),
        blocks=tuple(blocks),
        paths=(
            *paths,
            *(_path_at(path, *corners[unit]) for unit, found in own.items() for path in found.paths),
        ),
    )


def _evened(part: Layers, shapes: Sequence[Shape]) -> dict[int, Shape]:
    """Give the single boxes of each column one width."""
    own: dict[int, Shape] = {}
    for column in part.columns:
        units = [vertex for vertex in column if vertex < len(shapes)]
        widest = max((shapes[unit].width for unit in units if not shapes[unit].is_block), default=0.0)
        own |= {
            unit: shapes[unit] if shapes[unit].is_block else shapes[unit].widened(widest) for unit in units
        }
    return own


def _spans(part: Layers, own: Mapping[int, Shape], middle: Mapping[int, float]) -> list[tuple[float, float]]:
    """Return from where to where each column reaches; steep edges get more room between columns."""
    widths = [
        max((own[vertex].width for vertex in column if vertex in own), default=0.0) for column in part.columns
    ]
    column_of = {vertex: number for number, column in enumerate(part.columns) for vertex in column}
    steepest = [0.0] * len(part.columns)
    for route in part.routes.values():
        for start, end in pairwise(route):
            number = column_of[start]
            steepest[number] = max(steepest[number], abs(middle[start] - middle[end]))
    gaps = [min(_WIDEST_GAP, _NARROWEST_GAP + rise * _GAP_PER_RISE) for rise in steepest]
    lefts = accumulate((round(width + gap) for width, gap in zip(widths, gaps, strict=True)), initial=0)
    return [(float(left), left + width) for left, width in zip(lefts, widths, strict=False)]


def _points(
    route: Sequence[int],
    own: Mapping[int, Shape],
    middle: Mapping[int, float],
    span_of: Mapping[int, tuple[float, float]],
) -> tuple[Point, ...]:
    """Return where an edge goes: level through columns, out of its first box and into its last one."""
    start, *bends, end = route
    left, right = span_of[start]
    points = [(left + own[start].width, middle[start])]
    if right > points[0][0]:
        points.append((right, middle[start]))
    for bend in bends:
        points += [(span_of[bend][0], middle[bend]), (span_of[bend][1], middle[bend])]
    return (*points, (span_of[end][0], middle[end]))


def _below_each_other(parts: Sequence[GraphLayout], gap: float) -> GraphLayout:
    """Put unconnected parts in one picture; lone boxes stand as close as boxes of one column do."""
    y, boxes, blocks, paths = 0.0, [], [], []
    for number, part in enumerate(parts):
        if number:
            y += gap if len(part.boxes) == len(parts[number - 1].boxes) == 1 else _PART_GAP
        boxes += [_box_at(box, 0, y) for box in part.boxes]
        blocks += [replace(block, y=block.y + y) for block in part.blocks]
        paths += [_path_at(path, 0, y) for path in part.paths]
        y += part.height
    width = max((part.width for part in parts), default=0.0)
    return GraphLayout(width, y, tuple(boxes), tuple(blocks), tuple(paths))


def _box_at(box: Box, x: float, y: float) -> Box:
    return replace(box, x=box.x + x, y=box.y + y)


def _path_at(path: EdgePath, x: float, y: float) -> EdgePath:
    return replace(path, points=tuple((px + x, py + y) for px, py in path.points))
