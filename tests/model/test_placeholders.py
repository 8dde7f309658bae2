from __future__ import annotations

from collections import OrderedDict, namedtuple
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.errors import InvalidPlaceholder
from ppacer_nb.model.placeholders import (
    Placeholder,
    Reference,
    Run,
    Secret,
    UpstreamResult,
    fill,
    references,
)
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.status import RunType

run = Run()
DATE = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
Pair = namedtuple("Pair", "left right")


def info(**params: Any) -> RunInfo:
    return RunInfo("sales", "sales/1", RunType.MANUAL, DATE, "load", 2, params)


def filled(value: Any, **params: Any) -> Any:
    def resolve(reference: Reference) -> Any:
        match reference:
            case Placeholder():
                return reference.of(info(**params))
            case Secret(name):
                return f"secret of {name}"
            case UpstreamResult(task_id):
                return [f"result of {task_id}"]

    return fill(value, resolve)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (run.logical_date, DATE),
        (run.dag_id, "sales"),
        (run.run_id, "sales/1"),
        (run.attempt, 2),
        (run.params["city"], "Łódź"),
        (UpstreamResult("a"), ["result of a"]),
        (Secret("KEY"), "secret of KEY"),
        (f"day {run.logical_date:%Y-%m-%d} of {run.dag_id}", "day 2026-11-23 of sales"),
        (f"{run.logical_date:%H:%M}", "05:15"),
        (f"{run.attempt:03d}|{run.attempt!s}", "002|2"),
        (f"{run.params['city']:>6}|", "  Łódź|"),
        (f"{run.params['city']}" * 2, "ŁódźŁódź"),
        ([run.attempt, {"k": (run.dag_id, {run.attempt})}], [2, {"k": ("sales", {2})}]),
        ({run.dag_id: 1}, {"sales": 1}),
        (frozenset({run.attempt}), frozenset({2})),
        (Pair(run.attempt, 1), Pair(2, 1)),
        (OrderedDict(a=run.attempt), {"a": 2}),
        (
            "{{run.dag_id}} {{ run.dag_id }} {{other}} {run.dag_id}",
            "sales {{ run.dag_id }} {{other}} {run.dag_id}",
        ),
    ],
)
def test_what_is_filled_in(value: Any, expected: Any) -> None:
    result = filled(value, city="Łódź")
    assert result == expected
    assert isinstance(result, type(expected))


def test_what_holds_no_reference_is_passed_on_and_not_copied() -> None:
    for value in ([1, [2]], {"a": {}}, "plain {{text}}", object(), {1, 2}):
        assert filled(value) is value


def test_what_is_filled_in_is_not_looked_into_again() -> None:
    assert filled(run.params["x"], x="{{run.dag_id}}") == "{{run.dag_id}}"
    assert filled(f"<{run.params['x']}>", x="{{run.dag_id}}") == "<{{run.dag_id}}>"


@given(st.text(), st.text())
def test_a_parameter_of_any_name_and_value_comes_through_a_text(name: str, value: str) -> None:
    text = f"<{run.params[name]}>"
    assert list(references(text)) == [Placeholder("params", name)]
    assert filled(text, **{name: value}) == f"<{value}>"


@pytest.mark.parametrize(
    "text",
    [
        r"{{run.params['\x']}}",
        r"{{run.params['\d']}}",
        r"{{run.params['\U99999999']}}",
        "{{run.params['a\"]}}",
        "{{run.params[5]}}",
        "{{run.}}",
        "{{run.dag_id",
        "{{run.dag_id:{}}}",
        "{{run." * 1000,
    ],
)
def test_what_only_looks_like_a_mark_is_text(text: str) -> None:
    assert list(references(text)) == []
    assert filled(text) == text


def test_a_parameter_is_named_by_a_text() -> None:
    with pytest.raises(InvalidPlaceholder, match=r"run.params\[5\]: the name of a parameter is a text"):
        run.params[5]  # type: ignore[index]


@given(st.text())
def test_any_text_without_a_mark_stays_what_it_is(text: str) -> None:
    assert filled(text.replace("{{run.", "")) == text.replace("{{run.", "")


@given(st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.lists(inner) | st.tuples(inner)))
def test_references_are_found_however_deep(value: Any) -> None:
    nested = [value, (value, {"k": [run.attempt, value]}), f"{run.dag_id}"]
    assert list(references(nested)) == [Placeholder("attempt"), Placeholder("dag_id")]


@pytest.mark.parametrize("use", [bool, lambda p: p and 1, lambda p: 1 if p else 2, lambda p: not p])
def test_a_placeholder_cannot_be_decided_on_at_definition(use: Any) -> None:
    with pytest.raises(InvalidPlaceholder, match=r"run.params\['full'\] is known only when the task runs"):
        use(run.params["full"])


def test_a_secret_cannot_become_part_of_a_text() -> None:
    with pytest.raises(InvalidPlaceholder, match=r"secret\('KEY'\) cannot be part of a text"):
        f"{Secret('KEY')}"
    with pytest.raises(InvalidPlaceholder, match="pass it as an argument of its own"):
        "{}".format(Secret("KEY"))
    assert str(Secret("KEY")) == repr(Secret("KEY")) == "secret('KEY')"


def test_a_run_says_what_it_has() -> None:
    with pytest.raises(AttributeError, match=r"no 'date': there are run.logical_date, run.dag_id, .*params"):
        getattr(run, "date")  # noqa: B009 - as a user would write run.date
    assert (repr(run), repr(run.params), repr(run.logical_date)) == ("run", "run.params", "run.logical_date")
