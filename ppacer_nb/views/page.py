"""Short messages and log lines, as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal

from ppacer_nb.status import AttemptState
from ppacer_nb.views.format import in_zone
from ppacer_nb.views.markup import escape, lines_of, one_line
from ppacer_nb.views.palette import State, Tone, icon_svg, look, state_class
from ppacer_nb.views.tables import Rendered, framed

NoteKind = Literal["info", "success", "warning", "error"]


@dataclass(frozen=True)
class LogView:
    """One log line of an attempt."""

    at: datetime
    level: str  #: as `logging` names it; others are shown as they are
    message: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def note(message: str, *, kind: NoteKind = "info", hint: str = "") -> Rendered:
    """Return a message in one colour; `hint` says what to do next."""
    shown = _NOTE_LOOKS[kind]
    text = f"{look(shown).icon} {lines_of(message)}" if kind != "info" else lines_of(message)
    if hint:
        text += f"\n  {lines_of(hint, joiner=_INDENT)}"
    hint_html = f'<div class="ppacer-hint">{escape(lines_of(hint))}</div>' if hint else ""
    role = "alert" if kind == "error" else "status"
    html = framed(
        f'<div class="ppacer-callout {state_class(shown)}" role="{role}">{icon_svg(shown)}'
        f"<div><div>{escape(lines_of(message))}</div>{hint_html}</div></div>",
        css=_NOTE_CSS,
    )
    return Rendered(text, html)


def log_lines(lines: Sequence[LogView], *, zone: tzinfo | None = None) -> Rendered:
    """Return log lines with time, level, message and attributes; the day is shown where it changes.

    Parameters
    ----------
    lines
        In the order to show them.
    zone
        Where the reader is; None means this machine's zone.
    """
    if not lines:
        return note("No log lines.")
    text, html, day = [], [], ""
    for line in lines:
        local = in_zone(line.at, zone)
        if (today := local.date().isoformat()) != day:
            day = today
            text.append(day)
            html.append(f'<tr><th class="ppacer-day" colspan="3" scope="rowgroup">{day}</th></tr>')
        text.append(_line_text(line, local))
        html.append(_line_html(line, local))
    table = f'<div class="ppacer-log"><table><tbody>{"".join(html)}</tbody></table></div>'
    return Rendered("\n".join(text), framed(table, css=_LOG_CSS))


def _line_text(line: LogView, local: datetime) -> str:
    indent = "\n" + " " * 23
    attributes = "".join(f" {one_line(name)}={one_line(value)}" for name, value in line.attributes.items())
    message = lines_of(line.message.rstrip("\n"), joiner=indent)
    return f"{_clock(local)}  {one_line(line.level):<8} {message} {attributes}".rstrip()


def _line_html(line: LogView, local: datetime) -> str:
    attributes = "".join(
        f' <span class="ppacer-attribute">{escape(one_line(name))}={escape(one_line(value))}</span>'
        for name, value in line.attributes.items()
    )
    level = _LEVEL_LOOKS.get(line.level.upper())
    colour = f' class="{state_class(level)}"' if level else ""
    return (
        f'<tr{colour}><td class="ppacer-clock" title="{escape(local.isoformat())}">{_clock(local)}</td>'
        f'<td class="ppacer-level">{escape(one_line(line.level))}</td>'
        f'<td class="ppacer-message">{escape(lines_of(line.message.rstrip()))}{attributes}</td></tr>'
    )


def _clock(local: datetime) -> str:
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"


_INDENT = "\n  "
_NOTE_LOOKS: dict[NoteKind, State | Tone] = {
    "info": "info",
    "success": AttemptState.SUCCESS,
    "warning": "warning",
    "error": AttemptState.FAILED,
}
_LEVEL_LOOKS: dict[str, State | Tone] = {
    "INFO": "info",
    "WARNING": "warning",
    "ERROR": AttemptState.FAILED,
    "CRITICAL": AttemptState.FAILED,
}
_NOTE_CSS = (
    ".ppacer-callout{display:flex;gap:11px;align-items:flex-start;width:fit-content;max-width:min(100%,860px);"
    "box-sizing:border-box;padding:11px 18px 11px 14px;border:1px solid var(--ppacer-line);border-radius:8px;"
    "border-left:4px solid var(--ppacer-state);white-space:pre-line;overflow-wrap:anywhere}"
    ".ppacer-callout .ppacer-icon{width:16px;height:16px;margin-top:2px}"
    ".ppacer-hint{color:var(--ppacer-muted);margin-top:3px}"
)
_LOG_CSS = (
    ".ppacer-log{max-height:420px;overflow:auto;border:1px solid var(--ppacer-line);border-radius:8px;"
    "padding:6px 0}"
    ".ppacer .ppacer-log table{border-collapse:collapse;border:none;margin:0;width:100%;table-layout:auto;"
    "font-family:var(--ppacer-mono);font-size:12px;line-height:1.55}"
    ".ppacer .ppacer-log tr,.ppacer .ppacer-log tbody tr{background:transparent;border:none}"
    ".ppacer .ppacer-log td,.ppacer .ppacer-log th{text-align:left;vertical-align:top;border:none;"
    "padding:1px 14px 1px 0;color:var(--ppacer-ink)}"
    ".ppacer .ppacer-log td:first-child,.ppacer .ppacer-log th{padding-left:14px}"
    ".ppacer .ppacer-log .ppacer-day{color:var(--ppacer-muted);font-weight:500;padding-bottom:3px}"
    ".ppacer .ppacer-log .ppacer-clock{color:var(--ppacer-muted);white-space:nowrap;width:1px}"
    ".ppacer .ppacer-log .ppacer-level{color:var(--ppacer-state,var(--ppacer-muted));font-weight:600;"
    "white-space:nowrap;width:1px}"
    ".ppacer .ppacer-log .ppacer-message{white-space:pre-wrap;overflow-wrap:anywhere}"
    ".ppacer-attribute{color:var(--ppacer-muted)}"
)
