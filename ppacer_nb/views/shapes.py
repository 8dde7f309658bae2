"""How large the boxes and blocks of a picture are, and what is inside a block."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ppacer_nb.views.grouping import Links, Unit
from ppacer_nb.views.markup import middle_ellipsis, one_line

Point = tuple[float, float]
Nodes = Sequence[tuple[str, str]]  #: (id, label)

BLOCK_HEADER = 34.0  #: height of a block's headline

_LABEL_LIMIT = 26  # characters
_BLOCK_PADDING = 12.0
_BLOCK_WIDTH = 900.0  # a block grows down past this: people scroll down rather than sideways
_CHAIN_GAP = 26.0  # between the tasks of one chain in a block
_CELL_GAP = 6.0


@dataclass(frozen=True)
class Box:
    """One task."""

    id: str
    text: str  #: its label, cut to fit
    x: float
    y: float
    width: float
    height: float
    small: bool


@dataclass(frozen=True)
class Block:
    """A frame around tasks that stand in the same place of the DAG."""

    ids: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class EdgePath:
    """One line from left to right: every downstream task of it waits for every upstream task."""

    upstreams: tuple[str, ...]
    downstreams: tuple[str, ...]
    carries_data: bool
    points: tuple[Point, ...]  #: to be joined by straight lines where level, by curves elsewhere


@dataclass(frozen=True)
class Style:
    """The measures of a box, in pixels."""

    font: float
    height: float
    gap: float  #: to the box below
    before: float  #: room for the kind's glyph
    behind: float  #: room for the state's icon
    small: bool

    def box(self, task_id: str, label: str) -> Box:
        """Return a box at (0, 0), wide enough for its text."""
        text = middle_ellipsis(one_line(label), _LABEL_LIMIT)
        width = round(self.before + self.behind + self.font * text_width(text))
        return Box(task_id, text, 0.0, 0.0, width, self.height, self.small)


NORMAL = Style(font=13, height=40, gap=16, before=42, behind=33, small=False)
SMALL = Style(font=11, height=24, gap=8, before=27, behind=22, small=True)


@dataclass(frozen=True)
class Shape:
    """A unit before it is placed: its size, and what is inside, from its own corner."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    paths: tuple[EdgePath, ...]
    heads: tuple[str, ...]  #: where edges to it end
    tails: tuple[str, ...]  #: where edges from it start
    is_block: bool

    def widened(self, width: float) -> Shape:
        """Return the shape of a single task, its box as wide as `width`."""
        return replace(self, width=width, boxes=tuple(replace(box, width=width) for box in self.boxes))


def shape(unit: Unit, nodes: Nodes, links: Links, style: Style) -> Shape:
    """Return the shape of `unit`; `links` say which arrows inside a block carry data."""
    if unit.is_block:
        return _block(unit, nodes, links)
    task_id, label = nodes[unit.tasks[0]]
    box = style.box(task_id, label)
    return Shape(box.width, box.height, (box,), (), (task_id,), (task_id,), is_block=False)


def text_width(text: str) -> float:
    """Return about how wide `text` is in a sans-serif font, in units of the font size; rather too wide."""
    return sum(_character_width(character) for character in text)


def _block(unit: Unit, nodes: Nodes, links: Links) -> Shape:
    rows = [[SMALL.box(*nodes[task]) for task in chain] for chain in unit.chains]
    widths = [max(row[place].width for row in rows) for place in range(len(rows[0]))]
    lane_gap = _CELL_GAP if len(widths) == 1 else _CHAIN_GAP
    cell_width = sum(widths) + _CHAIN_GAP * (len(widths) - 1) + lane_gap
    cell_height = SMALL.height + _CELL_GAP
    across = _columns(len(rows), cell_width, cell_height)
    boxes: list[Box] = []
    paths: list[EdgePath] = []
    for number, (chain, row) in enumerate(zip(unit.chains, rows, strict=True)):
        x = _BLOCK_PADDING + number % across * cell_width
        y = BLOCK_HEADER + number // across * cell_height
        placed = []
        for box, width in zip(row, widths, strict=True):
            placed.append(replace(box, x=x, y=y, width=width))
            x += width + _CHAIN_GAP
        boxes += placed
        paths += [
            EdgePath((left.id,), (right.id,), links[pair], (_right_end(left), _left_end(right)))
            for (left, right), pair in zip(pairwise(placed), pairwise(chain), strict=True)
        ]
    down = -(-len(rows) // across)
    width = 2 * _BLOCK_PADDING + across * cell_width - lane_gap
    height = BLOCK_HEADER + down * cell_height - _CELL_GAP + _BLOCK_PADDING
    heads = tuple(row[0].id for row in rows)
    tails = tuple(row[-1].id for row in rows)
    return Shape(width, height, tuple(boxes), tuple(paths), heads, tails, is_block=True)


def _columns(cells: int, width: float, height: float) -> int:
    """How many cells stand side by side: as near to a square as `_BLOCK_WIDTH` allows, the last row full."""
    square = math.sqrt(cells * height / width)
    fit = max(1, min(round(square), int(_BLOCK_WIDTH // width), cells))
    down = -(-cells // fit)
    return -(-cells // down)


def _left_end(box: Box) -> Point:
    return box.x, box.y + box.height / 2


def _right_end(box: Box) -> Point:
    return box.x + box.width, box.y + box.height / 2


def _character_width(character: str) -> float:
    if character in "iljtfrI.,:;'|!()[]/ ":
        return 0.36
    if character in "mwMW@%…—":
        return 0.92
    if unicodedata.east_asian_width(character) in "WF":
        return 1.02
    return 0.70 if character.isupper() else 0.58
