from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.errors import CycleError, InvalidParameters, InvalidPlaceholder
from ppacer_nb.model.catchup import Catchup
from ppacer_nb.model.dag import DagSpec, check_references, did_you_mean, in_order
from ppacer_nb.model.placeholders import Placeholder, Secret, UpstreamResult
from ppacer_nb.model.task import FunctionWork, TaskOptions, TaskSpec
from ppacer_nb.testing import dag_spec


def task(id: str, *upstreams: str, args: tuple[Any, ...] = (), source: str = "") -> TaskSpec:
    return TaskSpec(id, FunctionWork(print, b"", "print", source, args), upstreams=upstreams)


def dag(*tasks: TaskSpec, **head: Any) -> DagSpec:
    return DagSpec("d", in_order("d", tasks), **head)


def test_upstreams_come_first_and_the_rest_stays_as_it_was_written() -> None:
    tasks = [task("report", "total"), task("load"), task("clean", "load"), task("total", "clean"), task("z")]
    assert list(in_order("d", tasks)) == ["load", "clean", "total", "report", "z"]
    written = [task("a"), task("b", "a"), task("c"), task("d", "c")]
    assert list(in_order("d", written)) == ["a", "b", "c", "d"]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_any_graph_without_a_circle_is_put_in_order(pairs: list[tuple[int, int]]) -> None:
    edges = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    tasks = [task(str(n), *(str(a) for a, b in edges if b == n)) for n in reversed(range(10))]
    order = list(in_order("d", tasks))
    assert sorted(order) == sorted(str(n) for n in range(10))
    assert all(order.index(str(a)) < order.index(str(b)) for a, b in edges)


@pytest.mark.parametrize(
    ("tasks", "circles"),
    [
        ([task("a", "a")], ["a >> a"]),
        ([task("a", "b"), task("b", "a")], ["a >> b >> a", "b >> a >> b"]),
        (
            [task("load", "total"), task("clean", "load"), task("total", "clean"), task("x", "load")],
            [
                "load >> clean >> total >> load",
                "clean >> total >> load >> clean",
                "total >> load >> clean >> total",
            ],
        ),
    ],
)
def test_a_circle_is_shown_in_the_direction_of_its_edges(tasks: list[TaskSpec], circles: list[str]) -> None:
    with pytest.raises(CycleError, match="Take out one of these edges") as caught:
        in_order("d", tasks)
    assert any(f"'d' wait for each other: {circle}." in str(caught.value) for circle in circles)


def test_downstreams_are_the_other_side_of_upstreams() -> None:
    assert dag_spec("d", "a >> b, c >> d").downstreams == {
        "a": ("b", "c"),
        "b": ("d",),
        "c": ("d",),
        "d": (),
    }


def test_the_version_changes_with_everything_that_the_definition_says() -> None:
    base = dag(task("a"))
    others = [
        dag(task("a", source="x = 1")),
        dag(task("a", args=(1,))),
        dag(task("a"), task("b")),
        dag(replace(task("a"), options=TaskOptions(retries=1))),
        dag(task("a"), params={"x": 1}),
        *(dag(task("a"), catchup=Catchup.of(value)) for value in (True, "last", "7d", "8d")),
        dag(task("a"), description="for people"),
        dag(task("a"), tags=("x",)),
        dag(task("a"), timezone=ZoneInfo("Europe/Warsaw")),
        dag(task("a"), start=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))),
    ]
    assert len({base.version, *(other.version for other in others)}) == 1 + len(others)
    assert len(base.version) == 12


def test_an_address_in_a_repr_is_no_part_of_the_version() -> None:
    one, other = object(), object()
    assert repr(one) != repr(other)
    assert dag(task("a", args=(one,))).version == dag(task("a", args=(other,))).version
    assert dag(params={"x": one}).version == dag(params={"x": other}).version


def test_the_definition_names_sources_by_their_hashes() -> None:
    spec = dag(task("a", source="x = 1"))
    assert spec.source.endswith(f"\nsource {spec.tasks['a'].source_hash}")
    assert "x = 1" not in spec.source


def test_params_are_the_defaults_with_those_given_in_their_place() -> None:
    spec = dag_spec("d", "a", params={"city": "Gdansk", "top": 3})
    assert spec.with_params({"top": 5}) == {"city": "Gdansk", "top": 5}
    assert spec.params == {"city": "Gdansk", "top": 3}
    with pytest.raises(InvalidParameters, match=r"'d' has no parameter 'citty' .did you mean 'city'.*'top'"):
        spec.with_params({"citty": 1})


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (UpstreamResult("gone"), "the result of 'gone', which is no task of this DAG"),
        (
            Placeholder("params", "citty"),
            r"run.params\['citty'\], but the DAG has the params 'city' .did you",
        ),
        ([{"k": (Placeholder("date"),)}], "run.date, which no run has: there are run.logical_date"),
        ("{{run.date}}", "run.date, which no run has"),
        ("{{run.params}}", "run.params, which no run has"),
        ("{{run.params['x']:>5}}", "but the DAG has the params 'city'"),
        ("{{run.dag_id['x']}}", "but the DAG has the params 'city'"),
    ],
)
def test_what_no_run_can_fill_in_is_refused_with_task_and_dag(argument: Any, sentence: str) -> None:
    with pytest.raises(InvalidPlaceholder, match=f"task 'a' of DAG 'd' is given .*{sentence}"):
        check_references(dag(task("a", args=(argument,)), params={"city": "Gdansk"}))


def test_what_runs_can_fill_in_is_accepted() -> None:
    arguments = (
        UpstreamResult("b"),
        Placeholder("params", "city"),
        Placeholder("attempt"),
        Secret("KEY"),
        "{{run.logical_date:%F}} {{run.params['city']}}",
    )
    check_references(dag(task("a", "b", args=arguments), task("b"), params={"city": 1}))


def test_the_nearest_name_is_offered() -> None:
    assert did_you_mean("exctract", ["extract", "load"]) == " (did you mean 'extract'?)"
    assert did_you_mean("zzz", ["extract"]) == ""
    assert did_you_mean("x", []) == ""


def test_specs_are_values() -> None:
    assert dag(task("a"), start=None) == dag(task("a"))
    assert dag(task("a")) != dag(task("a"), max_active_runs=2)
    assert timedelta(minutes=10) == task("a").options.timeout
