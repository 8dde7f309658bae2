from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter

from ppacer_nb.authoring import registry
from ppacer_nb.authoring.dag import DAG, current_dag
from ppacer_nb.authoring.nodes import TaskNode
from ppacer_nb.authoring.tasks import bash, notebook, task
from ppacer_nb.errors import (
    CannotPickle,
    CycleError,
    DefinitionError,
    DuplicateId,
    InvalidDuration,
    InvalidId,
    InvalidOption,
    InvalidParameters,
    InvalidPlaceholder,
    InvalidSchedule,
)
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.placeholders import Placeholder, Run, Secret, UpstreamResult
from ppacer_nb.model.task import FunctionWork

run = Run()


@pytest.fixture(autouse=True)
def _nothing_stays_defined() -> Iterator[None]:
    registry.forget_all()
    yield
    registry.forget_all()
    assert current_dag() is None


@task
def extract(day: object = None) -> list[int]:
    return [120, 80]


@task(retries=3, retry_delay="30s", timeout="5m")
def total(rows: list[int]) -> int:
    return sum(rows)


@task
def nothing() -> None: ...


@task
def report(rows: object, context: TaskContext, *, title: str = "") -> str:
    return f"{title} {rows} {context.run.task_id}"


def work_of(dag: DAG, task_id: str) -> FunctionWork:
    work = dag.spec.tasks[task_id].work
    assert isinstance(work, FunctionWork)
    return work


# What a block makes


def test_results_make_edges_and_placeholders_are_kept() -> None:
    with DAG("sales", params={"city": "Gdansk"}) as dag:
        rows = extract(day=run.logical_date)
        report({"all": [rows], "sum": total(rows)}, title=f"{run.params['city']} {run.logical_date:%F}")
    assert {id: set(t.upstreams) for id, t in dag.spec.tasks.items()} == {
        "extract": set(),
        "total": {"extract"},
        "report": {"extract", "total"},
    }
    assert work_of(dag, "extract").kwargs == {"day": Placeholder("logical_date")}
    assert work_of(dag, "report").args == (
        {"all": [UpstreamResult("extract")], "sum": UpstreamResult("total")},
    )
    assert work_of(dag, "report").context_parameter == "context"
    assert "def extract" in work_of(dag, "extract").source


def test_outside_a_block_a_task_is_its_function() -> None:
    assert extract() == [120, 80]
    assert total([1, 2]) == 3
    assert getattr(total, "__name__", None) == "total"
    assert repr(total) == "<task function total(rows: 'list[int]') -> 'int'>"


def test_the_whole_program_runs() -> None:
    with DAG("sales", params={"city": "Gdansk"}) as dag:
        rows = extract(day=run.logical_date)
        report(rows, title=f"{run.params['city']} {run.logical_date:%Y-%m-%d}:")
    result = dag.run("2026-11-23", params={"city": "Lodz"}, executor="thread")
    assert (result.state, result["report"].value) == ("success", "Lodz 2026-11-23: [120, 80] report")


def test_the_timezone_of_a_dag_is_that_of_its_logical_dates() -> None:
    @task
    def when(date: datetime) -> str:
        return date.isoformat()

    with DAG("d", timezone="Europe/Warsaw") as dag:
        when(run.logical_date)
    assert dag.run("2026-11-23", executor="thread")["when"].value == "2026-11-23T00:00:00+01:00"
    assert dag.timezone == ZoneInfo("Europe/Warsaw")


def test_each_use_of_a_task_has_an_id_of_its_own() -> None:
    with DAG("d") as dag:
        nothing()
        nothing()
        nothing.override(id="other", retries=2, timeout=None)()
        nothing()
    assert dag.task_ids == ("nothing", "nothing_2", "other", "nothing_3")
    options = dag.spec.tasks["other"].options
    assert (options.retries, options.timeout) == (2, None)
    assert dag.spec.tasks["nothing"].options.retries == 0


def test_options_reach_the_task() -> None:
    with DAG("d") as dag:
        total([1])
    options = dag.spec.tasks["total"].options
    assert (options.retries, options.retry_delay, options.timeout) == (
        3,
        timedelta(seconds=30),
        timedelta(minutes=5),
    )


