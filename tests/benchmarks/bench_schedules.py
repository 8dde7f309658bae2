"""What a schedule's next point costs: ``python -m tests.benchmarks.bench_schedules``, ten seconds.

Beside croniter, which goes from point to point with one iterator and does not know cron(8)'s clock changes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from ppacer_nb import cron, every
from ppacer_nb.errors import InvalidSchedule

EXPRESSIONS = ["* * * * *", "*/15 * * * *", "15 6 * * 1-5", "30 2 * * *", "0 0 1 1 *", "0 0 29 2 *"]
POINTS, REPEATS = 300, 5
WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LINE = "{:34}  {:>14}  {:>14}"


def main() -> None:
    """Print the table."""
    print(LINE.format("median of the next point, Warsaw", "ppacer_nb", "croniter"))
    for expression in EXPRESSIONS:
        ours = cron(expression, timezone=WARSAW)
        print(LINE.format(expression, _shown(_stepped(ours.next)), _shown(_stepped(_croniter(expression)))))
    for start in (NOW - timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC)):
        interval = every("10m", start=start)
        print(LINE.format(f"every 10m since {start:%Y}", _shown(_stepped(interval.next)), ""))
    print(LINE.format("0 0 30 2 *, to its refusal", _shown(_refused("0 0 30 2 *")), ""))


def _croniter(expression: str) -> Callable[[datetime], datetime]:
    iterator = croniter(expression, NOW.astimezone(WARSAW))
    return lambda _: iterator.get_next(datetime)


def _stepped(following: Callable[[datetime], datetime | None]) -> float:
    times, point = [], NOW
    for _ in range(POINTS):
        began = time.perf_counter()
        found = following(point)
        times.append(time.perf_counter() - began)
        assert found is not None
        point = found
    return statistics.median(times)


def _refused(expression: str) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        try:
            cron(expression)
        except InvalidSchedule:
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _shown(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


if __name__ == "__main__":
    main()
