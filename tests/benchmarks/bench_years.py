"""Ten years of 200 DAGs, no point lost or doubled: ``python -m tests.benchmarks.bench_years``, a minute.

The real engine in simulated time decides every point, makes its run, starts its task and ends it; executors
end each task at once. No loop, no threads and no store: `tests/scheduler` and `tests/testing` have those, for
days.

Each DAG's points are then compared with those that its schedule gives when it is asked for one after the
other, and where clocks are those of UTC, Warsaw or New York also with `arithmetic`, which knows neither
croniter nor zoneinfo.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path
from zoneinfo import ZoneInfo

from ppacer_nb.engine.commands import Command, Record, Start
from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.engine.queue import Limits
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.events import RunEvent, ScheduleEvent
from ppacer_nb.schedules import (
    Schedule,
    cron,
    daily,
    every,
    hourly,
    monthly,
    parse_schedule,
    points_between,
    weekly,
    yearly,
)
from ppacer_nb.status import RunState, RunType, ScheduleEventKind
from ppacer_nb.testing import dag_spec
from tests.benchmarks.table import print_table
from tests.engine.bench import GOOD

START, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ODD_ZONES = (
    *("Europe/London", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe", "Africa/Cairo"),
    *("America/Sao_Paulo", "Pacific/Auckland", "America/Havana", "Africa/Casablanca", "Pacific/Chatham"),
)
EVERY_DAY, WEEKDAYS = range(7), range(1, 6)  # Sunday is 0, as in cron


@dataclass(frozen=True)
class Times:
    """A cron expression as numbers: times of day on days of the week."""

    minutes: Sequence[int]
    hours: Sequence[int] | None  #: None: a star
    weekdays: Sequence[int]

    @property
    def expression(self) -> str:
        """The same as text."""
        hours = "*" if self.hours is None else _listed(self.hours)
        weekdays = "*" if self.weekdays == EVERY_DAY else _listed(self.weekdays)
        return f"{_listed(self.minutes)} {hours} * * {weekdays}"


@dataclass(frozen=True)
class Planned:
    """A DAG of the benchmark; `times` where its points can be had by arithmetic too."""

    dag: DagSpec
    times: Times | None


@dataclass
class Played:
    """What the engine did."""

    points: dict[str, list[datetime]]  #: those that became a run on time, by DAG
    ended: dict[str, list[datetime]]  #: logical dates of the runs that succeeded at once, by DAG
    others: int  #: schedule events of any other kind

    @property
    def count(self) -> int:
        """How many points there were."""
        return sum(map(len, self.points.values()))


def main() -> None:
    """Print the table."""
    planned = plan()
    began, cpu = time.perf_counter(), time.process_time()
    played = play([one.dag for one in planned], START, END)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    by_arithmetic, wrong = check(planned, played, START, END)
    checked = time.perf_counter() - began
    rows = [
        ("DAGs, years", f"{len(planned)}, {(END - START) // (365 * DAY)}"),
        ("points, each with a run that ended", f"{played.count:,}"),
        ("seconds in the engine", f"{took:.1f}"),
        ("CPU seconds of these", f"{cpu:.1f}"),
        ("points per second", f"{played.count / took:,.0f}"),
        ("points checked by arithmetic too", f"{by_arithmetic:,}"),
        ("seconds for checking", f"{checked:.1f}"),
        ("DAGs with a point lost, doubled or late", str(len(wrong))),
    ]
    print_table(("ten years of 200 DAGs", "measured"), rows)
    if wrong:
        sys.exit(f"wrong: {', '.join(wrong)}")


def plan(count: int = 200) -> list[Planned]:
    """Return the first `count` DAGs; some of each kind are among the first twenty."""
    return list(islice(_planned(), count))


def play(dags: Iterable[DagSpec], start: datetime, end: datetime) -> Played:
    """Let the engine have `dags` from `start` until before `end`."""
    engine = Coordinator(Limits(max_workers=64), Path("runs"))
    played = Played(defaultdict(list), defaultdict(list), 0)
    now = start - timedelta(microseconds=1)
    todo: list[Command] = []
    for dag in dags:
        todo += engine.register(dag, None, now)
    while True:
        while todo:
            started = [command.job.key for command in todo if type(command) is Start]
            _note(played, todo, now)
            todo = [command for key in started for command in engine.attempt_ended(key, GOOD, now)]
        due = engine.next_wakeup
        if due is None or due >= end:
            return played
        now = due
        todo = engine.advance(now)


def check(
    planned: Sequence[Planned], played: Played, start: datetime, end: datetime
) -> tuple[int, list[str]]:
    """Return how many points arithmetic was asked for too, and the ids of DAGs with one not as expected."""
    wrong = [] if played.others == 0 else ["a point that was not on time"]
    by_arithmetic = 0
    for one in planned:
        dag = one.dag
        assert dag.schedule is not None
        instant = timedelta(microseconds=1)
        expected = list(points_between(dag.schedule, start - instant, end - instant))
        right = played.points[dag.id] == expected == played.ended[dag.id]
        if one.times is not None:
            by_arithmetic += len(expected)
            right = right and expected == list(arithmetic(one.times, dag.timezone.key, start, end))
        if not right:
            wrong.append(dag.id)
    return by_arithmetic, wrong


def arithmetic(times: Times, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the points of a cron expression from `start` until before `end`, hour by hour.

    By what the law says of the clocks, and cron(8) of jobs: those at a fixed time run at the first showing of
    it, or when the clocks have jumped over it; the others go by the clock on the wall.
    """
    changes = {change for year in range(start.year, end.year + 1) for change in _changes(zone, year)}
    for number in range((end - start) // HOUR):
        instant = start + number * HOUR
        wall, minutes = _wall(instant, zone), times.minutes
        matches = _matches(times, wall)
        if times.hours is not None and instant in changes:
            if wall == _wall(instant - HOUR, zone):  # back: it has been shown before
                continue
            if _matches(times, wall - HOUR):  # forward: what was skipped runs now
                minutes, matches = sorted({0, *(minutes if matches else ())}), True
        if matches:
            yield from (instant + timedelta(minutes=minute) for minute in minutes)


def _matches(times: Times, wall: datetime) -> bool:
    weekday = wall.isoweekday() % 7
    return (times.hours is None or wall.hour in times.hours) and weekday in times.weekdays


def _wall(instant: datetime, zone: str) -> datetime:
    standard = {"UTC": 0, "Europe/Warsaw": 1, "America/New_York": -5}[zone]
    summer = _changes(zone, instant.year)
    is_summer = bool(summer) and summer[0] <= instant < summer[1]
    return instant + (standard + is_summer) * HOUR


@lru_cache
def _changes(zone: str, year: int) -> tuple[datetime, ...]:
    """Return when clocks go forward and back: EU directive 2000/84/EC, US Energy Policy Act of 2005."""
    if zone == "Europe/Warsaw":
        return tuple(_sunday(year, month, -1) + HOUR for month in (3, 10))
    if zone == "America/New_York":
        return _sunday(year, 3, 2) + 7 * HOUR, _sunday(year, 11, 1) + 6 * HOUR
    return ()


def _sunday(year: int, month: int, nth: int) -> datetime:
    """Return the nth Sunday of a month, the last one for -1."""
    days = [datetime(year, month, 1, tzinfo=UTC) + n * DAY for n in range(31)]
    sundays = [day for day in days if day.month == month and day.isoweekday() == 7]
    return sundays[nth - 1 if nth > 0 else nth]


def _note(played: Played, commands: Iterable[Command], now: datetime) -> None:
    for command in commands:
        if type(command) is not Record:
            continue
        event = command.event
        if type(event) is ScheduleEvent:
            if event.kind is ScheduleEventKind.REGULAR and event.first == now:
                played.points[event.dag_id].append(event.first)
            else:
                played.others += 1
        elif type(event) is RunEvent and _ended_well_at_once(event):
            played.ended[event.dag_id].append(event.logical_date)


def _ended_well_at_once(event: RunEvent) -> bool:
    is_success = event.state is RunState.SUCCESS and event.run_type is RunType.SCHEDULED
    return is_success and event.at == event.logical_date


def _planned() -> Iterator[Planned]:
    zones, odd = cycle(("UTC", "Europe/Warsaw", "America/New_York")), cycle(ODD_ZONES)
    for number in range(1000):
        kind, turn = number % 20, number // 20
        if kind < 12:
            times = _times(kind, turn)
            zone = next(zones)
            yield Planned(_dag(number, cron(times.expression), zone), times)
        else:
            yield Planned(_dag(number, _other(kind, turn), next(odd)), None)


def _times(kind: int, turn: int) -> Times:
    minute, hour = (7 * turn + kind) % 60, (turn + kind) % 24
    if kind < 5:
        return Times([minute], [hour], EVERY_DAY)
    if kind < 9:
        return Times([minute], [(hour + turn) % 5], WEEKDAYS)  # at night, when clocks change
    if kind == 9:
        return Times([0, 30], [1, 2], [0, turn % 7] if turn % 7 else [0])
    if kind == 10:
        return Times([minute], None if turn < 3 else [hour], [turn % 7])  # a star goes by the wall
    return Times([minute], [2], [0])


def _other(kind: int, turn: int) -> Schedule:
    minute, hour = (11 * turn + kind) % 60, (turn + kind) % 24
    at = f"{hour:02}:{minute:02}"
    nights = [f"{minute} 2 * * *", f"{minute} 0 * * 1-5", f"{minute} {hour} L * *", f"{minute} 1 13 * 5"]
    rare = [monthly(1 + turn % 31, at), yearly(1 + turn % 12, 1, at), cron(f"{minute} {hour} * * 5#2")]
    kinds: dict[int, Schedule] = {
        12: daily(at),
        13: weekly(("friday", "sun", "wed")[turn % 3], at),
        14: cron(nights[turn % len(nights)]),
        15: rare[turn % len(rare)],
        16: every(("36h", "1d", "7h30m", "12h")[turn % 4]),
        17: every("1d", start=datetime(2026, 11, 23, 6, 15, tzinfo=ZoneInfo("Asia/Kolkata"))),
        18: cron(f"{minute} */12 * * *"),
        19: hourly(minute) if turn == 0 else daily("02:30"),
    }
    return kinds[kind]


def _dag(number: int, schedule: Schedule, zone: str) -> DagSpec:
    where = ZoneInfo(zone)
    read = parse_schedule(schedule, timezone=where)
    return dag_spec(f"dag{number}", "only", schedule=read, timezone=where)


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


if __name__ == "__main__":
    main()
