"""What the cells of one notebook put out, as the executed notebook keeps it: within limits, at linear cost.

nbclient's own way costs the square of the outputs where a display id is used again, where outputs are cleared
in a loop, and where an Output widget gets many; and it has no limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode

from ppacer_nb.kernels.overflow import Overflow, Transcript, weight
from ppacer_nb.kernels.streams import StreamText

_MIB = 1024 * 1024
#: Stream text of one cell: JupyterLab takes a second to show as much.
CELL_BYTES = 10 * _MIB
#: One output of another kind: a few times the largest figures and tables that people look at.
BUNDLE_BYTES = 50 * _MIB
#: All outputs of one notebook. nbformat.writes takes 0.7 s for them, and five times their size of memory.
NOTEBOOK_BYTES = 100 * _MIB
#: What an output takes besides its text, in memory: it bounds their number as well, to 100,000.
OUTPUT_BYTES = 1024
#: An error's value and traceback; longer ones lose their middle.
ERROR_BYTES = _MIB
#: An output of this size gets a file where the notebook has no room for it; smaller ones are counted.
_WORTH_A_FILE = _MIB

#: The kinds of messages that `Outputs.take` takes.
KINDS = frozenset(
    {"stream", "display_data", "execute_result", "update_display_data", "error", "clear_output"}
)


class NotebookOutputs:
    """The outputs of one notebook's cells, all together."""

    def __init__(self, overflow: Overflow) -> None:
        self.overflow = overflow
        self.room = NOTEBOOK_BYTES
        self.displays: dict[str, Display] = {}
        self.cell = CellRoom(overflow, 0)

    def begin_cell(self, number: int) -> None:
        """Go on with the next code cell."""
        self.cell = CellRoom(self.overflow, number)


class CellRoom:
    """What the outputs of one cell share with those of widgets that capture some of them."""

    def __init__(self, overflow: Overflow, number: int) -> None:
        self.name = f".cell-{number}"  #: begins the suffix of its files
        self.room = CELL_BYTES  #: for stream text
        self.transcript = Transcript(overflow, f"{self.name}.txt", CELL_BYTES)
        self.was_cut = False
        self.files = 0


@dataclass(slots=True)
class Display:
    """What a display id shows. All its outputs have the very same objects as `data` and `metadata`."""

    data: NotebookNode
    metadata: NotebookNode
    size: int
    count: int  #: of its outputs


