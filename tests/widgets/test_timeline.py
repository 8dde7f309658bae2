"""What the time axis of a run's attempts shows."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.history import AttemptRecord
from ppacer_nb.status import AttemptState
from ppacer_nb.widgets.timeline import SHORTEST_CUT, stretches
from tests.widgets.records import T0, attempt


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def ran(queued: float, started: float, ended: float | None) -> AttemptRecord:
    """Return an attempt; times in seconds from T0."""
    return attempt(
        "extract",
        AttemptState.RUNNING if ended is None else AttemptState.SUCCESS,
        queued_at=T0 + after(queued),
        started_at=T0 + after(started),
        ended_at=None if ended is None else T0 + after(ended),
    )


def seconds(*attempts: AttemptRecord) -> list[tuple[float, float | None]]:
    return [
        ((since - T0).total_seconds(), None if to is None else (to - T0).total_seconds())
        for since, to in stretches(attempts)
    ]


def test_a_run_that_has_not_begun_has_no_time_to_show() -> None:
    never = attempt("extract", AttemptState.UPSTREAM_FAILED, 0, started_at=None, queued_at=None)
    assert stretches([]) == stretches([never]) == []


def test_attempts_one_after_the_other_are_one_stretch_from_the_first_waiting() -> None:
    assert seconds(ran(0, 2, 10), ran(10, 10, 30), ran(31, 31, 40)) == [(0, 40)]


def test_a_restart_hours_later_is_a_stretch_of_its_own() -> None:
    assert seconds(ran(0, 0, 60), ran(9_000, 9_000, 9_060)) == [(0, 60), (9_000, 9_060)]


def test_a_pause_that_is_shorter_than_the_work_is_shown() -> None:
    assert seconds(ran(0, 0, 600), ran(900, 900, 1_200)) == [(0, 1_200)]


def test_a_short_pause_is_shown_however_short_the_work_was() -> None:
    pause = SHORTEST_CUT.total_seconds()
    assert seconds(ran(0, 0, 0.1), ran(pause, pause, pause + 0.1)) == [(0, pause + 0.1)]


def test_what_runs_still_has_no_end() -> None:
    assert seconds(ran(0, 0, 60), ran(9_000, 9_000, None)) == [(0, 60), (9_000, None)]


def test_a_clock_that_was_put_back_makes_no_stretch_run_backwards() -> None:
    assert seconds(ran(5, 4, 1)) == [(4, 4)]


times = st.floats(0, 100_000)


@given(st.lists(st.tuples(times, times, times)))
def test_everything_is_shown_and_in_order(drawn: list[tuple[float, float, float]]) -> None:
    attempts = [ran(*sorted(three)) for three in drawn]
    found = stretches(attempts)
    for since, to in found:
        assert to is not None
        assert since <= to
    for (_, earlier), (later, _) in pairwise(found):
        assert earlier is not None
        assert later - earlier > SHORTEST_CUT
    for one in attempts:
        assert one.queued_at is not None
        assert one.ended_at is not None
        assert any(s <= one.queued_at and to is not None and one.ended_at <= to for s, to in found)
