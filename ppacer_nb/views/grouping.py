"""Tasks that a picture can show as one block, because they stand in the same place of the DAG.

A fan-out over 300 inputs is 300 short chains with the same tasks before and after them. Drawn one below
another with an arrow each they fill ten screens; drawn as a block with one arrow in and one out they fill
one, and the arrow says exactly the same: every chain of the block waits for what the arrow comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

BLOCK_FROM = 10  #: alike chains before they are drawn as a block; fewer read better as separate boxes

Links = Mapping[tuple[int, int], bool]  #: (upstream, downstream) -> carries data
_Side = frozenset[tuple[int, bool]]


@dataclass(frozen=True)
class Unit:
    """What is placed as one: a task, or a block of alike chains."""

    chains: tuple[tuple[int, ...], ...]

    @property
    def is_block(self) -> bool:
        """Whether it is drawn as a block."""
        return len(self.chains) > 1

    @property
    def tasks(self) -> tuple[int, ...]:
        """All its tasks, chain by chain."""
        return tuple(task for chain in self.chains for task in chain)


def group(count: int, links: Links) -> list[Unit]:
    """Return the tasks ``0 .. count-1``, each in exactly one unit, in the order of their first tasks."""
    before: dict[int, set[tuple[int, bool]]] = defaultdict(set)
    after: dict[int, set[tuple[int, bool]]] = defaultdict(set)
    for (upstream, downstream), data in links.items():
        after[upstream].add((downstream, data))
        before[downstream].add((upstream, data))

    alike: dict[tuple[int, _Side, _Side], list[tuple[int, ...]]] = defaultdict(list)
    for chain in _chains(count, links):
        key = (len(chain), frozenset(before[chain[0]]), frozenset(after[chain[-1]]))
        alike[key].append(chain)

    units = []
    for chains in alike.values():
        if len(chains) >= BLOCK_FROM:
            units.append(Unit(tuple(chains)))
        else:
            units += [Unit(((task,),)) for chain in chains for task in chain]
    return sorted(units, key=lambda unit: min(unit.tasks))


def unit_links(units: list[Unit], links: Links) -> dict[tuple[int, int], bool]:
    """Return the links between different units, by their places in `units`."""
    home = {task: place for place, unit in enumerate(units) for task in unit.tasks}
    return {
        (home[upstream], home[downstream]): data
        for (upstream, downstream), data in links.items()
        if home[upstream] != home[downstream]
    }


def _chains(count: int, links: Links) -> list[tuple[int, ...]]:
    """Split the tasks into chains: a task goes on with the next where each is the other's only neighbour."""
    downstreams: dict[int, list[int]] = defaultdict(list)
    upstreams: dict[int, list[int]] = defaultdict(list)
    for upstream, downstream in links:
        downstreams[upstream].append(downstream)
        upstreams[downstream].append(upstream)

    onward = {
        task: found[0]
        for task, found in downstreams.items()
        if len(found) == 1 and len(upstreams[found[0]]) == 1
    }
    inner = set(onward.values())
    chains = []
    for start in range(count):
        if start not in inner:
            chain = [start]
            while chain[-1] in onward:
                chain.append(onward[chain[-1]])
            chains.append(tuple(chain))
    return chains
