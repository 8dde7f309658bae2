"""Files beside an executed notebook, for what it has no room for."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

#: What the files of one attempt may take of the disk: enough for any log that a person will search; a task
#: that prints without end, at some 20 MB/s, fills it in a minute.
FILE_BYTES = 1024 * 1024 * 1024

_FULL = b"\n[ppacer: the files of an attempt hold 1 GiB at the most; what followed is left out]\n"
_BUFFER = 256 * 1024
_EXTENSIONS = {"text/plain": ".txt", "text/html": ".html", "image/jpeg": ".jpg", "text/markdown": ".md"}
_TEXT_OF_APPLICATIONS = ("javascript", "json", "xml", "x-latex")


class Overflow:
    """The files of one attempt, all together within `limit` bytes.

    Parameters
    ----------
    file
        Returns the path of a file, by its suffix.
    limit
        Bytes.
    """

    def __init__(self, file: Callable[[str], Path], limit: int = FILE_BYTES) -> None:
        self.file = file
        self.room = limit

    def save(self, suffix: str, data: bytes) -> str:
        """Write a file; return what a note says of it: its name, or why there is none."""
        path = self.file(suffix)
        if len(data) > self.room:
            return "nowhere else, as the files of this attempt hold 1 GiB at the most"
        try:
            path.write_bytes(data)
        except OSError as error:
            path.unlink(missing_ok=True)
            return f"nowhere else, as {path.name} could not be written: {error.strerror}"
        self.room -= len(data)
        return f"in {path.name}"

    def save_bundle(self, suffix: str, data: Mapping[str, Any]) -> str:
        """Write the largest of an output's representations to a file, as `save` does."""
        mime = max(data, key=lambda name: weight(data[name]))
        extension = _EXTENSIONS.get(mime) or mimetypes.guess_extension(mime) or _other_extension(mime)
        return f"its {mime} is {self.save(suffix + extension, _decoded(mime, data[mime]))}"


class Transcript:
    """All that one cell writes to stdout and stderr, in order: in memory, past a limit in a file.

    Parameters
    ----------
    overflow
        Where the file counts.
    suffix
        Of the file's name.
    in_memory
        Characters.
    """

    def __init__(self, overflow: Overflow, suffix: str, in_memory: int) -> None:
        self.path = overflow.file(suffix)
        self.problem = ""  #: why the file lacks its end
        self._overflow = overflow
        self._parts: list[str] = []
        self._room = in_memory
        self._file: BinaryIO | None = None

    def add(self, text: str) -> None:
        """Take in text."""
        if self._file is not None:
            self._write(text)
        elif not self.problem:
            self._parts.append(text)
            self._room -= len(text)
            if self._room < 0:
                self.to_file()

    def to_file(self) -> None:
        """Go on in a file."""
        if self._file is not None or self.problem:
            return
        try:
            self._file = self.path.open("wb", buffering=_BUFFER)
        except OSError as error:
            self.problem = str(error.strerror)
        parts, self._parts = self._parts, []
        for part in parts:
            self._write(part)

    def close(self, *, keep: bool) -> None:
        """End the file; remove it if nobody needs it."""
        self._close()
        if not keep:
            self.path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        data = text.encode("utf-8", "backslashreplace")
        is_full = len(data) > self._overflow.room
        if is_full:
            data = data[: self._overflow.room] + _FULL
        self._overflow.room = max(0, self._overflow.room - len(data))
        try:
            self._file.write(data)
        except OSError as error:  # the cell goes on: what becomes of it does not depend on this file
            self._fail(error)
        if is_full:
            self._close()
            self.problem = self.problem or "the files of an attempt hold 1 GiB at the most"

    def _close(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:  # of writing what was in its buffer
            self.problem = str(error.strerror)

    def _fail(self, error: OSError) -> None:
        self._close()
        self.problem = str(error.strerror)


def weight(value: Any) -> int:
    """Return how many characters a part of an output takes in a notebook."""
    return len(value) if isinstance(value, str) else len(json.dumps(value))


def _decoded(mime: str, value: Any) -> bytes:
    """Return what a file of that type holds."""
    if not isinstance(value, str):
        return json.dumps(value).encode()
    kind, _, name = mime.partition("/")
    if kind != "text" and not name.endswith(_TEXT_OF_APPLICATIONS):
        try:
            return base64.b64decode(value)
        except binascii.Error:  # then it is no base64, but text
            pass
    return value.encode("utf-8", "backslashreplace")


def _other_extension(mime: str) -> str:
    return ".json" if mime.endswith("json") else ".txt" if mime.startswith("text/") else ".bin"
