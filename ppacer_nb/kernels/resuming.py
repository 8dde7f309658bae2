"""Going on with a notebook that has failed: what of it still holds, and what has to run. Pure functions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from nbformat import NotebookNode

_PARAMETERS_TAG = "injected-parameters"  # papermill's
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a mended notebook relates to the one that failed."""

    kept: Mapping[int, int]  #: places, from 0, of cells that need not run, each with that in the failed one
    kept_numbers: tuple[int, ...]  #: which of the code cells these are, from 1
    run_numbers: tuple[int, ...]  #: the other code cells
    diff: str  #: what was changed, as a unified diff of the cells; "" where nothing was
    has_other_parameters: bool  #: than those with which the kept cells have run

    @property
    def summary(self) -> str:
        """What is kept and what runs, in a sentence."""
        changed = "the notebook was changed since" if self.diff else "nothing was changed since"
        return f"kept {_cells(self.kept_numbers)}, runs {_cells(self.run_numbers)}; {changed}"


def compare(failed: NotebookNode, failed_place: int, mended: NotebookNode) -> Resumption:
    """Tell what of `mended` need not run, `failed` having been run up to its cell at `failed_place`.

    Those are the cells before that one that are the same in both. All others are to run, in their order: the
    failed one, what comes after it, and also a cell before it that was changed or added.
    """
    old, new = list(map(_content, failed.cells)), list(map(_content, mended.cells))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {b.b + i: b.a + i for b in blocks for i in range(b.size) if b.a + i < failed_place}
    code = [i for i, c in enumerate(mended.cells) if c.cell_type == "code" and c.source.strip()]
    return Resumption(
        kept,
        tuple(number for number, place in enumerate(code, 1) if place in kept),
        tuple(number for number, place in enumerate(code, 1) if place not in kept),
        _diff(failed, mended),
        _parameters(failed) != _parameters(mended),
    )


def keep_outputs(failed: NotebookNode, resumption: Resumption, mended: NotebookNode) -> None:
    """Give the kept cells of `mended` what they have put out."""
    for place, place_before in resumption.kept.items():
        if mended.cells[place].cell_type == "code":
            mended.cells[place] = failed.cells[place_before]


def resumed_banner(attempt: int, resumption: Resumption) -> str:
    """Say, in Markdown for the top of the executed notebook, what was run again and what was changed."""
    text = f"> **This attempt went on from attempt {attempt}:** {resumption.summary}."
    if not resumption.diff:
        return text
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(resumption.diff)), default=0))
    return f"{text}\n\n{fence}diff\n{resumption.diff}\n{fence}"


def _content(cell: NotebookNode) -> tuple[str, str]:
    return cell.cell_type, cell.source


def _parameters(notebook: NotebookNode) -> list[str]:
    return [c.source for c in notebook.cells if _PARAMETERS_TAG in c.metadata.get("tags", [])]


def _diff(failed: NotebookNode, mended: NotebookNode) -> str:
    lines = difflib.unified_diff(_lines(failed), _lines(mended), "failed", "resumed", lineterm="", n=2)
    return "\n".join(lines)


def _lines(notebook: NotebookNode) -> list[str]:
    return [line for cell in notebook.cells for line in ("", *cell.source.splitlines())]


def _cells(numbers: Iterable[int]) -> str:
    """Return ``[1, 2, 3, 5]`` as ``cells 1-3, 5``."""
    runs = []
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        runs.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}")
    if not runs:
        return "no cells"
    return f"cell{'s' if len(runs) > 1 or '-' in runs[0] else ''} {', '.join(runs)}"
