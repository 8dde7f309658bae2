"""Tables as plain data, and what a command shows: the same thing as text and as HTML."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len, set_cell_size

from ppacer_nb.views.markup import escape, one_line, safe_link
from ppacer_nb.views.palette import State, icon_svg, look, state_class, theme_css

_GAP = "  "
_LEAST_COLUMN = 8  # cells; a column is not cut below this for the sake of the table's width
_BAR = 8


@dataclass(frozen=True)
class Column:
    """The head of a column, and on which side its cells stand."""

    title: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Cell:
    """One field: text, a badge where it has a state, a bar in the state's colour where it has progress."""

    text: str = ""
    state: State | None = None  #: its word is shown where `text` is empty
    tooltip: str = ""
    link: str = ""  #: http, https or relative; anything else is shown as text only
    progress: float | None = None  #: from 0 to 1; what lies outside counts as the nearer end


@dataclass(frozen=True)
class Table:
    """Rows as long as `columns`; `footer` says what is left out, or what to type next."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footer: str = ""


@dataclass(frozen=True, repr=False)
class Rendered:
    """What a magic returns: Jupyter shows the HTML, a terminal the text."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html}


def combine(*rendered: Rendered) -> Rendered:
    """Return all of `rendered` as one, below each other."""
    return Rendered("\n\n".join(part.text for part in rendered), "".join(part.html for part in rendered))


def render(table: Table) -> Rendered:
    """Return `table` as text and as HTML."""
    return Rendered(to_text(table), to_html(table))


def to_text(table: Table, width: int = 100) -> str:
    """Return aligned columns, at most `width` cells wide while no column would be cut below 8.

    The widest column is cut first, with an ellipsis; states are an icon and a word.
    """
    grid = [[one_line(column.title) for column in table.columns]]
    grid += [[_cell_text(cell) for cell in row] for row in table.rows]
    widths = _fitted([max(map(cell_len, column)) for column in zip(*grid, strict=True)], width)
    head, *rows = [_line(row, widths, table.columns) for row in grid]
    rule = _GAP.join("─" * cells for cells in widths)
    lines = [head, rule, *(rows or ["(none)"])]
    if table.title:
        lines.insert(0, one_line(table.title))
    if table.footer:
        lines.append(one_line(table.footer))
    return "\n".join(lines)


def to_html(table: Table) -> str:
    """Return a self-contained ``<div>`` with the table, which scrolls by itself when it is long."""
    head = "".join(
        f'<th class="ppacer-{column.align}" scope="col">{escape(column.title)}</th>'
        for column in table.columns
    )
    body = "".join(
        "<tr>"
        + "".join(_cell_html(cell, column) for cell, column in zip(row, table.columns, strict=True))
        + "</tr>"
        for row in table.rows
    )
    if not table.rows:
        body = f'<tr><td class="ppacer-none" colspan="{len(table.columns)}">none</td></tr>'
    caption = f'<div class="ppacer-caption">{escape(table.title)}</div>' if table.title else ""
    footer = f'<div class="ppacer-footer">{escape(table.footer)}</div>' if table.footer else ""
    return framed(
        f'{caption}<div class="ppacer-scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{footer}",
        css=_CSS,
    )


def framed(content: str, *, css: str) -> str:
    """Return `content` (markup) in an element that carries the colours of the page's theme."""
    return f'<div class="ppacer ppacer-output"><style>{theme_css()}{_FRAME_CSS}{css}</style>{content}</div>'


def badge(state: State, text: str = "") -> str:
    """Return `state` as icon and word (or `text`) in its colour, as HTML."""
    return (
        f'<span class="ppacer-badge {state_class(state)}">{icon_svg(state)}'
        f"{escape(text or look(state).word)}</span>"
    )


def _cell_text(cell: Cell) -> str:
    text = one_line(cell.text)
    if state := _badge_state(cell):
        text = f"{look(state).icon} {text or look(state).word}"
    if cell.progress is None:
        return text
    full = int(_share(cell.progress) * _BAR)
    return f"{text} {'█' * full}{'░' * (_BAR - full)}".strip()


def _badge_state(cell: Cell) -> State | None:
    """Beside a bar with a text a state is the bar's colour only; otherwise it is a badge."""
    return None if cell.progress is not None and cell.text else cell.state


