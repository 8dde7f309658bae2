"""The cells of a notebook as one text, and what changed between two notebooks, cell by cell. Pure."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Change = Literal["added", "removed", "changed"]

_HEAD = "# %%\n"
_LIKE_A_HEAD = re.compile(r"(?m)^(# %%+)$")  # in a cell, where it gets one "%" more
_ONE_MORE = re.compile(r"(?m)^(# %%+)%$")
_WORDS = re.compile(r"\w+|[^\w\s]")
#: Two cells are the same one, changed, if they have at least this part of their words in common.
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class CellDiff:
    """A code cell that is not the same in both notebooks."""

    change: Change
    old: int | None  #: its number in the old notebook, from 1; None if that does not have it
    new: int | None  #: likewise in the new one
    before: str  #: its code in the old notebook, "" if that does not have it
    after: str

    @property
    def title(self) -> str:
        """Which cell it is, in words."""
        if self.change == "removed":
            return f"cell {self.old}, removed"
        if self.change == "added":
            return f"cell {self.new}, added"
        return f"cell {self.new}" + (f", was cell {self.old}" if self.old != self.new else "")


def join_cells(cells: Iterable[str]) -> str:
    """Return cells as one text, in which each comes after a line ``# %%``."""
    return "\n\n".join(_HEAD + _LIKE_A_HEAD.sub(r"\1%", cell) for cell in cells)


def split_cells(text: str) -> list[str]:
    """Return the cells of which `join_cells` made `text`."""
    return [_ONE_MORE.sub(r"\1", cell) for cell in text.removeprefix(_HEAD).split(f"\n\n{_HEAD}") if text]


def cell_diffs(old: Sequence[str], new: Sequence[str]) -> list[CellDiff]:
    """Return what is not the same, in the order of the cells."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [
        diff
        for kind, i, i_end, j, j_end in matcher.get_opcodes()
        if kind != "equal"
        for diff in _paired(old[i:i_end], new[j:j_end], i + 1, j + 1)
    ]


def _paired(old: Sequence[str], new: Sequence[str], old_number: int, new_number: int) -> Iterator[CellDiff]:
    """Yield the cells of two stretches that have none in common, each with the one that it has become."""
    i = j = 0
    for next_i, next_j in [*_pairs(old, new), (len(old), len(new))]:
        for gone in range(i, next_i):
            yield CellDiff("removed", old_number + gone, None, old[gone], "")
        for come in range(j, next_j):
            yield CellDiff("added", None, new_number + come, "", new[come])
        if next_i < len(old):
            numbers = (old_number + next_i, new_number + next_j)
            yield CellDiff("changed", *numbers, old[next_i], new[next_j])
        i, j = next_i + 1, next_j + 1


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of the cells that are alike, in order in both: as alike as can be altogether."""
    words = [[Counter(_WORDS.findall(cell)) for cell in cells] for cells in (old, new)]
    # best[i][j]: how alike the first i and the first j are when paired best.
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, before in enumerate(words[0], 1):
        for j, after in enumerate(words[1], 1):
            alike = _likeness(before, after)
            together = best[i - 1][j - 1] + alike if alike >= _ALIKE else 0.0
            best[i][j] = max(best[i - 1][j], best[i][j - 1], together)
    pairs, i, j = [], len(old), len(new)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _likeness(before: Counter[str], after: Counter[str]) -> float:
    common = (before & after).total()
    return 2 * common / (before.total() + after.total()) if common else 0.0