class Outputs:
    """The outputs of one cell, or of one Output widget.

    Parameters
    ----------
    outputs
        The list to keep them in.
    notebook
        With which they share the room.
    """

    def __init__(self, outputs: list[NotebookNode], notebook: NotebookOutputs) -> None:
        self.outputs = outputs
        self._notebook = notebook
        self._clears_next = False
        self._stream: tuple[NotebookNode, StreamText] | None = None
        self._is_cut = False
        self._taken = 0  # of the notebook's room, besides what has a display id
        self._text_taken = 0  # of the cell's
        self._shown: list[str] = []  # the display id of each output that has one
        self._left_out = 0
        self._note: NotebookNode | None = None

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """Take in a message of one of the `KINDS`."""
        if kind == "stream":
            self.write(content["name"], content["text"])
        elif kind == "error":
            self._add_error(content)
        elif kind == "clear_output":
            self._clears_next = bool(content.get("wait"))
            if not self._clears_next:
                self._clear()
        else:
            self._show(kind, content)

    def write(self, name: str, text: str) -> None:
        """Add text to a stream."""
        cell = self._notebook.cell
        cell.transcript.add(text)
        self._clear_if_due()
        if self._is_cut:
            return
        if self._stream is None or self._stream[0].name != name:
            self._end_stream()
            if not self._takes(0):
                self._cut_here(name, StreamText())
                return
            self._stream = (self._append(output_type="stream", name=name, text=""), StreamText())
        stream = self._stream[1]
        before = stream.size
        stream.add(text)
        self._account(stream.size - before)
        excess = max(0, -cell.room, -self._notebook.room)
        if excess:
            self._account(-excess)
            self._cut_here(name, stream, stream.size - excess)

    def end(self) -> None:
        """Put the text of what is not complete in its place."""
        self._end_stream()
        if self._note is not None:
            self._note["data"]["text/plain"] = (
                f"[ppacer: {self._left_out:,} further outputs are left out, as all outputs of a notebook "
                f"may take {_size(NOTEBOOK_BYTES)}]"
            )

    def _cut_here(self, name: str, stream: StreamText, size: int = 0) -> None:
        """Keep so much of a stream, and nothing of what follows."""
        cell = self._notebook.cell
        self._is_cut = cell.was_cut = True
        cell.transcript.to_file()
        why = (
            f"a cell's text may take {_size(CELL_BYTES)}"
            if self._notebook.room > 0
            else f"all outputs of a notebook may take {_size(NOTEBOOK_BYTES)}"
        )
        where = f"all that the cell writes is in {cell.transcript.path.name}"
        if cell.transcript.problem:
            where = f"{cell.transcript.path.name} cannot take it: {cell.transcript.problem}"
        stream.cut(size, f"\n[ppacer: the output is cut here, as {why}; {where}]\n")
        if self._stream is None:
            self._stream = (self._append(output_type="stream", name=name, text=""), stream)

    def _end_stream(self) -> None:
        if self._stream is not None:
            output, text = self._stream
            output["text"] = str(text)
            self._stream = None

    def _show(self, kind: str, content: Mapping[str, Any]) -> None:
        data, metadata = content["data"], content.get("metadata") or {}
        display_id = (content.get("transient") or {}).get("display_id")
        if kind == "update_display_data" and display_id not in self._notebook.displays:
            return
        self._end_stream()
        if kind != "update_display_data":
            self._clear_if_due()
        size = sum(map(weight, data.values())) + weight(metadata)
        if size > BUNDLE_BYTES:
            why = f"one output may take {_size(BUNDLE_BYTES)}"
            data, metadata, size = self._in_a_file(data, why), {}, OUTPUT_BYTES
        if display_id in self._notebook.displays:
            self._update(self._notebook.displays[display_id], data, metadata, size)
        if kind != "update_display_data":
            self._add_bundle(kind, content, data, metadata, size, display_id)

    def _add_bundle(
        self,
        kind: str,
        content: Mapping[str, Any],
        data: dict[str, Any],
        metadata: dict[str, Any],
        size: int,
        display_id: str | None,
    ) -> None:
        rest = {"execution_count": content["execution_count"]} if kind == "execute_result" else {}
        if display_id is None:
            if self._takes(size):
                self._append(output_type=kind, data=_node(data), metadata=_node(metadata), **rest)
            else:
                self._leave_out(data, size)
            return
        display = self._notebook.displays.get(display_id)
        if display is None:
            display = Display(_node(data), _node(metadata), size, 0)
        if self._notebook.room < display.size + OUTPUT_BYTES:
            self._leave_out(data, size)
            return
        self._notebook.room -= display.size + OUTPUT_BYTES
        self._notebook.displays[display_id] = display
        display.count += 1
        self._shown.append(display_id)
        self._append(output_type=kind, data=display.data, metadata=display.metadata, **rest)

    def _update(self, display: Display, data: dict[str, Any], metadata: dict[str, Any], size: int) -> None:
        """Show something else, wherever that display is."""
        growth = (size - display.size) * display.count
        if growth > max(0, self._notebook.room):
            why = f"all outputs of a notebook may take {_size(NOTEBOOK_BYTES)}"
            data, metadata = self._in_a_file(data, why, size), {}
            size, growth = display.size, 0
        self._notebook.room -= growth
        display.size = size
        for shown, new in ((display.data, data), (display.metadata, metadata)):
            shown.clear()
            shown.update(_node(new))

    def _leave_out(self, data: Mapping[str, Any], size: int) -> None:
        """Put a note where there is no room for an output: one for each if large, one for all others."""
        if size >= _WORTH_A_FILE:
            why = f"all outputs of a notebook may take {_size(NOTEBOOK_BYTES)}"
            self._append(
                output_type="display_data", data=_node(self._in_a_file(data, why)), metadata=_node({})
            )
            return
        self._left_out += 1
        if self._note is None:
            self._note = self._append(
                output_type="display_data", data=_node({"text/plain": ""}), metadata=_node({})
            )

    def _in_a_file(self, data: Mapping[str, Any], why: str, size: int = BUNDLE_BYTES) -> dict[str, Any]:
        """Save an output, if that is worth it; return what stands for it in the notebook."""
        what = ", ".join(f"{mime} ({_size(weight(value))})" for mime, value in data.items())
        cell = self._notebook.cell
        where = "it is kept nowhere else"
        if size >= _WORTH_A_FILE:
            cell.files += 1
            where = self._notebook.overflow.save_bundle(f"{cell.name}.output-{cell.files}", data)
        return {"text/plain": f"[ppacer: an output is left out here, as {why}: {what}; {where}]"}

    def _add_error(self, content: Mapping[str, Any]) -> None:
        self._end_stream()
        self._clear_if_due()
        value, lines = str(content["evalue"]), [str(line) for line in content["traceback"]]
        size = len(value) + sum(map(len, lines))
        if size > ERROR_BYTES:
            cell = self._notebook.cell
            cell.files += 1
            text = "\n".join([*lines, value]).encode("utf-8", "backslashreplace")
            where = self._notebook.overflow.save(f"{cell.name}.traceback-{cell.files}.txt", text)
            value = _without_middle(value, ERROR_BYTES // 8, where)
            lines = [_without_middle("\n".join(lines), ERROR_BYTES // 2, where)]
            size = ERROR_BYTES
        if self._takes(size):
            self._append(output_type="error", ename=str(content["ename"]), evalue=value, traceback=lines)
        else:
            self._leave_out({}, 0)

    def _takes(self, size: int) -> bool:
        """Take so much of the notebook's room, and what any output takes, if there is as much."""
        if self._notebook.room < size + OUTPUT_BYTES:
            return False
        self._notebook.room -= size + OUTPUT_BYTES
        self._taken += size + OUTPUT_BYTES
        return True

    def _account(self, growth: int) -> None:
        """Take room for stream text, or give it back."""
        self._notebook.room -= growth
        self._notebook.cell.room -= growth
        self._taken += growth
        self._text_taken += growth

    def _append(self, **parts: Any) -> NotebookNode:
        output = NotebookNode(parts)
        self.outputs.append(output)
        return output

    def _clear_if_due(self) -> None:
        if self._clears_next:
            self._clears_next = False
            self._clear()

    def _clear(self) -> None:
        self.outputs.clear()
        self._notebook.room += self._taken
        self._notebook.cell.room = min(CELL_BYTES, self._notebook.cell.room + self._text_taken)
        for display_id in self._shown:
            display = self._notebook.displays[display_id]
            self._notebook.room += display.size + OUTPUT_BYTES
            display.count -= 1
            if not display.count:
                del self._notebook.displays[display_id]
        self._shown.clear()
        self._taken = self._text_taken = self._left_out = 0
        self._is_cut, self._stream, self._note = False, None, None


def end_of_cell(cell: CellRoom, outputs: Outputs) -> str:
    """Put what a cell's outputs lack in their place; return what is wrong with its file, "" if nothing."""
    outputs.end()
    cell.transcript.close(keep=cell.was_cut)
    if not cell.was_cut or not cell.transcript.problem:
        return ""
    return f"{cell.transcript.path.name} lacks its end: {cell.transcript.problem}"


def _node(value: Any) -> NotebookNode:
    node: NotebookNode = nbformat.from_dict(value)
    return node


def _size(size: int) -> str:
    return f"{size / _MIB:.1f} MiB".replace(".0 ", " ") if size >= _MIB // 10 else f"{size:,} bytes"


def _without_middle(text: str, length: int, where: str) -> str:
    if len(text) <= length:
        return text
    note = f"\n[ppacer: {len(text) - length:,} characters are left out here; all of them are {where}]\n"
    return text[: length // 2] + note + text[-(length // 2) :]
