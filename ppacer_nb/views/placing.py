"""How high each box stands in its column: near its neighbours, level with them if it can, not overlapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from ppacer_nb.views.layering import Layers, neighbours

# A sweep moves every vertex once. 24 settle what people define; with thousands of vertices and bends there
# are fewer, so that placing costs about 0.1 s.
_MOST_SWEEPS, _FEWEST_SWEEPS, _VISITS = 24, 3, 40_000
_LEVELLINGS = 8

Run = tuple[int, ...]


def centres(part: Layers, heights: Mapping[int, float], gap: float) -> dict[int, float]:
    """Return the middle of each vertex and bend of `part`, in pixels below its top."""
    placing = _Placing(part, heights, gap)
    for sweep in range(max(_FEWEST_SWEEPS, min(_MOST_SWEEPS, _VISITS // len(heights)))):
        placing.pull_together(backwards=sweep % 2 == 1)
    for _ in range(_LEVELLINGS):
        placing.level_out()
    placing.snap(gap / 3)
    whole = {vertex: round(y) for vertex, y in placing.middle.items()}
    top = min(y - heights[vertex] / 2 for vertex, y in whole.items())
    return {vertex: y - top for vertex, y in whole.items()}


class _Placing:
    def __init__(self, part: Layers, heights: Mapping[int, float], gap: float) -> None:
        self._heights = heights
        self._before, self._after = neighbours(part.routes)
        self._bends = {bend for route in part.routes.values() for bend in route[1:-1]}
        self._runs = self._find_runs(part)
        self._run_of = {vertex: number for number, run in enumerate(self._runs) for vertex in run}
        self._columns = [(column, _offsets(column, heights, gap)) for column in part.columns]
        self.middle = {
            vertex: offset - offsets[-1] / 2
            for column, offsets in self._columns
            for vertex, offset in zip(column, offsets, strict=True)
        }

    def pull_together(self, *, backwards: bool) -> None:
        """Move each vertex towards the mean of the neighbours of its run, column by column."""
        for column, offsets in reversed(self._columns) if backwards else self._columns:
            wanted, weights = [], []
            for vertex in column:
                beside = self._beside(self._runs[self._run_of[vertex]])
                wanted.append(self._mean_of(beside or [vertex]))
                # Each edge pulls as hard at one end as at the other, or the picture would drift apart.
                weights.append(self._heights[vertex] * (sum(map(self._heights.__getitem__, beside)) or 1.0))
            self._move(column, offsets, wanted, weights)

    def level_out(self) -> None:
        """Bring each run to one level; the longer it is, the more the others give way."""
        levels = [self._level(run) for run in self._runs]
        for column, offsets in self._columns:
            runs = [self._run_of[vertex] for vertex in column]
            weights = [float(len(self._runs[run]) ** 2) for run in runs]
            self._move(column, offsets, [levels[run] for run in runs], weights)

    def snap(self, tolerance: float) -> None:
        """Where a long edge all but leaves or arrives on a level with its box, let it do so exactly.

        Boxes keep their distance from it, less `tolerance`.
        """
        for run in self._runs:
            level = self._level(run)
            if self._bends.issuperset(run) and all(abs(self.middle[v] - level) <= tolerance for v in run):
                self.middle.update(dict.fromkeys(run, level))

    def _level(self, run: Run) -> float:
        own = self._mean_of(run)
        if not self._bends.issuperset(run):
            return own
        # A long edge turns once rather than twice: it leaves or arrives on a level with its box.
        return min((self.middle[end] for end in self._beside(run)), key=lambda y: abs(y - own))

    def _mean_of(self, vertices: Sequence[int]) -> float:
        """Return the mean of where `vertices` are, by their size: a box or block counts more than a bend."""
        total = weighted = 0.0
        for vertex in vertices:
            total += self._heights[vertex]
            weighted += self._heights[vertex] * self.middle[vertex]
        return weighted / total

    def _beside(self, run: Run) -> list[int]:
        return self._before[run[0]] + self._after[run[-1]]

    def _move(
        self, column: Run, offsets: Sequence[float], wanted: Sequence[float], weights: Sequence[float]
    ) -> None:
        self.middle.update(zip(column, _nearest(wanted, weights, offsets), strict=True))

    def _find_runs(self, part: Layers) -> list[Run]:
        """Vertices joined one to one, which look best on one level. Every vertex is in one run."""
        runs: list[Run] = []
        found: set[int] = set()
        for column in part.columns:
            for vertex in column:
                if vertex not in found:
                    run = [vertex]
                    while (onward := self._only_onward(run[-1])) is not None:
                        run.append(onward)
                    runs.append(tuple(run))
                    found.update(run)
        return runs

    def _only_onward(self, vertex: int) -> int | None:
        after = self._after[vertex]
        return after[0] if len(after) == 1 and len(self._before[after[0]]) == 1 else None


def _offsets(column: Run, heights: Mapping[int, float], gap: float) -> list[float]:
    """How far below the first middle of a column the others are when nothing is between them but the gap."""
    offsets = [0.0]
    for upper, lower in pairwise(column):
        offsets.append(offsets[-1] + (heights[upper] + heights[lower]) / 2 + gap)
    return offsets


def _nearest(wanted: Sequence[float], weights: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones (weighted least squares) that keep order and distances.

    With the distances subtracted this is isotonic regression, which pooling adjacent violators solves.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, members = want - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            other, other_total, other_members = pools.pop()
            mean = (mean * total + other * other_total) / (total + other_total)
            total, members = total + other_total, members + other_members
        pools.append((mean, total, members))
    levels = [mean for mean, _, members in pools for _ in range(members)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]