def edges(dag: DAG) -> set[str]:
    return {f"{up}>{t.id}" for t in dag.spec.tasks.values() for up in t.upstreams}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (lambda a, b, c, d: a >> b >> c >> d, "a>b b>c c>d"),
        (lambda a, b, c, d: a >> [b, c] >> d, "a>b a>c b>d c>d"),
        (lambda a, b, c, d: [a, b] >> c, "a>c b>c"),
        (lambda a, b, c, d: d << [b, c] << a, "b>d c>d a>b a>c"),
        (lambda a, b, c, d: b << a, "a>b"),
        (lambda a, b, c, d: [b, c] << a, "a>b a>c"),
        (lambda a, b, c, d: a >> (b, c), "a>b a>c"),
        (lambda a, b, c, d: [a >> b, a >> b], "a>b"),
        (lambda a, b, c, d: a >> [b, c] >> [d], "a>b a>c b>d c>d"),
        (lambda a, b, c, d: a >> [], ""),
    ],
)
def test_arrows_order_tasks_with_lists_on_either_side(order: Callable[..., Any], expected: str) -> None:
    with DAG("d") as dag:
        order(*(nothing.override(id=id)() for id in "abcd"))
    assert edges(dag) == set(expected.split())


def test_data_and_order_edges_to_one_task_are_one_edge() -> None:
    with DAG("d") as dag:
        rows = extract()
        rows >> total(rows)
    assert dag.spec.tasks["total"].upstreams == ("extract",)


def test_tasks_come_upstream_first_and_else_as_written() -> None:
    with DAG("d") as dag:
        last, first, other = (nothing.override(id=id)() for id in ("last", "first", "other"))
        first >> last
    assert dag.task_ids == ("first", "last", "other")
    assert other.id == "other"


Pair = namedtuple("Pair", "left right")


def test_results_are_found_in_every_kind_of_container() -> None:
    with DAG("d") as dag:
        a = extract()
        for number, value in enumerate([[a], (a,), {"k": a}, Pair(a, 1), [{"k": (a, [a])}]]):
            report.override(id=f"r{number}")(value)
    assert all(dag.spec.tasks[f"r{n}"].upstreams == ("extract",) for n in range(5))
    assert work_of(dag, "r3").args == (Pair(UpstreamResult("extract"), 1),)


def test_a_bash_task_is_ordered_and_filled_like_others() -> None:
    with DAG("d") as dag:
        extract() >> bash(f"echo {run.logical_date:%F} $X", env={"X": "y"}, retries=1)
    task_spec = dag.spec.tasks["bash"]
    assert (task_spec.kind, task_spec.options.retries, task_spec.upstreams) == ("bash", 1, ("extract",))
    assert work_of(dag, "bash").name == "echo {{run.logical_date:%F}} $X"


def test_what_a_dag_looks_like() -> None:
    with DAG("sales", description="for people", tags=["a", "b"]) as dag:
        total(extract())
    assert "extract" in repr(dag)
    assert "<svg" in dag._repr_html_()
    assert "flowchart" in dag.mermaid()
    assert (dag.spec.tags, dag.spec.description) == (("a", "b"), "for people")
    assert DAG("d", tags="one")._head.tags == ("one",)


def test_defining_a_dag_again_replaces_it() -> None:
    for function in (extract, nothing):
        with DAG("d") as dag:
            function()
    assert registry.defined_dags() == [dag]
    assert dag.task_ids == ("nothing",)


def test_the_same_definition_is_the_same_version_and_another_is_not() -> None:
    def version(rows: list[int]) -> str:
        with DAG("d") as dag:
            total(rows)
        return dag.version

    assert version([1]) == version([1]) != version([2])


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_an_end_that_says_never_is_one(zone: str) -> None:
    with DAG("d", schedule="@daily", end="9999-12-31", timezone=zone) as dag:
        pass
    assert dag.spec.end is not None
    assert dag.spec.end.year == 9999


def test_start_and_end_are_read_in_the_dags_timezone() -> None:
    warsaw = ZoneInfo("Europe/Warsaw")
    expected = datetime(2026, 11, 23, tzinfo=warsaw)
    for value in ("2026-11-23", date(2026, 11, 23), datetime(2026, 11, 23), "2026-11-22T23:00:00+00:00"):  # noqa: DTZ001
        assert DAG("d", start=value, timezone="Europe/Warsaw")._head.start == expected
    assert DAG("d", start=datetime(2026, 1, 1, tzinfo=UTC))._head.start == datetime(2026, 1, 1, tzinfo=UTC)


# What is refused, and how


