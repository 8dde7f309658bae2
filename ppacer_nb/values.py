"""Pickling a task's result, and getting it back: small ones in memory, large ones in a file."""

from __future__ import annotations

import io
import linecache
import os
import pickle
import reprlib
from collections import ChainMap
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType
from typing import Any

import cloudpickle

from ppacer_nb.errors import ValueNotPicklable
from ppacer_nb.model.values import Value

INLINE_BYTES = 64 * 1024  # larger ones would bloat the run history that carries them
_PREVIEW_LENGTH = 200
_preview = reprlib.Repr()
_preview.maxstring = _preview.maxother = _PREVIEW_LENGTH
_preview.maxlevel = 3  # the limits are of each level: six of them, the default, can make megabytes


def dump(value: Any, large: Path, *, test: bool = False) -> Value:
    """Pickle `value`; if that takes over 64 KiB, write it to the file `large`, whole or not at all.

    With `test`, note whether it is falsy: what cannot be tested, such as a DataFrame, raises by itself.

    Raises
    ------
    ValueNotPicklable
        If cloudpickle cannot carry it.
    OSError
        If the file cannot be written.
    """
    is_falsy = test and not value
    data = pickle_value(value)
    type_name = type(value).__qualname__
    if len(data) <= INLINE_BYTES:
        return Value(data, None, len(data), type_name, preview(value), is_falsy)
    write_whole(large, data)
    return Value(None, large, len(data), type_name, preview(value), is_falsy)


def load(value: Value) -> Any:
    """Return what `dump` was given, as a copy of its own."""
    if value.data is not None:
        return pickle.loads(value.data)
    assert value.path is not None
    with value.path.open("rb") as file:
        return pickle.load(file)


def pickle_value(value: Any) -> bytes:
    """Return `value` by cloudpickle; raise ValueNotPicklable with a sentence if that cannot be done."""
    try:
        buffer = io.BytesIO()
        _Pickler(buffer).dump(value)
        return buffer.getvalue()
    except Exception as error:  # pickling runs code of the value's own, which may raise anything
        raise ValueNotPicklable(
            f"a result of type {type(value).__qualname__!r} cannot be handed on, as cloudpickle cannot carry "
            f"it ({type(error).__name__}: {error}): return plain data, or a path to a file of your own."
        ) from error


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Lets a function keep what its traceback needs: the name of its file, and a notebook cell's text.

    cloudpickle (from 3.1.3 on) drops the first, and another kernel cannot look up the second.
    """

    def __init__(self, file: io.BytesIO) -> None:
        self._texts: dict[str, str] = {}
        self.dispatch_table = ChainMap({CodeType: self._reduce}, cloudpickle.Pickler.dispatch_table)
        super().__init__(file)  # reads the table

    def _reduce(self, code: CodeType) -> tuple[Callable[..., CodeType], tuple[Any, ...]]:
        name = code.co_filename
        if name not in self._texts:
            self._texts[name] = "" if os.path.exists(name) else "".join(linecache.getlines(name))
        make, parts = cloudpickle.Pickler.dispatch_table[CodeType](code)
        return _code, (name, self._texts[name], make, parts)


def _code(name: str, text: str, make: Callable[..., CodeType], parts: tuple[Any, ...]) -> CodeType:
    if text and name not in linecache.cache:
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return make(*parts).replace(co_filename=name)


def preview(value: Any) -> str:
    """Return the start of the repr of `value`, 200 characters; never raises, whatever that repr does."""
    try:
        text = _preview.repr(value)
    except Exception as error:  # a repr of the user's own
        return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= _PREVIEW_LENGTH else f"{text[: _PREVIEW_LENGTH - 3]}..."


def write_whole(path: Path, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Write a file, perhaps in pieces, so that it is there whole or not at all; make its folder.

    If `durable`, that is so after a crash of the machine too, for which this waits until the file is on disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_durable(path: Path) -> None:
    """Wait until a file is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
