"""An executed notebook as one HTML file: text, tables and figures, without the code."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from ppacer_nb import values

_LEFT_OUT = {"parameters", "injected-parameters", "ppacer-failure"}


def export_html(notebook: Path, target: Path) -> None:
    """Write `target`, whole or not at all. It can be read offline, but for formulas, which need MathJax."""
    config = Config()
    config.HTMLExporter.embed_images = True
    config.HTMLExporter.require_js_url = ""
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = _LEFT_OUT
    document = nbformat.read(notebook, as_version=4)
    title = document.metadata.get("title") or target.parent.parent.name or notebook.stem
    html, _ = HTMLExporter(config=config).from_notebook_node(
        document, resources={"metadata": {"name": title, "path": str(notebook.parent)}}
    )
    values.write_whole(target, html.encode())