def in_block(body: Callable[[], Any], **head: Any) -> Callable[[], Any]:
    def define() -> None:
        with DAG("d", **head):
            body()

    return define


def loop() -> None:
    a, b, c = (nothing.override(id=id)() for id in ("load", "clean", "total"))
    a >> b >> c >> a


def of_another_dag() -> TaskNode:
    with DAG("other"):
        return extract()  # type: ignore[no-any-return]


@dataclass
class Holder:
    held: object


def hidden() -> None:
    report(Holder(extract()))


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "empty id": (lambda: DAG(""), InvalidId, "DAG needs a non-empty text"),
    "id of another type": (lambda: DAG(5), InvalidId, "not 5"),  # type: ignore[arg-type]
    "bad id": (lambda: DAG("a b"), InvalidId, "DAG id 'a b' can hold only"),
    "bad task id": (lambda: nothing.override(id="a/b"), InvalidId, "task id 'a/b'"),
    "zone": (lambda: DAG("d", timezone="Europe/Warsow"), InvalidSchedule, "did you mean 'Europe/Warsaw'"),
    "zone of another type": (lambda: DAG("d", timezone=5), InvalidSchedule, "give an IANA name"),  # type: ignore[arg-type]
    "zone that is a folder": (lambda: DAG("d", timezone="Europe"), InvalidSchedule, "is 'Europe'"),
    "schedule": (lambda: DAG("d", schedule="every day"), InvalidSchedule, "schedule of DAG 'd': 'every day'"),
    "start": (lambda: DAG("d", start="soon"), InvalidOption, "start of DAG 'd' is 'soon': give a datetime"),
    "end": (lambda: DAG("d", end=5), InvalidOption, "end of DAG 'd' is 5"),  # type: ignore[arg-type]
    "start of all dates": (
        lambda: DAG("d", start="0001-01-01", timezone="Europe/Warsaw"),
        InvalidOption,
        "start of DAG 'd' is '0001-01-01': give a date from the year 2",
    ),
    "end of all dates": (
        lambda: DAG("d", end=datetime.max, timezone="America/New_York"),  # noqa: DTZ901 - as users do
        InvalidOption,
        "to the end of 9999",
    ),
    "end before start": (
        lambda: DAG("d", start="2026-02-01", end="2026-01-01"),
        InvalidOption,
        "end of DAG 'd' lies before its start",
    ),
    "catchup": (
        lambda: DAG("d", catchup="no"),
        InvalidOption,
        "catchup of DAG 'd' is 'no': give False, True, 'all', 'last', or how far back .* '7d'",
    ),
    "catchup of no time": (lambda: DAG("d", catchup="0s"), InvalidOption, "catchup of DAG 'd' is '0s'"),
    "catchup by number": (lambda: DAG("d", catchup=7), InvalidOption, "catchup of DAG 'd' is 7"),  # type: ignore[arg-type]
    "catchup of the past": (
        lambda: DAG("d", catchup=timedelta(days=-1)),
        InvalidOption,
        "catchup of DAG 'd' is datetime.timedelta",
    ),
    "max_active_runs": (lambda: DAG("d", max_active_runs=0), InvalidOption, "is 0: give a whole number"),
    "max_active_tasks": (
        lambda: DAG("d", max_active_tasks=0),
        InvalidOption,
        "max_active_tasks of DAG 'd' is 0: give a whole number from 1, or None for no limit.$",
    ),
    "max_active_tasks of another type": (
        lambda: DAG("d", max_active_tasks=True),
        InvalidOption,
        "is True: give a whole number",
    ),
    "priority of a DAG": (
        lambda: DAG("d", priority="high"),  # type: ignore[arg-type]
        InvalidOption,
        "priority of DAG 'd' is 'high': give a whole number, higher for what is to come first",
    ),
    "priority of a DAG that is none": (lambda: DAG("d", priority=None), InvalidOption, "is None"),  # type: ignore[arg-type]
    "priority": (lambda: task(priority=1.5)(print), InvalidOption, "priority of task 'print' is 1.5: give a"),
    "params of another type": (
        lambda: DAG("d", params=["x"]),  # type: ignore[arg-type]
        InvalidOption,
        r"params of DAG 'd' .* give a dict",
    ),
    "params by number": (lambda: DAG("d", params={5: 1}), InvalidOption, "params of DAG 'd'"),  # type: ignore[dict-item]
    "params that cannot travel": (
        lambda: DAG("d", params={"lock": threading.Lock()}),
        CannotPickle,
        "params of DAG 'd'",
    ),
    "tags": (lambda: DAG("d", tags=5), InvalidOption, "tags of DAG 'd' are 5"),  # type: ignore[arg-type]
    "tags of numbers": (lambda: DAG("d", tags=[5]), InvalidOption, r"tags of DAG 'd' are \[5\]"),  # type: ignore[list-item]
    "description": (lambda: DAG("d", description=None), InvalidOption, "description of DAG 'd' is None"),  # type: ignore[arg-type]
    "circle": (in_block(loop), CycleError, "wait for each other: "),
    "itself": (in_block(lambda: (n := nothing()) >> n), CycleError, "nothing >> nothing"),
    "unknown option": (lambda: task(retry=3)(print), InvalidOption, "'print' has no option 'retry' .did you"),
    "retries": (lambda: task(retries=-1)(print), InvalidOption, "retries of task 'print' is -1"),
    "retries of another type": (lambda: task(retries=True)(print), InvalidOption, "retries of task"),
    "retry_delay": (
        lambda: task(retry_delay="5 minuts")(print),
        InvalidDuration,
        "retry_delay of task 'print'",
    ),
    "retry_backoff": (lambda: task(retry_backoff=0.5)(print), InvalidOption, "retry_backoff of task 'print'"),
    "retry_backoff nan": (lambda: task(retry_backoff=float("nan"))(print), InvalidOption, "is nan"),
    "retry_jitter": (
        lambda: task(retry_jitter=1.5)(print),
        InvalidOption,
        "retry_jitter of task 'print' is 1.5",
    ),
    "retry_jitter nan": (lambda: task(retry_jitter=float("nan"))(print), InvalidOption, "from 0 .none. to 1"),
    "retry_jitter of another type": (
        lambda: task(retry_jitter=True)(print),
        InvalidOption,
        "retry_jitter of",
    ),
    "retry_max_delay": (lambda: task(retry_max_delay=0)(print), InvalidOption, "retry_max_delay .* is zero"),
    "retry_max_delay in no unit": (
        lambda: task(retry_max_delay="5 x")(print),
        InvalidDuration,
        "retry_max_delay of task 'print' '5 x' is not a duration",
    ),
    "retry_max_delay that is too short": (
        lambda: task(retry_delay="1m", retry_max_delay="30s")(print),
        InvalidOption,
        "retry_max_delay of task 'print' is 30s, shorter than its retry_delay of 1m: give a longer one",
    ),
    "short_circuit": (
        lambda: task(short_circuit=1)(print),
        InvalidOption,
        "short_circuit of task 'print' is 1",
    ),
    "cleanup": (lambda: task(cleanup="yes")(print), InvalidOption, "cleanup of task 'print' is 'yes'"),
    "cleanup under another rule": (
        lambda: task(cleanup=True, trigger_rule="one_failed")(print),
        InvalidOption,
        "trigger_rule of task 'print' is 'one_failed', but it is for cleanup",
    ),
    "timeout of a DAG": (lambda: DAG("d", timeout="0s"), InvalidOption, "timeout of DAG 'd' is zero"),
    "timeout of a DAG in no unit": (lambda: DAG("d", timeout="2 x"), InvalidDuration, "timeout of DAG 'd'"),
    "timeout": (lambda: task(timeout=0)(print), InvalidOption, "timeout of task 'print' is zero"),
    "timeout text": (lambda: task(timeout="long")(print), InvalidDuration, "timeout of task 'print' 'long'"),
    "trigger_rule": (lambda: task(trigger_rule="all_succes")(print), InvalidOption, "mean 'all_success'"),
    "pool": (lambda: task(pool="")(print), InvalidOption, "pool of task 'print' is ''"),
    "executor": (lambda: task(executor=5)(print), InvalidOption, "executor of task 'print' is 5"),
    "fresh": (lambda: task(fresh="yes")(print), InvalidOption, "fresh of task 'print'"),
    "notify": (lambda: task(notify="failed")(print), InvalidOption, "notify of task 'print' is 'failed'"),
    "notify of another type": (lambda: task(notify=5)(print), InvalidOption, "notify of task 'print' is 5"),
    "notify nested": (lambda: task(notify=[["x"]])(print), InvalidOption, "notify of task 'print'"),
    "no function": (lambda: task("extract"), InvalidOption, "goes on a function"),  # type: ignore[call-overload]
    "task twice": (lambda: task(extract), InvalidOption, "goes on a function"),
    "override unknown": (lambda: nothing.override(retry=3), InvalidOption, "'nothing' has no option 'retry'"),
    "wrong arguments": (
        in_block(lambda: total()),
        InvalidPlaceholder,
        "'total' cannot be called like this: missing",
    ),
    "too many arguments": (in_block(lambda: nothing(1)), InvalidPlaceholder, r"Its arguments are \(\)"),
    "unknown param": (
        in_block(lambda: total(run.params["citty"]), params={"city": 1}),
        InvalidPlaceholder,
        "did you mean 'city'",
    ),
    "unknown fact": (
        in_block(lambda: total("{{run.date}}")),
        InvalidPlaceholder,
        "run.date, which no run has",
    ),
    "other dag's result": (
        lambda: in_block(lambda: total(of_another_dag_outside()))(),
        InvalidPlaceholder,
        "'extract' belongs to DAG 'other': DAG 'd' cannot use its result",
    ),
    "other dag's order": (
        lambda: in_block(lambda: of_another_dag_outside() >> nothing())(),
        InvalidPlaceholder,
        "the tasks belong to different DAGs, 'other' and 'd'",
    ),
    "arrow to something else": (in_block(lambda: nothing() >> 5), InvalidPlaceholder, "stands between tasks"),
    "arrow to a function": (
        in_block(lambda: nothing() >> total),
        InvalidPlaceholder,
        "call the task function first",
    ),
    "loop over a result": (
        in_block(lambda: list(extract())),
        InvalidPlaceholder,
        "loop over it inside a task",
    ),
    "item of a result": (in_block(lambda: extract()[0]), InvalidPlaceholder, "take an item out of it"),
    "test of a result": (
        in_block(lambda: total(1) if extract() else None),
        InvalidPlaceholder,
        "test it inside",
    ),
    "text of a result": (in_block(lambda: total(f"{extract()}")), InvalidPlaceholder, "format it as text"),
    "test of a placeholder": (
        in_block(lambda: not run.attempt),
        InvalidPlaceholder,
        "run.attempt is known only",
    ),
    "secret in a text": (
        in_block(lambda: bash(f"x {Secret('KEY')}")),
        InvalidPlaceholder,
        "argument of its own",
    ),
    "lock as argument": (
        in_block(lambda: total(threading.Lock())),
        CannotPickle,
        "'total' uses what cannot be sent",
    ),
    "hidden result": (
        in_block(hidden),
        InvalidPlaceholder,
        "'report': the result of task 'extract' is hidden",
    ),
    "bash outside": (lambda: bash("ls"), InvalidPlaceholder, "call it inside a 'with DAG"),
    "bash of nothing": (in_block(lambda: bash("  ")), InvalidOption, "has no command"),
    "unfinished": (lambda: DAG("d").run(), DefinitionError, "'d' is not defined yet"),
    "nested": (
        in_block(lambda: DAG("e").__enter__()),
        DefinitionError,
        "'e' begins inside the 'with' block of DAG 'd'",
    ),
    "params of a run": (
        lambda: defined().run(params={"x": 1}),
        InvalidParameters,
        "'d' has no parameter 'x'",
    ),
    "date of a run": (lambda: defined().run("soon"), InvalidOption, "logical_date is 'soon'"),
    "executor of a run": (lambda: defined().run(executor="moon"), InvalidOption, "executor is 'moon'"),
}

