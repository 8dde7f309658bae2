"""Reports: what they show, what they leave out, and that they need no internet."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from ppacer_nb.export.html import export_html


def report(tmp_path: Path, *markdown: str) -> str:
    document = nbformat.v4.new_notebook(metadata={"title": "Sales <today>"})
    document.cells = [nbformat.v4.new_markdown_cell(text) for text in markdown]
    code = nbformat.v4.new_code_cell("secret_code()", execution_count=7)
    code.outputs = [nbformat.v4.new_output("stream", name="stdout", text="12 <sold>\n")]
    given = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["injected-parameters"]})
    given.outputs = [nbformat.v4.new_output("stream", name="stdout", text="of the parameters")]
    document.cells += [given, code]
    nbformat.write(document, tmp_path / "a.ipynb")
    export_html(tmp_path / "a.ipynb", tmp_path / "a.html")
    return (tmp_path / "a.html").read_text()


def test_a_report_has_text_and_output_but_neither_code_nor_parameters(tmp_path: Path) -> None:
    html = report(tmp_path, "# Figures of the day")
    assert "Figures of the day" in html
    assert "12 &lt;sold&gt;" in html
    assert "<title>Sales &lt;today&gt;</title>" in html
    assert "secret_code" not in html
    assert "of the parameters" not in html
    assert "[7]" not in html


def test_a_report_loads_nothing_from_the_internet(tmp_path: Path) -> None:
    html = report(tmp_path, "# Figures", "It costs 5$ or $ 6.")
    assert re.findall(r"<(?:script|link|iframe)\b[^>]*>", html) == []
    assert "cdnjs" not in html
    assert "unpkg" not in html


@pytest.mark.parametrize("formula", ["$x^2$", r"\begin{align}x\end{align}", "$$\nx\n$$"])
def test_formulas_bring_mathjax(tmp_path: Path, formula: str) -> None:
    assert "mathjax" in report(tmp_path, formula)


def test_diagrams_bring_mermaid(tmp_path: Path) -> None:
    assert "mermaid.esm" in report(tmp_path, "```mermaid\ngraph LR\na-->b\n```")
