"""How each state looks everywhere: colour in light and dark, an icon, and a word.

The hues are those of Okabe and Ito's colour-blind-safe set, made darker or lighter until text in them reaches
a contrast of 4.5 on either theme. No state is told by its colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from ppacer_nb.status import AttemptState, RunState

State = RunState | AttemptState
Tone = Literal["info", "warning"]  #: of messages that are about no state


@dataclass(frozen=True)
class Look:
    """How one state is shown."""

    light: str  #: colour on a light ground, ``#rrggbb``
    dark: str  #: colour on a dark ground
    icon: str  #: one character, one cell wide in a terminal
    path: str  #: the icon as SVG path data, to be stroked in a square of 12
    word: str


def look(state: State | Tone) -> Look:
    """Return how `state` is shown; a run and an attempt in the same state look the same."""
    return _LOOKS[str(state)]


def state_class(state: State | Tone) -> str:
    """Return the CSS class that gives an element the colour of `state`, as ``--ppacer-state``."""
    return f"ppacer-state-{state}"


def icon_svg(state: State | Tone) -> str:
    """Return the icon of `state` as a small inline SVG, for use inside HTML."""
    return (
        '<svg class="ppacer-icon" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">'
        f'<circle cx="6" cy="6" r="6"/><path d="{look(state).path}"/></svg>'
    )


def theme_css() -> str:
    """Return the CSS that everything of ppacer needs: the neutral colours, then `state_css`.

    Put ``class="ppacer"`` on the outermost element. Inside JupyterLab its own variables decide.
    """
    return _NEUTRALS + state_css()


def state_css() -> str:
    """Return CSS that defines ``--ppacer-state`` in ``.ppacer-state-success`` and so on, for light and dark.

    JupyterLab and nbconvert's HTML say which theme is on (``data-jp-theme-light`` on the body), and so does
    VS Code; elsewhere the system's preference decides.
    """
    light = _variables({name: shown.light for name, shown in _LOOKS.items()} | {"on": "#ffffff"})
    dark = _variables({name: shown.dark for name, shown in _LOOKS.items()} | {"on": "#12161b"})
    classes = "".join(
        f".ppacer-state-{name}{{--ppacer-state:var(--ppacer-c-{name})}}" for name in sorted(_LOOKS)
    )
    return (
        f".ppacer{{{light}}}"
        f"@media (prefers-color-scheme:dark){{.ppacer{{{dark}}}}}"
        f'body[data-jp-theme-light="true"] .ppacer,body.vscode-light .ppacer{{{light}}}'
        f'body[data-jp-theme-light="false"] .ppacer,body.vscode-dark .ppacer{{{dark}}}'
        f"{classes}"
        ".ppacer-icon{flex:none;fill:var(--ppacer-state,var(--ppacer-muted))}"
        ".ppacer-icon path{fill:none;stroke:var(--ppacer-c-on);stroke-width:1.5;"
        "stroke-linecap:round;stroke-linejoin:round}"
    )


def cells_css() -> str:
    """Return CSS that makes an element of class ``ppacer-cell`` and a state a square with the state's icon.

    The icon is cut out of the square, so that one element without children is enough: a grid has thousands.
    """
    return ".ppacer-cell{background:var(--ppacer-state)}" + "".join(
        f".ppacer-cell.ppacer-state-{state}{{-webkit-mask:{_cut_out(state)};mask:{_cut_out(state)}}}"
        for state in AttemptState
    )


def _cut_out(state: State) -> str:
    picture = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 12 12'><mask id='m'>"
        "<rect width='12' height='12' rx='2.4' fill='white'/>"
        f"<path d='{look(state).path}' fill='none' stroke='black' stroke-width='1.5' stroke-linecap='round' "
        "stroke-linejoin='round'/></mask><rect width='12' height='12' mask='url(#m)'/></svg>"
    )
    return f'url("data:image/svg+xml,{quote(picture)}") center/100% 100%'


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--ppacer-c-{name}:{colour};" for name, colour in sorted(colours.items()))


_LOOKS = {
    "queued": Look("#566376", "#a9b4c2", "○", "M6 3.3V6.1L7.9 7.3", "queued"),
    "running": Look("#0068a8", "#5cb8f0", "▶", "M4.9 3.7 8.5 6 4.9 8.3Z", "running"),
    "success": Look("#00775a", "#35c795", "✓", "M3.4 6.3 5.3 8.2 8.7 4.2", "success"),
    "failed": Look("#b83a00", "#ff8f61", "✗", "M4 4 8 8M8 4 4 8", "failed"),
    "up_for_retry": Look(
        "#8a5c00", "#f2b632", "↻", "M8.6 6.6A2.7 2.7 0 1 1 7.9 4L8.7 4.8M8.8 3V4.9H6.9", "retrying"
    ),
    "upstream_failed": Look("#9c3675", "#ec9fcb", "↑", "M6 9V3.4M3.7 5.6 6 3.3 8.3 5.6", "upstream failed"),
    "skipped": Look("#6c675f", "#bab4aa", "»", "M3.5 4 5.5 6 3.5 8M6.5 4 8.5 6 6.5 8", "skipped"),
    "cancelled": Look("#454c57", "#cdd3da", "■", "M4.2 4.2H7.8V7.8H4.2Z", "cancelled"),
    "interrupted": Look("#6a3fa3", "#c0a4f5", "↯", "M6.9 2.8 4.4 6.3H7.6L5.1 9.3", "interrupted"),
    "cleared": Look("#3f6a7d", "#9fc3d3", "◌", "M3.8 6H8.2", "cleared"),
    "info": Look("#0068a8", "#5cb8f0", "i", "M6 5.7V8.7M6 3.4V3.5", "info"),
    "warning": Look("#8a5c00", "#f2b632", "!", "M6 3.1V6.5M6 8.6V8.7", "warning"),
}
_NEUTRALS = (
    ".ppacer{--ppacer-bg:var(--jp-layout-color1,#ffffff);--ppacer-raised:var(--jp-layout-color2,#f4f5f7);"
    "--ppacer-ink:var(--jp-ui-font-color1,#1d232b);--ppacer-muted:var(--jp-ui-font-color2,#59636f);"
    "--ppacer-line:var(--jp-border-color2,#dfe3e8);--ppacer-edge:#8b9199;"
    "--ppacer-link:var(--jp-content-link-color,#0067a8);"
    "--ppacer-font:var(--jp-ui-font-family,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif);"
    "--ppacer-mono:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace)}"
    "@media (prefers-color-scheme:dark){.ppacer{--ppacer-bg:var(--jp-layout-color1,#14181d);"
    "--ppacer-raised:var(--jp-layout-color2,#1e242b);--ppacer-ink:var(--jp-ui-font-color1,#e7eaee);"
    "--ppacer-muted:var(--jp-ui-font-color2,#a2acb8);--ppacer-line:var(--jp-border-color2,#2f3740);"
    "--ppacer-link:var(--jp-content-link-color,#7cc4f5)}}"
    # JupyterLab's dark theme has no ground that stands out as quietly as its light theme's.
    "@supports (color:color-mix(in srgb,red,blue)){.ppacer{"
    "--ppacer-raised:color-mix(in srgb,var(--ppacer-ink) 6%,var(--ppacer-bg))}}"
)
