"""Chance that a replay repeats."""

from __future__ import annotations

import hashlib

from ppacer_nb.model.ids import AttemptKey


def lot_of(key: AttemptKey) -> float:
    """Return a number from 0 to below 1: spread evenly over attempts, always the same for the same one."""
    text = "/".join(map(str, key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
