"""Which column each box stands in, and in which order: the hard half of drawing a DAG, by fast-sugiyama."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

from fast_sugiyama import from_edges

Pair = tuple[int, int]
Routes = dict[Pair, tuple[int, ...]]

# fast-sugiyama's crossing minimisation has no bound: 4,000 random edges between 1,000 tasks took it 4 s.
# Edges are counted with the columns they cross; past this, a few sweeps of our own order the columns.
_EFFORT = 3_000
_SWEEPS = 4


@dataclass(frozen=True)
class Layers:
    """Columns from left to right, each from top to bottom.

    Numbers that are not in the input are bends: points in a column that a long edge passes through.
    """

    columns: tuple[tuple[int, ...], ...]
    routes: Routes  #: for each edge what it passes through, one in each column, both ends included


def layers(count: int, edges: Iterable[Pair]) -> list[Layers]:
    """Return the layers of each connected part of the graph on ``0 .. count-1``, in a stable order."""
    pairs = sorted(set(edges))
    ranks = _longest_paths(pairs)
    if sum(ranks[downstream] - ranks[upstream] for upstream, downstream in pairs) > _EFFORT:
        parts = [_quick(count, pairs, ranks)]
    else:
        parts = [_careful(count, part) for part in _connected(pairs)]
    parts += [Layers(((vertex,),), {}) for vertex in range(count) if vertex not in ranks]
    return sorted(
        (_in_order_of_definition(part, count) for part in parts), key=lambda part: min(part.columns[0])
    )


def _careful(count: int, pairs: list[Pair]) -> Layers:
    # Numbered from 0 without gaps: fast-sugiyama numbers the bends itself, and given several parts, or gaps,
    # it may use a number twice. As integers, because it goes through a set: that of strings is in another
    # order in each process.
    joined = sorted({vertex for pair in pairs for vertex in pair})
    dense = {vertex: number for number, vertex in enumerate(joined)}
    [(positions, _, _, steps)] = from_edges(
        [(dense[upstream], dense[downstream]) for upstream, downstream in pairs],
        vertex_spacing=1,
        dummy_vertices=True,
        dummy_size=0.5,
        check_layout=False,
    )
    ours = {int(v): joined[int(v)] if int(v) < len(joined) else count + int(v) for v, _ in positions}
    columns: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for vertex, (across, up) in positions:
        columns[-round(up)].append((across, ours[int(vertex)]))
    ordered = tuple(tuple(vertex for _, vertex in sorted(columns[up])) for up in sorted(columns))
    return Layers(ordered, _routes(count, [(ours[int(u)], ours[int(d)]) for u, d in steps or ()]))


def _connected(pairs: list[Pair]) -> list[list[Pair]]:
    """Split edges into those of each connected part."""
    beside: dict[int, list[int]] = defaultdict(list)
    for upstream, downstream in pairs:
        beside[upstream].append(downstream)
        beside[downstream].append(upstream)
    part_of: dict[int, int] = {}
    for start in beside:
        reached = [start]
        while reached:
            vertex = reached.pop()
            if vertex not in part_of:
                part_of[vertex] = part_of.get(start, start)
                reached += beside[vertex]
    parts: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        parts[part_of[pair[0]]].append(pair)
    return list(parts.values())


def _routes(count: int, steps: list[Pair]) -> Routes:
    """Join the steps from column to column to whole edges."""
    after_bend = {upstream: downstream for upstream, downstream in steps if upstream >= count}
    routes = {}
    for upstream, downstream in steps:
        if upstream < count:
            route = [upstream, downstream]
            while route[-1] >= count:
                route.append(after_bend[route[-1]])
            routes[upstream, route[-1]] = tuple(route)
    return routes


def _quick(count: int, pairs: list[Pair], ranks: dict[int, int]) -> Layers:
    columns: list[list[int]] = [[] for _ in range(max(ranks.values()) + 1)]
    for vertex in sorted(ranks):
        columns[ranks[vertex]].append(vertex)
    routes, next_bend = {}, count
    for upstream, downstream in pairs:
        crossed = range(ranks[upstream] + 1, ranks[downstream])
        bends = range(next_bend, next_bend + len(crossed))
        next_bend = bends.stop
        for rank, bend in zip(crossed, bends, strict=True):
            columns[rank].append(bend)
        routes[upstream, downstream] = (upstream, *bends, downstream)
    return Layers(_untangled(columns, routes), routes)


def _untangled(columns: list[list[int]], routes: Routes) -> tuple[tuple[int, ...], ...]:
    """Order each column by the mean place of its neighbours in the column before, then in the one after."""
    before, after = neighbours(routes)
    for sweep in range(_SWEEPS):
        beside, order = (after, reversed(columns)) if sweep % 2 else (before, iter(columns))
        place: dict[int, float] = {}
        for column in order:
            means = {vertex: _mean([place[other] for other in beside[vertex]]) for vertex in column}
            column.sort(key=lambda vertex: means[vertex])
            place |= {vertex: number / len(column) for number, vertex in enumerate(column)}
    return tuple(tuple(column) for column in columns)


def neighbours(routes: Routes) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return what each vertex and bend is joined to in the column before, and in the column after."""
    before: dict[int, list[int]] = defaultdict(list)
    after: dict[int, list[int]] = defaultdict(list)
    for route in routes.values():
        for upstream, downstream in pairwise(route):
            after[upstream].append(downstream)
            before[downstream].append(upstream)
    return before, after


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _longest_paths(pairs: list[Pair]) -> dict[int, int]:
    sorter: TopologicalSorter[int] = TopologicalSorter()
    before: dict[int, list[int]] = defaultdict(list)
    for upstream, downstream in pairs:
        sorter.add(downstream, upstream)
        before[downstream].append(upstream)
    ranks: dict[int, int] = {}
    for vertex in sorter.static_order():
        ranks[vertex] = max((ranks[other] + 1 for other in before[vertex]), default=0)
    return ranks


def _in_order_of_definition(part: Layers, count: int) -> Layers:
    """Turn the picture over, and exchange boxes with the same neighbours, where that costs no crossing.

    Which of two mirror images is drawn is chance to the layout, but not to the reader, who wrote the tasks
    in an order.
    """
    columns = [list(column) for column in part.columns]
    pairs = [pair for column in columns for pair in pairwise(vertex for vertex in column if vertex < count)]
    if sum(1 if first < second else -1 for first, second in pairs) < 0:
        columns = [column[::-1] for column in columns]
    before, after = neighbours(part.routes)
    for column in columns:
        alike: dict[tuple[frozenset[int], frozenset[int]], list[int]] = defaultdict(list)
        for place, vertex in enumerate(column):
            alike[frozenset(before[vertex]), frozenset(after[vertex])].append(place)
        for places in alike.values():
            for place, vertex in zip(places, sorted(column[place] for place in places), strict=True):
                column[place] = vertex
    return Layers(tuple(tuple(column) for column in columns), part.routes)
