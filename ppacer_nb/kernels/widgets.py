"""Widgets of an executed notebook: those that capture output, and the state of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_client.client import KernelClient
from nbclient.output_widget import OutputWidget

from ppacer_nb.kernels.outputs import NotebookOutputs, Outputs
from ppacer_nb.kernels.overflow import weight


class CapturingWidget(OutputWidget):
    """Stands for an Output widget as a front end's does.

    nbclient's sends all of its outputs to the kernel with each new one. This one does so once, when the cell
    has ended: the kernel reads them no earlier, as it is busy with the cell.
    """

    def __init__(
        self,
        comm_id: str,
        state: dict[str, Any],
        client: KernelClient,
        executor: Any,
        notebook: NotebookOutputs,
    ) -> None:
        super().__init__(comm_id, state, client, executor)
        self.area = Outputs(self.outputs, notebook)
        self._parent_header: dict[str, Any] | None = None  # of what it captured, until that is sent

    def take(self, kind: str, content: Mapping[str, Any], parent_header: dict[str, Any]) -> None:
        """Take in a message, as `Outputs` does."""
        self.area.take(kind, content)
        self._parent_header = parent_header

    def end_of_cell(self) -> None:
        """Tell the kernel, and the saved state of widgets, what was captured."""
        if self._parent_header is None:
            return
        self.area.end()
        self.executor.widget_state.setdefault(self.comm_id, {})["outputs"] = self.outputs
        self.parent_header, self._parent_header = self._parent_header, None
        self.sync_state()


class StateRoom:
    """What the state of all widgets takes of a notebook's room."""

    def __init__(self, notebook: NotebookOutputs) -> None:
        self._notebook = notebook
        self._sizes: dict[tuple[str, str], int] = {}  # by widget and what is updated

    def takes(self, message: Mapping[str, Any]) -> bool:
        """Take the room for an update of a widget; return whether there was as much."""
        widget, data = message["content"]["comm_id"], message["content"]["data"]
        sizes = {(widget, name): weight(value) for name, value in data.get("state", {}).items()}
        for path, buffer in zip(data.get("buffer_paths", []), message.get("buffers", []), strict=False):
            sizes[widget, f"buffer {path}"] = len(buffer) * 4 // 3  # as base64
        self._notebook.room -= sum(size - self._sizes.get(key, 0) for key, size in sizes.items())
        self._sizes |= sizes
        return self._notebook.room >= 0

    def give_back(self) -> None:
        """Give back all of it: the state is left out."""
        self._notebook.room += sum(self._sizes.values())
        self._sizes.clear()