_outside: dict[str, Any] = {}


def of_another_dag_outside() -> Any:
    return _outside["node"]


def defined() -> DAG:
    with DAG("d") as dag:
        nothing()
    return dag


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_is_refused_by_name_and_with_the_mend(case: str) -> None:
    define, error, sentence = REFUSED[case]
    _outside["node"] = of_another_dag()
    with pytest.raises(error, match=sentence) as caught:
        define()
    text = str(caught.value)
    assert text.endswith(".")
    assert len(text) < 400
    assert "d" not in [dag.id for dag in registry.defined_dags() if case not in AFTER_DEFINITION]
    assert current_dag() is None


AFTER_DEFINITION = {"params of a run", "date of a run", "executor of a run"}


def test_the_notebook_of_a_task_is_asked_for_inside_a_block_only() -> None:
    with pytest.raises((InvalidPlaceholder, ImportError)):
        notebook("x.ipynb")


def test_two_tasks_of_one_id_are_refused() -> None:
    sentence = r"already has a task 'nothing'.*\.override\(id='nothing_2'\)"
    with DAG("d") as dag:
        node = nothing()
        with pytest.raises(DuplicateId, match=sentence):
            dag.add(node.spec)


def test_an_order_given_after_the_block_is_refused() -> None:
    with DAG("d") as dag:
        a, b = nothing(), nothing()
    with pytest.raises(DefinitionError, match=r"'nothing' >> 'nothing_2'.*has ended"):
        a >> b
    assert edges(dag) == set()


