"""Text of a stream, as a terminal would show it."""

from __future__ import annotations


class StreamText:
    """Takes in text piece by piece, at a cost that grows with the text and not with its square.

    Of a line that writes over itself, as progress bars do, only what stands there in the end is kept.
    """

    def __init__(self) -> None:
        self.size = 0  #: in characters
        self._lines: list[str] = []
        self._open: list[str] = []  # the line that has no end yet
        self._open_size = 0
        self._is_overwritten = False  # the open line, by what comes next

    def add(self, text: str) -> None:
        """Take in text."""
        head, newline, tail = text.rpartition("\n")
        if newline:
            lines = "".join([*self._open, head])
            if "\r" in lines:
                lines = "\n".join(map(last_state, lines.split("\n")))
            self._lines.append(lines + newline)
            self.size += len(lines) + 1
            self._drop_open()
        if tail:
            self._add_to_open(tail)

    def cut(self, size: int, note: str) -> None:
        """Keep the first `size` characters, and put a note below them."""
        kept = str(self)[:size]
        self._drop_open()
        self._lines = [kept, note]
        self.size = len(kept) + len(note)

    def __str__(self) -> str:
        return "".join([*self._lines, *self._open])

    def _add_to_open(self, text: str) -> None:
        if not text.strip("\r"):  # whether it is written over, only the next text says
            self._is_overwritten = True
        elif self._is_overwritten or "\r" in text:
            text = last_state("".join(self._open) + text)
            self._drop_open()
            self._is_overwritten = text.endswith("\r")
        self._open.append(text)
        self._open_size += len(text)
        self.size += len(text)

    def _drop_open(self) -> None:
        self.size -= self._open_size
        self._open, self._open_size, self._is_overwritten = [], 0, False


def last_state(line: str) -> str:
    """Return what stands there in the end, if the line writes over itself."""
    if "\r" not in line:
        return line
    text = line.rstrip("\r")
    return text.rpartition("\r")[2] + line[len(text) :]
