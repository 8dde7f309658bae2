"""The last state of a dashboard as HTML and as text: for saved notebooks, other programs, terminals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from ppacer_nb.views import answers
from ppacer_nb.views.page import note
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.tables import Rendered, combine
from ppacer_nb.widgets.part import Part
from ppacer_nb.widgets.picture import Picture


def snapshot(picture: Picture, parts: Sequence[Part], *, here: bool, now: datetime, zone: tzinfo) -> Rendered:
    """Return what `picture` knows of `parts`, complete without script."""
    reader = Reader(now, zone)
    shown = [note(f"As it was at {reader.when(now)}; live in a running kernel.")]
    if len(parts) > 1:
        shown.append(answers.status(picture.info, picture.dags, picture.counts, reader, here=here))
    for part in parts:
        shown += part.still(picture, reader)
    return combine(*shown)
