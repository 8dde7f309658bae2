"""Where a running scheduler is found: ``scheduler.json`` beside its store, for its owner's eyes only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ppacer_nb.server.wire import decode, encode

FILE = "scheduler.json"


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a scheduler, and who it is."""

    url: str
    token: str
    pid: int
    notebook: str
    started_at: datetime | None


def publish(address: Address, store: Path) -> None:
    """Write the address beside `store`, whole, mode 0600."""
    path = store.parent / FILE
    temporary = path.with_name(f".{FILE}.{address.pid}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(encode(address))
    temporary.replace(path)


def withdraw(store: Path) -> None:
    """Remove the address of this process's scheduler."""
    address = published(store)
    if address is not None and address.pid == os.getpid():
        (store.parent / FILE).unlink(missing_ok=True)


def published(store: Path) -> Address | None:
    """Return the address beside `store`; None if there is none, or it cannot be read.

    It may be that of a scheduler that died: only a connection shows that it lives.
    """
    try:
        address: Address = decode((store.parent / FILE).read_bytes(), Address)
    except (OSError, ValueError):  # none there, or not ours to read: as if there were none
        return None
    return address
