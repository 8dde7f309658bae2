from __future__ import annotations

from datetime import timedelta
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.views.usual import FEWEST_SEEN, MOST_SEEN, Usual, usual, usual_before

seconds = st.integers(0, 10**6).map(float)


@given(st.lists(seconds, min_size=FEWEST_SEEN))
def test_eight_of_ten_lie_in_the_usual_range(times: list[float]) -> None:
    found = usual(times)
    assert found is not None
    assert min(times) <= found.low <= found.median <= found.high <= max(times)
    assert sum(time < found.low for time in times) <= ceil(len(times) / 10)
    assert sum(time > found.high for time in times) <= ceil(len(times) / 10)


@given(st.lists(seconds, max_size=FEWEST_SEEN - 1))
def test_of_too_few_nothing_is_said(times: list[float]) -> None:
    assert usual(times) is None


@given(st.lists(st.none() | st.floats(0, 1e6).map(lambda s: timedelta(seconds=s)), max_size=80))
def test_what_is_usual_is_made_of_the_successes_before_and_of_the_last_ones(
    history: list[timedelta | None],
) -> None:
    found = list(usual_before(history))
    assert len(found) == len(history)
    for place, range_ in enumerate(found):
        before = [it.total_seconds() for it in history[:place] if it is not None]
        assert range_ == usual(before[-MOST_SEEN:])


def test_slow_is_what_takes_half_as_long_again_as_the_longest_usual_time() -> None:
    assert not Usual(1, 2, 4).is_slow(6)
    assert Usual(1, 2, 4).is_slow(6.1)
