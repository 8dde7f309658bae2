"""An executed notebook as one HTML page."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from ppacer_nb import values

# nbconvert's page, without the scripts from the internet that it would load whether or not they are needed.
_TEMPLATE = """
{%- extends 'index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- if resources.has_formulas -%}{{ super() }}{%- endif -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- if resources.has_diagrams -%}{{ super() }}{%- endif -%}
{%- endblock -%}
"""
_FORMULA = re.compile(r"\$\$|\$(?=\S)[^$\n]*(?<=\S)\$(?!\d)|\\\(|\\\[|\\begin\{")
_LEFT_OUT = {"parameters", "injected-parameters", "ppacer-failure"}


def export_html(notebook: Path, target: Path) -> None:
    """Write `target`, whole or not at all: text, tables and figures, without the code.

    It needs nothing from the internet, but for formulas (MathJax), Mermaid diagrams and live widgets.
    """
    values.write_whole(target, as_html(notebook, code=False).encode())


def as_html(notebook: Path, *, code: bool) -> str:
    """Return an executed notebook as a page, with its `code` or without."""
    config = Config()
    config.HTMLExporter.embed_images = True
    if not code:
        config.HTMLExporter.exclude_input = True
        config.HTMLExporter.exclude_input_prompt = True
        config.HTMLExporter.exclude_output_prompt = True
        config.TagRemovePreprocessor.enabled = True
        config.TagRemovePreprocessor.remove_cell_tags = _LEFT_OUT
    document = nbformat.read(notebook, as_version=4)
    title = document.metadata.get("title") or notebook.parent.parent.name or notebook.stem
    shown = [cell.source for cell in document.cells if cell.cell_type == "markdown"]
    outputs = [output for cell in document.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    resources = {
        "metadata": {"name": title, "path": str(notebook.parent)},
        "has_formulas": "text/latex" in kinds or any(map(_FORMULA.search, shown)),
        "has_diagrams": "text/vnd.mermaid" in kinds or any("```mermaid" in source for source in shown),
    }
    exporter = HTMLExporter(config=config, raw_template=_TEMPLATE)
    html, _ = exporter.from_notebook_node(document, resources=resources)
    return str(html)
