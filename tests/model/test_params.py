from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.params import ParamInfo, ParamUse, annotation_of, param_info
from ppacer_nb.testing import dag_spec

WARSAW = ZoneInfo("Europe/Warsaw")


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class AtMost:
    """As libraries of annotations have it."""

    le: float


def info(default: object, *annotations: Any, help: str = "") -> ParamInfo:
    return param_info("p", default, [ParamUse("t", annotation, help) for annotation in annotations], WARSAW)


@pytest.mark.parametrize(
    ("default", "kind", "shown"),
    [
        (True, "bool", "true"),
        (3, "int", "3"),
        (0.5, "float", "0.5"),
        ("Gdansk", "text", "Gdansk"),
        (date(2026, 11, 23), "date", "2026-11-23"),
        (datetime(2026, 11, 23, 6, 15), "datetime", "2026-11-23T06:15:00"),  # noqa: DTZ001
        (datetime(2026, 11, 23, 5, 15, tzinfo=UTC), "datetime", "2026-11-23T06:15:00"),
        (timedelta(minutes=90), "duration", "1h30m"),
        ([1, "ü"], "json", '[1, "ü"]'),
        ({"a": 1}, "json", '{"a": 1}'),
        ((1, 2), "json", "[1, 2]"),
        (Mode.SLOW, "choice", "SLOW"),
        (None, "any", ""),
        ([object], "fixed", "[<class 'object'>]"),
        (float("nan"), "float", "nan"),
        ([(1, 2)], "fixed", "[(1, 2)]"),
    ],
)
def test_without_annotations_the_default_says_of_which_kind_it_is(
    default: object, kind: str, shown: str
) -> None:
    found = info(default)
    assert (found.kind, found.default) == (kind, shown)
    assert found.optional == (default is None)


def test_what_tasks_say_of_it_says_more() -> None:
    assert info(1, float).kind == "float"
    assert info(None, date).kind == "date"
    assert info(None, datetime).aware
    assert not info(datetime(2026, 1, 1), datetime).aware  # noqa: DTZ001
    assert info(None, list[int]).container == "list"
    assert info("a", str | None).optional
    assert not info("a", str).optional
    choice = info("b", Literal["a", "b"])
    assert (choice.kind, choice.choices, choice.default) == ("choice", ["a", "b"], "b")
    numbers = info(2, Literal[1, 2, None])
    assert (numbers.choices, numbers.values) == (["1", "2", "null"], [1, 2, None])
    ranged = info(5, Annotated[int, range(1, 11)])
    assert (ranged.kind, ranged.low, ranged.high) == ("int", 1, 10)
    assert info(0.5, Annotated[float, AtMost(le=1)]).high == 1
    assert info(Mode.FAST, Mode).choices == ["FAST", "SLOW"]
    assert info(1, int, help="# how many").help == "# how many"
    assert info(1, None, float).used_by == ("t", "t")


@pytest.mark.parametrize(
    ("default", "annotation"),
    [
        ("c", Literal["a", "b"]),
        (1, str),
        ("x", int),
        ([1], dict),
        ("FAST", Mode),
        (1, "no type"),
        (1, int | str),
        (1, Literal["1", 1]),
    ],
)
def test_an_annotation_that_the_default_contradicts_says_nothing(default: object, annotation: Any) -> None:
    assert (info(default, annotation).kind, info(default, annotation).choices) == (
        info(default).kind,
        (),
    )


def test_the_source_of_an_annotation_is_read_where_it_names_a_plain_type() -> None:
    assert annotation_of("int") is int
    assert annotation_of("datetime.date") is date
    assert annotation_of("typing.Literal['a', 'b']") == Literal["a", "b"]
    assert annotation_of("Literal['a']") == Literal["a"]
    for text in ("", "Foo", "Literal[x]", "list[", "a b", "__import__('os')"):
        assert annotation_of(text) is None


@given(st.text())
def test_no_source_of_an_annotation_is_run_or_breaks_anything(text: str) -> None:
    annotation_of(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=5,
)


@given(values)
def test_whatever_the_default_what_is_said_of_it_goes_through_json(default: object) -> None:
    found = info(default)
    assert json.loads(json.dumps([found.default, list(found.values)])) == [found.default, list(found.values)]


def test_the_name_of_a_member_stands_for_it_where_the_default_is_one() -> None:
    dag = dag_spec("d", "a", params={"mode": Mode.FAST, "text": "x"})
    assert dag.with_params({"mode": "SLOW", "text": "SLOW"}) == {"mode": Mode.SLOW, "text": "SLOW"}
    assert dag.with_params({"mode": Mode.SLOW})["mode"] is Mode.SLOW
    assert dag.with_params({"mode": "else"})["mode"] == "else"
