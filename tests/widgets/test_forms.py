from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.params import ParamUse, param_info
from ppacer_nb.widgets.forms import Refused, filled_in, moment_of, value_of

WARSAW = ZoneInfo("Europe/Warsaw")
NAIVE = datetime(2026, 1, 1, 6, 30)  # noqa: DTZ001


def value(default: object, text: str, annotation: Any = None) -> Any:
    return value_of(param_info("p", default, [ParamUse("t", annotation)], WARSAW), text, WARSAW)


@pytest.mark.parametrize(
    ("default", "text", "meant"),
    [
        (True, "false", False),
        (1, " -12 ", -12),
        (1.0, "2", 2.0),
        (1.0, "1e3", 1000.0),
        ("a", " as it is ", " as it is "),
        ("a", "", ""),
        (date(2026, 1, 1), "2026-11-23", date(2026, 11, 23)),
        (NAIVE, "2026-11-23T06:15", datetime(2026, 11, 23, 6, 15)),  # noqa: DTZ001
        (NAIVE.replace(tzinfo=WARSAW), "2026-11-23T06:15", datetime(2026, 11, 23, 6, 15, tzinfo=WARSAW)),
        (NAIVE, "2026-11-23T05:15Z", datetime(2026, 11, 23, 6, 15)),  # noqa: DTZ001
        (timedelta(1), "1h30m", timedelta(minutes=90)),
        ([1], "[]", []),
        ((1,), "[1, 2]", (1, 2)),
        ({1}, "[1, 2, 2]", {1, 2}),
        ({"a": 1}, '{"b": [null]}', {"b": [None]}),
        (None, "", None),
        (None, "[1]", [1]),
        (None, "[1", "[1"),
    ],
)
def test_what_is_written_becomes_a_value_of_the_right_type(default: object, text: str, meant: object) -> None:
    found = value(default, text)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("default", "annotation", "text", "sentence"),
    [
        (True, None, "yes", "'yes' is neither true nor false."),
        (1, None, "1.5", "'1.5' is no whole number: write one such as 10."),
        (1, None, "", "'' is no whole number"),
        (1.0, None, "nan", "'nan' is no number"),
        (1.0, None, "x" * 99, f"'{'x' * 40}…' is no number"),
        (5, Annotated[int, range(1, 11)], "0", "0 is too small: it is 1 or more."),
        (5, Annotated[int, range(1, 11)], "11", "11 is too large: it is 10 or less."),
        (date(2026, 1, 1), None, "2026-13-01", "'2026-13-01' is no date: write one such as 2026-11-23."),
        (NAIVE, None, "tomorrow", "'tomorrow' is no date with a time"),
        (timedelta(1), None, "soon", "'soon' is no length of time"),
        ("a", Literal["a", "b"], "c", "'c' is no choice: there are a, b."),
        ([1], None, "[1", "this is no JSON: Expecting"),
        ([1], None, "{}", "this is no list: write one such as [1, 2]."),
        ({}, None, "[]", "this is no dict"),
        ({1}, None, "[[1]]", "a set holds only numbers and texts."),
        (1, None, "9" * 5000, "is no whole number"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    default: object, annotation: Any, text: str, sentence: str
) -> None:
    with pytest.raises(Refused) as refusal:
        value(default, text, annotation)
    assert sentence in str(refusal.value)


@given(
    st.sampled_from([True, 1, 0.5, "a", date(2026, 1, 1), NAIVE, timedelta(1), [1], {}, (1,), {1}, None]),
    st.text(),
)
def test_whatever_is_written_is_a_value_or_refused(default: object, text: str) -> None:
    with suppress(Refused):
        value(default, text)


def test_only_what_was_changed_is_given_and_every_problem_has_its_field() -> None:
    params = [
        param_info(name, default, [], WARSAW) for name, default in {"a": 1, "b": "x", "c": [object]}.items()
    ]
    assert filled_in(params, {"a": "1", "b": "y", "c": "whatever"}, WARSAW) == ({"b": "y"}, {})
    given, problems = filled_in(params, {"a": "one"}, WARSAW)
    assert (given, list(problems)) == ({}, ["a"])


def test_a_logical_date_is_read_in_the_zone_of_the_dag() -> None:
    assert moment_of("  ", WARSAW) is None
    assert moment_of("2026-11-23T06:15", WARSAW) == datetime(2026, 11, 23, 6, 15, tzinfo=WARSAW)
    with pytest.raises(Refused):
        moment_of("then", WARSAW)
