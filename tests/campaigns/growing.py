"""Whether something grows with the runs that it has behind it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, Protocol, TypeVar

#: The first samples, by their share of all: caches fill, workers are started.
WARM_UP = 0.4


class Look(Protocol):
    """One look at what may grow."""

    @property
    def runs(self) -> int:
        """How many runs have ended."""
        ...


S = TypeVar("S", bound=Look)


@dataclass(frozen=True)
class Limit(Generic[S]):
    """How much something may grow, after the warm-up."""

    name: str
    of: Callable[[S], float]
    unit: str
    swing: float  #: what it goes up and down by without growing
    most: float  #: what is more than that, for a thousand runs

    def growth(self, samples: Sequence[S]) -> tuple[float, float]:
        """Return by how much it grew after the warm-up, and by how much it might have."""
        settled = samples[int(len(samples) * WARM_UP) :]
        thousands = (settled[-1].runs - settled[0].runs) / 1000
        for_each = slope([(sample.runs / 1000, self.of(sample)) for sample in settled])
        return for_each * thousands, self.swing + self.most * thousands


def growing(limits: Sequence[Limit[S]], samples: Sequence[S]) -> list[str]:
    """Return a sentence for everything that grows more than it may."""
    return [
        f"{limit.name} has grown by {grown:.1f} {limit.unit}, and may by {most:.1f}"
        for limit in limits
        for grown, most in [limit.growth(samples)]
        if grown > most
    ]


def growth_rows(limits: Sequence[Limit[S]], samples: Sequence[S]) -> list[tuple[str, ...]]:
    """Return what grew by how much, and might have, as the rows of a table."""
    return [(x.name, *(f"{size:.1f} {x.unit}" for size in x.growth(samples))) for x in limits]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much the second grows with each one of the first: the median over all pairs (Theil-Sen).

    A few samples that were taken in a bad moment do not bend it.
    """
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return statistics.median(slopes)
