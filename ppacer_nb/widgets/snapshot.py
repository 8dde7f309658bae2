"""The last state of a dashboard as HTML and as text: for saved notebooks, other programs, terminals."""

from __future__ import annotations

from datetime import datetime, tzinfo

from ppacer_nb.views import answers
from ppacer_nb.views.page import note
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered, combine
from ppacer_nb.widgets.reading import Picture

_RUNS = 10


def snapshot(picture: Picture, *, here: bool, now: datetime, zone: tzinfo) -> Rendered:
    """Return what `picture` shows, complete without script."""
    reader = Reader(now, zone)
    parts = [
        note(f"As it was at {reader.when(now)}; live in a running kernel."),
        answers.status(picture.info, picture.dags, picture.counts, reader, here=here),
        answers.run_table(picture.runs[:_RUNS], reader),
    ]
    if (selected := picture.selected) is not None:
        parts.append(
            answers.run_page(
                selected.run,
                selected.attempts,
                selected.version,
                selected.progress,
                reader,
                picture.info.held,
            )
        )
    return combine(*parts)