def test_a_block_that_raised_defines_nothing_and_can_be_tried_again() -> None:
    dag = DAG("d")
    with pytest.raises(ZeroDivisionError), dag:
        nothing.override(id=str(1 / 0))()
    assert registry.defined_dags() == []
    with pytest.raises(DefinitionError, match="'d' is not defined yet"):
        dag.spec  # noqa: B018
    with dag:
        nothing()
    with pytest.raises(DefinitionError, match="has had its 'with' block"), dag:
        pass
    assert current_dag() is None


def test_a_refused_definition_leaves_the_one_before() -> None:
    before = defined()
    with pytest.raises(CycleError):
        in_block(loop)()
    assert registry.defined_dags() == [before]


def test_the_store_of_a_run_keeps_its_history(tmp_path: Path) -> None:
    result = defined().run(store=str(tmp_path / "x.duckdb"), executor="thread")
    assert result.state == "success"
    assert (tmp_path / "x.duckdb").exists()


def test_tasks_are_shown_as_tasks() -> None:
    with DAG("d"):
        assert repr(extract()) == "<task extract of DAG d>"
    assert repr(task(id="f")(lambda x: x)) == "<task function f(x)>"


def test_functions_without_source_or_signature_are_tasks_too() -> None:
    largest = task(id="largest")(max)
    with DAG("d") as dag:
        largest(1, 2)
    assert dag.run(executor="thread")["largest"].value == 2
    assert "is not available" in work_of(dag, "largest").source
    assert repr(largest) == "<task function largest(...)>"


