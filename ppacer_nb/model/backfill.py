"""Backfills: runs for a range of logical dates that somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ppacer_nb.errors import InvalidOption
from ppacer_nb.status import BackfillState, Rerun

#: Why a point is left out: it has an unfinished run or waits for one, a run of it succeeded, its runs failed
#: or were cancelled, or the schedule has yet to come to it.
Why = Literal["unfinished", "succeeded", "failed", "to come"]

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """What somebody asks for."""

    first: datetime
    last: datetime  #: inclusive
    rerun: Rerun = Rerun.NONE
    concurrency: int = (
        1  #: of its runs, how many are under way at once; they do not count as the DAG's others
    )
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackfillOrder:
    """What a backfill does: fixed when it begins."""

    request: BackfillRequest
    points: tuple[datetime, ...]  #: that are run, in order
    again: frozenset[datetime] = (
        frozenset()
    )  #: those of them whose backfill run is there already, and goes on


@dataclass(frozen=True, slots=True)
class SkippedPoint:
    """A point that a backfill leaves out, and why."""

    point: datetime
    why: Why


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a backfill runs and what it leaves out."""

    dag_id: str
    first: datetime
    last: datetime
    points: Sequence[datetime]  #: that are run, in order
    skipped: Sequence[SkippedPoint]
    concurrency: int
    backfill_id: str = ""  #: "" where nothing was begun


@dataclass(frozen=True, slots=True)
class BackfillRecord:
    """How far a backfill has come, by how its runs stand now."""

    backfill_id: str
    dag_id: str
    state: BackfillState
    first: datetime
    last: datetime
    runs: int  #: how many it makes
    succeeded: int
    failed: int  #: how many failed or were cancelled
    concurrency: int
    created_at: datetime
    ended_at: datetime | None
    reason: str  #: who asked for its state

    @property
    def done(self) -> int:
        """How many of its runs have ended."""
        return self.succeeded + self.failed


def request_of(
    dag_id: str, span: tuple[datetime, datetime], rerun: str, concurrency: int, params: Mapping[str, Any]
) -> BackfillRequest:
    """Return what is asked for, if it means something.

    Raises
    ------
    InvalidOption
        If `rerun` or `concurrency` means nothing.
    """
    if rerun not in list(Rerun):
        raise InvalidOption(
            f"rerun of the backfill of DAG {dag_id!r} is {rerun!r}: give one of {', '.join(Rerun)}."
        )
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
        raise InvalidOption(
            f"concurrency of the backfill of DAG {dag_id!r} is {concurrency!r}: give a whole number from 1."
        )
    return BackfillRequest(*span, Rerun(rerun), concurrency, dict(params))


def span_of(
    first: date | datetime | str, last: date | datetime | str, zone: ZoneInfo, dag_id: str
) -> tuple[datetime, datetime]:
    """Return the instants from which and up to which a backfill goes, in UTC; both belong to it.

    What has no timezone is read in `zone`. A date stands for its whole day there.

    Raises
    ------
    InvalidOption
        If one of them is no date, or the range ends before it begins.
    """
    begin = _moment(first, f"the beginning of the backfill of DAG {dag_id!r}")
    end = _moment(last, f"the end of the backfill of DAG {dag_id!r}")
    if isinstance(begin, datetime):
        start = _instant(begin, zone, fold=0)
    else:
        start = _instant(datetime.combine(begin, time()), zone, fold=0)
    if isinstance(end, datetime):
        until = _instant(end, zone, fold=1)  # of a time that comes twice the second one
    else:
        try:
            until = _instant(datetime.combine(end + timedelta(days=1), time()), zone, fold=0) - _MICROSECOND
        except OverflowError:
            until = datetime.max.replace(tzinfo=UTC)
    if until < start:
        raise InvalidOption(
            f"the backfill of DAG {dag_id!r} ends before it begins: {last} is earlier than {first}."
        )
    return start, until


def _moment(value: date | datetime | str, what: str) -> date | datetime:
    if isinstance(value, date):
        return value
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(value)
        except (ValueError, TypeError):
            continue
    raise InvalidOption(f"{what} is {value!r}: give a date such as 2026-11-23 or 2026-11-23T06:15.")


def _instant(moment: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    local = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone, fold=fold)
    try:
        return local.astimezone(UTC)
    except OverflowError:
        return local.replace(tzinfo=UTC)
