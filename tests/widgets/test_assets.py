"""The script that the browser gets."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from ppacer_nb.widgets import assets

STATIC = {path.name: path.read_text() for path in (files("ppacer_nb.widgets") / "static").iterdir()}
MODULES = sorted(name for name in STATIC if name.endswith(".js"))


def test_the_modules_become_one_without_imports_left() -> None:
    script = assets.script()
    assert not re.search(r"^(import|export) (?!default)", script, re.MULTILINE)
    assert script.rstrip().endswith("export default { render: dashboard_js.render };")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_in_it(name: str) -> None:
    assert f"const {name.removesuffix('.js')}_js = " in assets.script()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_there_is(name: str) -> None:
    for names, module in re.findall(r'import \{([^}]*)\} from "\./(\w+)\.js"', STATIC[name]):
        if module == "palette":
            continue
        exported = re.findall(r"^export (?:function|const|class) (\w+)", STATIC[f"{module}.js"], re.MULTILINE)
        wanted = {part.strip() for part in names.split(",")}
        assert wanted <= set(exported), module
        for part in wanted:
            assert len(re.findall(rf"\b{part}\b", STATIC[name])) > 1, f"{part} is imported for nothing"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_makes_markup_from_text(name: str) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function"
    assert not re.search(forbidden, STATIC[name])


def test_nothing_is_loaded_from_elsewhere() -> None:
    addresses = re.findall(r"https?://[^\"'\s]+", assets.script() + assets.style())
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_colours_are_named_by_the_palette_only() -> None:
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(", STATIC["dashboard.css"])
