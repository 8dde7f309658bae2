"""Waiting for files to change, by the kernel's own word (inotify): no sleep, no polling."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

_MODIFY, _CREATE = 0x2, 0x100
_EVENT = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """What is written to the files of one folder from now on."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if (
            self._descriptor < 0
            or _libc.inotify_add_watch(self._descriptor, bytes(folder), _MODIFY | _CREATE) < 0
        ):
            raise OSError(ctypes.get_errno(), f"{folder} cannot be watched")
        self._seen: deque[str] = deque()

    def close(self) -> None:
        """Watch no longer. Closing again changes nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def has_changed(self, name: str, times: int, seconds: float, *, until: int | None = None) -> bool:
        """Return True when the file `name` was written `times` times, False if it was not in `seconds`.

        Also when the file descriptor `until` can be read.
        """
        end = time.monotonic() + seconds
        others = [] if until is None else [until]
        while times > 0:
            if self._seen:
                times -= self._seen.popleft() == name
                continue
            left = max(0.0, end - time.monotonic())
            ready = select.select([self._descriptor, *others], [], [], left)[0]
            if self._descriptor not in ready:
                return bool(ready)
            self._seen.extend(self._read())
        return True

    def _read(self) -> Iterator[str]:
        data = os.read(self._descriptor, 1 << 16)
        while data:
            _, _, _, length = _EVENT.unpack_from(data)
            yield data[_EVENT.size : _EVENT.size + length].rstrip(b"\0").decode()
            data = data[_EVENT.size + length :]