def test_notify_in_its_forms() -> None:
    forms: list[tuple[object, set[str]]] = [
        (True, {"failure"}),
        (False, set()),
        ("retry", {"retry"}),
        (["success", "failure"], {"success", "failure"}),
    ]
    for given, expected in forms:
        assert task(notify=given)(print).options.notify == expected


# Outcomes


def test_a_task_for_cleanup_runs_whatever_happened() -> None:
    options = task(cleanup=True)(lambda: None).options
    assert (options.cleanup, options.trigger_rule) == (True, "all_done")
    assert task(cleanup=True, trigger_rule="all_done")(lambda: None).options == options
    assert nothing.override(cleanup=True).options == options


def test_options_of_outcomes_are_part_of_a_version() -> None:
    def version(timeout: str | None = None, **options: Any) -> str:
        with DAG("d", timeout=timeout) as dag:
            nothing.override(**options)()
        return dag.version

    given: list[dict[str, Any]] = [
        {"timeout": "2h"},
        {"short_circuit": True},
        {"cleanup": True},
        {"retry_jitter": 0.1},
        {"retry_max_delay": "1h"},
    ]
    versions = [version(**each) for each in ({}, *given)]
    assert len(set(versions)) == len(versions)
    assert version(timeout="120m") == versions[1]


def test_a_notebook_is_no_short_circuit(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    with pytest.raises(InvalidOption, match="short_circuit of task 'a': the result of a notebook"), DAG("d"):
        notebook(path, short_circuit=True)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("task(retry_j", "retry_jitter="),
        ("task(retry_m", "retry_max_delay="),
        ("@task(clea", "cleanup="),
        ("bash('x', short_c", "short_circuit="),
        ("notebook('x', retry_j", "retry_jitter="),
        ("load.override(clea", "cleanup="),
        ("DAG('x', timeo", "timeout="),
    ],
)
def test_options_are_offered_by_tab(line: str, offered: str) -> None:
    names = {"task": task, "bash": bash, "notebook": notebook, "DAG": DAG, "load": extract}
    completer = IPCompleter(namespace=names, global_namespace=names)
    with provisionalcompleter():
        assert offered in [completion.text for completion in completer.completions(line, len(line))]
