"""Ids of DAGs, tasks and runs.

A run is one (DAG, run type, instant), and its id spells exactly that in UTC:
``daily_sales/scheduled-20261123T051500Z``. Two clocks, two zones or two processes cannot make two ids
of one schedule point. The id is also the run's folder below ``.ppacer/runs``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from ppacer_nb.errors import InvalidId
from ppacer_nb.status import RunType

MAX_ID_BYTES = 120  # leaves room for ".12.ipynb" and the like within a file name's 255 bytes
_ID = re.compile(r"\w[\w.-]*")


class AttemptKey(NamedTuple):
    """Which attempt of which task in which run."""

    run_id: str
    task_id: str
    attempt: int


def check_id(value: object, *, what: str) -> str:
    """Return `value` if it can name a `what` ("DAG", "task"); ids become parts of file names.

    Raises
    ------
    InvalidId
        If it is not text, empty, over 120 bytes, or has other characters than letters, digits, ``_ - .``.
    """
    if not isinstance(value, str) or not value:
        raise InvalidId(f"A {what} needs a non-empty text as its id, not {value!r}.")
    if not _ID.fullmatch(value):
        raise InvalidId(
            f"{what} id {value!r} can hold only letters, digits, '_', '-' and '.', and starts with a letter, "
            "digit or '_': it names files and folders too."
        )
    if len(value.encode()) > MAX_ID_BYTES:
        raise InvalidId(f"{what} id {value[:40]!r}... is over {MAX_ID_BYTES} bytes: choose a shorter one.")
    return value


def run_id_of(dag_id: str, run_type: RunType, logical_date: datetime) -> str:
    """Return the id of the run that `dag_id` has for `logical_date` (aware; exact to the microsecond)."""
    return f"{dag_id}/{run_type}-{stamp(logical_date)}"


def dag_id_of(run_id: str) -> str:
    """Return the DAG's id within a run's id."""
    return run_id.partition("/")[0]


def stamp(instant: datetime) -> str:
    """Return an aware instant in UTC as ids spell it, exact to the microsecond."""
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    text = in_utc.isoformat()  # a third of the time that strftime takes
    return f"{text.removesuffix('+00:00').replace('-', '').replace(':', '')}Z"
