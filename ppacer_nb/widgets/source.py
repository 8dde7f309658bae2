"""Where a dashboard reads: from the scheduler while it runs, from what it left behind afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ppacer_nb.errors import NotRunning, PpacerError, SchedulerError
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.widgets.picture import Picture
from ppacer_nb.widgets.reading import read, read_stopped, stopped
from ppacer_nb.widgets.selection import Selection
from ppacer_nb.widgets.updater import EVERYTHING, NOTHING, News


class Source:
    """The latest picture of a scheduler, as somebody who looks at `selection` sees it.

    Raises
    ------
    PpacerError
        If there is neither a scheduler nor a history to read.
    """

    def __init__(self, api: SchedulerApi, selection: Selection) -> None:
        self._api = api
        self._lock = threading.Lock()
        self.picture: Picture = read(api, selection, None, EVERYTHING)

    def look(self, selection: Selection, news: News) -> None:
        """Bring the picture up to date.

        Raises
        ------
        PpacerError
            If what is selected cannot be read. The picture stays as it is.
        """
        with self._lock:
            if self.picture.info.running:
                try:
                    self.picture = read(self._api, selection, self.picture, news)
                except PpacerError:
                    if self._is_running():
                        raise
                    self.picture = stopped(self.picture)
            elif selection != self.picture.selection:
                with self._history() as left:
                    info = self.picture.info
                    self.picture = replace(read(left, selection, self.picture, NOTHING), info=info)

    def end(self) -> None:
        """Take the last picture of a scheduler that has just let go of its history.

        Whoever stopped it waits meanwhile, so nobody else can want the store.
        """
        with self._lock:
            try:
                with self._history() as left:
                    self.picture = read_stopped(left, self.picture)
            except PpacerError:  # in memory, or taken by another process: what was seen last is all there is
                self.picture = stopped(self.picture)

    def _is_running(self) -> bool:
        try:
            return self._api.info().running
        except NotRunning:
            return False

    @contextmanager
    def _history(self) -> Iterator[SchedulerApi]:
        """Give what a scheduler that has stopped left behind; its store is open for a moment only."""
        path = Path(self.picture.info.store)
        if not path.is_file():
            raise SchedulerError("the scheduler has stopped, and its history was in memory only.")
        try:
            offline = OfflineScheduler(path)
        except PpacerError as error:
            raise SchedulerError(
                "the scheduler of this dashboard has stopped, and its history cannot be read from here "
                f"({error}) %ppacer dashboard shows the one that runs now."
            ) from error
        with offline:
            yield offline
