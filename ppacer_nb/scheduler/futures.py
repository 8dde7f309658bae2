"""Futures that two threads may want to answer at the same moment: the first answer counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

T = TypeVar("T")


def resolve(future: Future[T], result: T) -> None:
    """Answer with `result`, unless it was answered already."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(result)


def refuse(futures: Iterable[Future[Any]], error: Exception) -> None:
    """Let each of them raise `error`, unless it was answered already."""
    for future in list(futures):
        with contextlib.suppress(InvalidStateError):
            future.set_exception(error)
