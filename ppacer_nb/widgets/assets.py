"""The script and the style of the dashboard, put together from the plain files in ``static/``.

A widget's script is one ES module, so the files are joined into one: each becomes a function of its own, and
what it exports an object. For that their imports name what they take (``import { a, b } from "./other.js";``,
one line each, at the top), and their exports are declarations (``export function``, ``export const``).
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

from ppacer_nb.status import AttemptState
from ppacer_nb.views.palette import cells_css, look, theme_css

_FOLDER = files(__package__) / "static"
_ENTRY = "dashboard.js"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


@cache
def script() -> str:
    """Return the dashboard's ES module."""
    parts: dict[str, str] = {"palette": f"const palette_js = {{ LOOKS: {json.dumps(_looks())} }};"}
    _add(_ENTRY.removesuffix(".js"), parts)
    return "\n".join([*parts.values(), "export default { render: dashboard_js.render };"])


@cache
def style() -> str:
    """Return the dashboard's CSS, with the colours of the states for light and dark."""
    names = sorted(path.name for path in _FOLDER.iterdir() if path.name.endswith(".css"))
    return theme_css() + cells_css() + "\n".join(_static(name) for name in names)


def _add(name: str, parts: dict[str, str]) -> None:
    """Add the module of that name, after those that it imports."""
    source = _static(f"{name}.js")
    for match in _IMPORT.finditer(source):
        if match[2] not in parts:
            _add(match[2], parts)
    exports = ", ".join(match[2] for match in _EXPORT.finditer(source))
    body = _EXPORT.sub(r"\1", _IMPORT.sub(r"const \1 = \2_js;", source))
    parts[name] = f"const {name}_js = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();"


def _static(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _looks() -> dict[str, dict[str, str]]:
    tones = ("info", "warning")
    return {
        str(state): {"path": look(state).path, "word": look(state).word} for state in (*AttemptState, *tones)
    }
