"""DuckDB's log beside its file: what was committed and has not been moved to the main file."""

from __future__ import annotations

from pathlib import Path

#: Its first entry, which says in which version it is written.
_BEGINNING = b"\x64\x00\x62"


def wal_of(path: Path) -> Path:
    """Return where DuckDB keeps the log of a file."""
    return path.with_name(f"{path.name}.wal")


def begins_well(log: Path) -> bool:
    """Return whether a log is empty, or begins as DuckDB's do.

    DuckDB takes one that does not for one that was never finished, and drops it without a word.
    """
    with log.open("rb") as file:
        beginning = file.read(len(_BEGINNING))
    return _BEGINNING.startswith(beginning)
