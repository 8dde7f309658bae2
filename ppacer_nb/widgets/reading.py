"""How the picture of a scheduler is brought up to date."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.widgets.parts import PARTS
from ppacer_nb.widgets.picture import Picture
from ppacer_nb.widgets.selection import Selection
from ppacer_nb.widgets.updater import EVERYTHING, NOTHING, News


def read(api: SchedulerApi, selection: Selection, before: Picture | None, news: News) -> Picture:
    """Return what `api` says now, taking over from `before` what cannot have changed by `news`.

    Raises
    ------
    PpacerError
        If the scheduler has stopped, or its history cannot be read.
    """
    info = api.info()
    if before is None or news is None:
        picture = Picture(selection, info, api.dags(), api.history.counts())
    else:
        picture = replace(before, selection=selection, info=info)
        # A DAG is news when its schedule moves on, or a run of it begins or ends.
        if any("/" not in id for id in news):
            picture = replace(picture, dags=api.dags(), counts=api.history.counts())
    if before is not None and before.selection == selection and news == NOTHING:
        return picture
    return _with_shown_part(api, picture, before, news)


def _with_shown_part(api: SchedulerApi, picture: Picture, before: Picture | None, news: News) -> Picture:
    part = PARTS[picture.selection.tab]
    if before is not None and before.selection != picture.selection:
        news = EVERYTHING
        if before.selection.tab != part.name:  # it has missed what was new since it was shown last
            picture = _with(picture, part.name, None)
    return _with(picture, part.name, part.read(api, picture, news))


def _with(picture: Picture, part: str, known: Any) -> Picture:
    return replace(picture, **{part: known})


def stopped(picture: Picture) -> Picture:
    """Return the `picture` of a scheduler that has stopped since."""
    info = replace(picture.info, running=False, busy=0, queued=0, problem="")
    dags = [replace(dag, next_point=None, active_runs=0, queued_runs=0) for dag in picture.dags]
    return replace(picture, info=info, dags=dags)


def read_stopped(api: SchedulerApi, picture: Picture) -> Picture:
    """Return the last `picture` of a scheduler, brought up to date from the history that it left.

    Raises
    ------
    PpacerError
        If the history cannot be read.
    """
    last = stopped(picture)
    shown = _with_shown_part(api, replace(last, counts=api.history.counts()), picture, EVERYTHING)
    return replace(shown, info=last.info)
