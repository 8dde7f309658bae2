"""The executed notebook on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ppacer_nb.errors import TaskFailed
from ppacer_nb.kernels.documents import with_banners
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.values import write_whole

#: Seconds between two saves while cells run, and how many times that which the last save took.
EVERY, SHARE = 5.0, 20
_PIECE = 1024 * 1024  # characters


class ExecutedNotebook:
    """A notebook that is executed, and its file: whole at any time, at the state of the last save.

    Parameters
    ----------
    notebook
        Its cells are filled by whoever executes it; not while one of these coroutines runs.
    path
        Of the file.
    run
        What it is part of.
    is_ours
        Whether we have made it for a function, and it is no user's: then it needs no validation, and with its
        one cell it is saved while nobody waits for the loop, so that there is no hop to a thread.
    """

    def __init__(self, notebook: NotebookNode, path: Path, run: RunInfo, *, is_ours: bool) -> None:
        self.notebook = notebook
        self.path = path
        self._run = run
        self._is_ours = is_ours
        self._started_at = datetime.now(UTC)
        self._next = 0.0

    async def begin(self) -> None:
        """Save it as running.

        Raises
        ------
        TaskFailed
            If it cannot be written.
        """
        self._mark("running", None)
        await self._save(durable=False)

    def begin_at_once(self) -> None:
        """Do as `begin`, before anything else is done; of a notebook that is ours."""
        self._mark("running", None)
        with self._explained():
            self._write(self.notebook, durable=False)

    async def keep_up(self) -> None:
        """Save it as it is between two cells, when the last save is so long ago that this costs little.

        Raises
        ------
        TaskFailed
            As `begin` does; the file is as it was then.
        """
        if time.monotonic() >= self._next:
            await self._save(durable=False)

    async def end(self, state: str, why: str | None, banners: Iterable[str]) -> None:
        """Save how it ended, and `why` if that is not well; `banners` are put at its top.

        Raises
        ------
        TaskFailed
            As `begin` does.
        """
        self._mark(state, why)
        await self._save(banners, durable=True)

    def _mark(self, state: str, why: str | None) -> None:
        run = self._run
        self.notebook.metadata["ppacer"] = {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "task_id": run.task_id,
            "attempt": run.attempt,
            "logical_date": run.logical_date.isoformat(),
            "state": state,
            "started_at": self._started_at.isoformat(),
            "ended_at": None if state == "running" else datetime.now(UTC).isoformat(),
            "error": why,
        }

    async def _save(self, banners: Iterable[str] = (), *, durable: bool) -> None:
        """Write the file, a user's notebook in a thread: the loop answers meanwhile, as to an order to stop.

        What is `durable` outlives a crash of the machine. Of an attempt that still runs nothing has to: that
        it was interrupted then is known from its events.
        """
        begin = time.monotonic()
        document = with_banners(self.notebook, banners)
        with self._explained():
            if self._is_ours:
                self._write(document, durable=durable)
            else:
                await asyncio.to_thread(self._write, document, durable=durable)
        end = time.monotonic()
        self._next = end + max(EVERY, SHARE * (end - begin))

    def _write(self, document: NotebookNode, *, durable: bool) -> None:
        text = nbformat.v4.writes(document) if self._is_ours else nbformat.writes(document)
        write_whole(self.path, _encoded(text), durable=durable)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TaskFailed(
                f"the executed notebook cannot be written to {self.path}: {error.strerror}. "
                "See that its disk has room and can be written to."
            ) from error


def _encoded(text: str) -> Iterator[bytes]:
    """Yield `text` in pieces, to hold it in memory once.

    Half a surrogate pair becomes ``\\ud800``, which is JSON's escape for it as well.
    """
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE].encode("utf-8", "backslashreplace")