def _fitted(widths: Sequence[int], limit: int) -> list[int]:
    """Cut the widest columns down to a common width, the largest with which all fit."""
    room = limit - len(_GAP) * (len(widths) - 1)
    fits = bisect_right(range(max(widths, default=0) + 1), room, key=lambda cap: _total(widths, cap)) - 1
    return [min(width, max(fits, _LEAST_COLUMN)) for width in widths]


def _total(widths: Sequence[int], cap: int) -> int:
    return sum(min(width, cap) for width in widths)


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    fields = []
    for text, cells, column in zip(row, widths, columns, strict=True):
        if cell_len(text) > cells:
            fields.append(set_cell_size(text, cells - 1) + "…")
        elif column.align == "right":
            fields.append(" " * (cells - cell_len(text)) + text)
        else:
            fields.append(set_cell_size(text, cells))
    return _GAP.join(fields).rstrip()


def _cell_html(cell: Cell, column: Column) -> str:
    content = escape(cell.text)
    if state := _badge_state(cell):
        content = badge(state, cell.text)
    if cell.progress is not None:
        content = _progress_html(cell) + content
    if cell.link and (target := safe_link(cell.link)):
        content = f'<a href="{target}" target="_blank" rel="noopener noreferrer">{content}</a>'
    tooltip = f' title="{escape(cell.tooltip)}"' if cell.tooltip else ""
    return f'<td class="ppacer-{column.align}"{tooltip}>{content}</td>'


def _progress_html(cell: Cell) -> str:
    share = _share(cell.progress or 0.0)
    state = f" {state_class(cell.state)}" if cell.state is not None else ""
    return (
        f'<span class="ppacer-progress{state}" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share * 100:.0f}"><span style="width:{share * 100:.1f}%"></span></span>'
    )


def _share(progress: float) -> float:
    return min(1.0, max(0.0, progress)) if math.isfinite(progress) else 0.0


_FRAME_CSS = (
    ".ppacer-output{font-family:var(--ppacer-font);font-size:13px;line-height:1.5;color:var(--ppacer-ink);"
    "background:var(--ppacer-bg);margin:4px 0 10px;font-variant-numeric:tabular-nums}"
    ".ppacer-output a{color:var(--ppacer-link);text-decoration:none}"
    ".ppacer-output a:hover{text-decoration:underline}"
    ".ppacer-badge{display:inline-flex;align-items:center;gap:6px;color:var(--ppacer-state);"
    "font-weight:500;white-space:nowrap}"
)
_CSS = (
    ".ppacer-caption{font-size:15px;font-weight:600;padding:6px 2px}"
    ".ppacer-footer{color:var(--ppacer-muted);font-size:12px;padding:8px 2px}"
    ".ppacer-scroll{max-height:480px;overflow:auto;width:fit-content;max-width:100%;"
    "border:1px solid var(--ppacer-line);border-radius:8px}"
    ".ppacer .ppacer-scroll table{border-collapse:separate;border-spacing:0;margin:0;border:none;"
    "font-size:13px;table-layout:auto}"
    ".ppacer .ppacer-scroll th{position:sticky;top:0;background:var(--ppacer-raised);"
    "color:var(--ppacer-muted);font-size:12px;font-weight:500;white-space:nowrap;"
    "border-bottom:1px solid var(--ppacer-line)}"
    ".ppacer .ppacer-scroll td,.ppacer .ppacer-scroll th{padding:7px 14px;text-align:left;"
    "vertical-align:middle;max-width:480px;overflow-wrap:anywhere}"
    ".ppacer .ppacer-scroll tbody tr{background:transparent}"
    ".ppacer .ppacer-scroll tbody tr+tr td{border-top:1px solid var(--ppacer-line)}"
    ".ppacer .ppacer-scroll tbody tr:hover{background:var(--ppacer-raised)}"
    ".ppacer .ppacer-scroll .ppacer-right{text-align:right}"
    ".ppacer .ppacer-scroll .ppacer-none{color:var(--ppacer-muted);font-style:italic}"
    ".ppacer-progress{display:inline-block;vertical-align:middle;width:72px;height:6px;margin-right:8px;"
    "border-radius:3px;overflow:hidden;background:var(--ppacer-line)}"
    ".ppacer-progress span{display:block;height:100%;border-radius:3px;"
    "background:var(--ppacer-state,var(--ppacer-muted))}"
)
