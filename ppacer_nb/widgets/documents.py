"""The files of an attempt, as pages that the dashboard can show."""

from __future__ import annotations

from typing import Any

from ppacer_nb.errors import NotFound
from ppacer_nb.model.history import AttemptRecord


def document_of(attempt: AttemptRecord, kind: str) -> dict[str, Any]:
    """Return the file of that `kind`, "report" or "notebook", with its title and path.

    Raises
    ------
    NotFound
        If there is no such file, or it is gone, or it is not what it should be.
    """
    path = {"report": attempt.files.report, "notebook": attempt.files.notebook}.get(kind)
    if path is None:
        raise NotFound(f"task {attempt.task_id!r} has no {kind}.")
    try:
        if kind == "report":
            html = path.read_text(encoding="utf-8")
        else:
            # Not at the top: it brings nbconvert, which takes its time, and many never look.
            from ppacer_nb.export.html import as_html

            html = as_html(path, code=True)
    except Exception as error:  # anybody may have moved or changed the file since
        raise NotFound(f"{path} cannot be shown: {error}") from error
    return {
        "title": f"{kind.capitalize()} of {attempt.task_id}, attempt {attempt.attempt}",
        "path": str(path),
        "html": html,
    }
