"""How long what runs now usually takes."""

from __future__ import annotations

from datetime import timedelta

from ppacer_nb.widgets.estimating import usual_durations


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def test_the_median_of_the_last_successes_is_usual() -> None:
    found = usual_durations({"a": seconds(5, 100, 6), "b": seconds(2, 4)})
    assert found == {"a": timedelta(seconds=6), "b": timedelta(seconds=3)}


def test_without_a_past_nothing_is_usual() -> None:
    assert usual_durations({"a": []}) == {}
