"""Where a dashboard reads: from the scheduler while it runs, from what it left behind afterwards."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from ppacer_nb.errors import NotRunning, PpacerError, SchedulerError
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.widgets.reading import Picture, Selection, read, read_last
from ppacer_nb.widgets.updater import EVERYTHING, NOTHING, News


class Source:
    """The latest picture of a scheduler.

    Raises
    ------
    PpacerError
        If there is neither a scheduler nor a history to read.
    """

    def __init__(self, api: SchedulerApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self.picture: Picture = read(api, Selection(), None, EVERYTHING)

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
                except NotRunning:
                    self.picture = read_last(self._api, self.picture)
            if not self.picture.info.running and selection != self.picture.selection:
                self.picture = self._read_history(selection)

    def end(self) -> None:
        """Take the last picture, as the scheduler is stopping right now."""
        with self._lock:
            if self.picture.info.running:
                self.picture = read_last(self._api, self.picture)

    def _read_history(self, selection: Selection) -> Picture:
        """Read the store of a scheduler that has stopped; it is open for a moment only."""
        try:
            return read(self._api, selection, self.picture, NOTHING)  # an `OfflineScheduler` still can
        except NotRunning:
            path = Path(self.picture.info.store)
        if not path.is_file():
            raise SchedulerError("the scheduler has stopped, and its history was in memory only.")
        try:
            with OfflineScheduler(path) as offline:
                picture = read(offline, selection, self.picture, NOTHING)
        except PpacerError as error:
            raise SchedulerError(
                "the scheduler of this dashboard has stopped, and its history cannot be read from here "
                f"({error}) %ppacer dashboard shows the one that runs now."
            ) from error
        return replace(picture, info=self.picture.info)
