"""A kernel that stays when its attempt has failed: a person can look into it, another attempt go on in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from nbformat import NotebookNode

from ppacer_nb.errors import TaskFailed
from ppacer_nb.kernels.client import Client
from ppacer_nb.kernels.documents import filled_notebook
from ppacer_nb.kernels.order import NotebookOrder, Order
from ppacer_nb.kernels.outputs import NotebookOutputs
from ppacer_nb.kernels.overflow import Overflow
from ppacer_nb.kernels.process import Kernel
from ppacer_nb.kernels.resuming import Resumption, compare, keep_outputs
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.run_info import RunInfo


@dataclass(frozen=True, slots=True)
class HeldKernel:
    """The kernel of a failed attempt, and its notebook as far as it has come."""

    filled_for: RunInfo  #: the attempt whose parameters it was given
    kernel: Kernel
    client: Client = field(repr=False)  #: stands at the cell that failed

    @property
    def connection_file(self) -> Path:
        """Where the kernel is to be found."""
        return Path(self.kernel.manager.connection_file)

    def resume(self, order: Order, what: NotebookOrder) -> tuple[NotebookNode, Resumption]:
        """Return the notebook as its file is now, and what of it has to run.

        Raises
        ------
        TaskFailed
            If its parameters are others by now.
        NotebookError
            If it cannot be read.
        """
        # Named as for that attempt, so that equal parameters look the same.
        notebook = filled_notebook(replace(order, run=self.filled_for), what)
        failed = self.client.nb
        resumption = compare(failed, self.client.place, notebook)
        if resumption.has_other_parameters:
            raise TaskFailed(
                "the parameters are not those that its cells have run with so far: trigger a new run."
            )
        keep_outputs(failed, resumption, notebook)
        return notebook, resumption

    def outputs(self, overflow: Overflow) -> NotebookOutputs:
        """Return the outputs so far, to go on with; what has no room goes to the files of `overflow`."""
        self.client.notebook_outputs.overflow = overflow
        return self.client.notebook_outputs

    def hand_over(self, client: Client, resumption: Resumption) -> None:
        """Let `client` know what this one's has come to know of the cells that are kept."""
        client.kept = frozenset(resumption.kept)
        client.widget_state, client.widget_buffers = self.client.widget_state, self.client.widget_buffers


class Holding:
    """The place for the one kernel that a runner can hold.

    Parameters
    ----------
    on_release
        Called when it is held no more and nobody has taken it: its time was over, it ended, or somebody
        released it.
    """

    def __init__(self, on_release: Callable[[], None]) -> None:
        self._on_release = on_release
        self._held: HeldKernel | None = None
        self._key: AttemptKey | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._closing: asyncio.Future[None] | None = None

    def hold(self, key: AttemptKey, held: HeldKernel, until: datetime) -> None:
        """Hold a kernel for the attempt `key`, until then."""
        self._key, self._held = key, held
        loop = asyncio.get_running_loop()
        wait = (until - datetime.now(UTC)).total_seconds()
        self._expiry = loop.call_later(wait, self.release, key)
        held.kernel.died.add_done_callback(lambda _: self.release(key))

    def keep(self, key: AttemptKey) -> None:
        """Hold it however long it takes."""
        if key == self._key and self._expiry is not None:
            self._expiry.cancel()

    def take(self, key: AttemptKey) -> HeldKernel | None:
        """Hand it over, None if it is held no more."""
        if key != self._key:
            return None
        held, self._held, self._key = self._held, None, None
        if self._expiry is not None:
            self._expiry.cancel()
        return held

    def release(self, key: AttemptKey) -> None:
        """End it, if it is still held."""
        held = self.take(key)
        if held is not None:
            self._closing = asyncio.ensure_future(held.kernel.close())
            self._on_release()

    async def close(self) -> None:
        """End what is held."""
        if self._key is not None:
            self.release(self._key)
        if self._closing is not None:
            await self._closing
