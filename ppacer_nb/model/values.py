"""A value on its way from one task to the next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Value:
    """A task's result, pickled: a small one is carried along, a large one lies in a file.

    Exactly one of `data` and `path` is set.
    """

    data: bytes | None
    path: Path | None
    size: int  #: bytes, pickled
    type_name: str
    preview: str  #: the start of its repr, for people
    is_falsy: bool = False  #: whether it counts as False; asked of a short circuit's result only
