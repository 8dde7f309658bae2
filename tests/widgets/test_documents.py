from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from ppacer_nb.errors import NotFound
from ppacer_nb.model.attempt import Files
from ppacer_nb.status import AttemptState
from ppacer_nb.widgets.documents import document_of
from tests.widgets.records import attempt


def test_a_report_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "report.2.html"
    path.write_text("<p>żółw</p>", encoding="utf-8")
    shown = document_of(attempt("report", AttemptState.SUCCESS, 2, files=Files(report=path)), "report")
    assert shown == {"title": "Report of report, attempt 2", "path": str(path), "html": "<p>żółw</p>"}


def test_a_notebook_is_shown_with_its_code(tmp_path: Path) -> None:
    path = tmp_path / "report.2.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1 + 1")]), path)
    html = document_of(attempt("report", AttemptState.SUCCESS, files=Files(notebook=path)), "notebook")[
        "html"
    ]
    assert html.startswith("<!DOCTYPE html>")
    assert '<span class="o">+</span>' in html


@pytest.mark.parametrize(
    ("kind", "content", "sentence"),
    [
        ("report", None, "cannot be shown: .*No such file"),
        ("notebook", b"{", "cannot be shown: "),
        ("report", b"\xff", "cannot be shown: "),
        ("logbook", b"", "task 'report' has no logbook"),
    ],
)
def test_a_file_that_is_gone_or_broken_is_said(
    tmp_path: Path, kind: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotFound, match=sentence):
        document_of(attempt("report", AttemptState.SUCCESS, files=Files(path, path)), kind)
