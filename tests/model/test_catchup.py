from __future__ import annotations

from datetime import timedelta

import pytest

from ppacer_nb.model.catchup import ALL, LAST, OFF, Catchup, CatchupMode


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (False, OFF),
        (True, ALL),
        ("all", ALL),
        ("last", LAST),
        ("7d", Catchup(CatchupMode.WINDOW, timedelta(days=7))),
        (timedelta(hours=1), Catchup(CatchupMode.WINDOW, timedelta(hours=1))),
    ],
)
def test_what_a_user_means(value: object, meant: Catchup) -> None:
    assert Catchup.of(value) == meant


@pytest.mark.parametrize("value", [None, 7, 0, "", "first", "-1d", timedelta(-1), ["all"]])
def test_what_means_nothing(value: object) -> None:
    with pytest.raises(ValueError, match="is no"):
        Catchup.of(value)


@pytest.mark.parametrize("value", ["0s", timedelta(0)])
def test_a_window_of_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a window of no time holds no point"):
        Catchup.of(value)


def test_it_says_itself_in_a_word() -> None:
    assert [str(c) for c in (OFF, ALL, LAST, Catchup.of("36h"))] == ["off", "all", "last", "1d12h"]
