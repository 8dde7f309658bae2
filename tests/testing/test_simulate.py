from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb import DAG, Skip, TaskContext, bash, run, task
from ppacer_nb.errors import DuplicateId, InvalidOption, NotFound, PpacerError, StoreError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.task import TaskOptions
from ppacer_nb.status import AttemptState, TriggerRule
from ppacer_nb.store.store import Store
from ppacer_nb.testing import Does, Simulation, dag_spec, simulate, simulated

MARCH = ("2027-03-01", "2027-04-01")


@task(retries=2, retry_delay="10m")
def extract(day: datetime) -> list[int]:
    print("extracting", f"{day:%d}")
    return [day.day] * 3


@task
def total(rows: list[int]) -> int:
    return sum(rows)


def daily(**head: Any) -> DAG:
    with DAG("sales", **{"schedule": "15 6 * * *", "timezone": "Europe/Warsaw", **head}) as dag:
        total(extract(run.logical_date))
    return dag


def days(result: Simulation) -> list[str]:
    return [f"{r.logical_date:%m-%d %H:%M}" for r in result.runs]


def test_a_month_has_a_run_for_every_point_also_when_clocks_change() -> None:
    march = simulate(daily(), *MARCH)
    assert days(march) == [f"03-{day:02} 06:15" for day in range(1, 32)]
    assert march.states == ["success"] * 31
    assert {str(run.logical_date.utcoffset()) for run in march.runs} == {"1:00:00", "2:00:00"}


def test_a_point_at_the_start_belongs_to_it_and_one_at_the_end_does_not() -> None:
    result = simulate(daily(schedule="@daily"), date(2027, 3, 1), datetime(2027, 3, 3, tzinfo=UTC))
    assert days(result) == ["03-01 00:00", "03-02 00:00", "03-03 00:00"]  # in Warsaw it is later than in UTC
    assert len(simulate(daily(schedule="@daily"), "2027-03-01", "2027-03-03").runs) == 2


def test_a_schedule_is_told_of_no_point_before_the_first() -> None:
    asked: list[datetime | None] = []

    class Noting:
        start: datetime | None = None

        def next(self, current: datetime, previous: datetime | None = None) -> datetime | None:
            asked.append(previous)
            return current + timedelta(hours=1)

    simulate(dag_spec("d", "a", schedule=Noting()), "2027-03-01", "2027-03-02")
    assert asked[0] is None


def test_a_month_takes_no_time_worth_mentioning() -> None:
    dag = daily()
    simulate(dag, *MARCH)
    began = time.process_time()
    simulate(dag, *MARCH)
    assert time.process_time() - began < 0.5  # it takes 20 ms, on a machine with nothing else to do


def test_tasks_do_what_the_outcomes_say() -> None:
    result = simulate(daily(), *MARCH, {"extract": [OSError("disk"), 42], "total": Does("sum", after="5m")})
    assert result.states == ["success"] * 31
    fifth = result.run("2027-03-05")
    assert [(a.task_id, a.attempt, a.state) for a in fifth.attempts] == [
        ("extract", 1, "up_for_retry"),
        ("extract", 2, "success"),
        ("total", 1, "success"),
    ]
    assert (fifth["extract"].value, fifth["total"].value) == (42, "sum")
    assert fifth.duration == timedelta(minutes=15)
    assert fifth.ended_at is not None
    assert f"{fifth.ended_at:%H:%M}" == "06:30"


def test_an_outcome_may_depend_on_the_day() -> None:
    def on(info: RunInfo) -> object:
        return ValueError if info.logical_date.day == 5 else Skip("no rows") if info.attempt == 1 else 1

    result = simulate(daily(), "2027-03-04", "2027-03-06", {"extract": on})
    assert [run.states for run in result.runs] == [
        {"extract": "skipped", "total": "skipped"},
        {"extract": "failed", "total": "upstream_failed"},
    ]
    assert result.run("2027-03-05")["extract"].error is not None
    (notification,) = result.notifications
    assert notification.kind == "failure"
    assert "ValueError" in notification.text


def test_functions_run_only_when_asked_to() -> None:
    quiet = simulate(daily(), *MARCH)
    assert quiet.run("2027-03-05")["total"].value is None
    real = simulate(daily(), *MARCH, call_functions=True)
    assert [run["total"].value for run in real.runs] == [3 * day for day in range(1, 32)]
    logs = real.run("2027-03-05")["extract"].logs
    assert [(line.message, f"{line.at:%m-%d %H:%M}") for line in logs] == [("extracting 05", "03-05 05:15")]


def test_an_outcome_comes_before_the_function_and_its_result_is_handed_on() -> None:
    result = simulate(daily(), *MARCH, {"extract": [KeyError("no"), [1, 2]]}, call_functions=True)
    assert {run["total"].value for run in result.runs} == {3}


def test_a_function_may_raise_skip_and_send_messages_and_a_shell_command_is_not_run(tmp_path: Path) -> None:
    @task
    def said(context: TaskContext) -> None:
        context.notify("half way there")
        raise Skip("enough")

    @task
    def broken() -> None:
        raise ZeroDivisionError("by hand")

    with DAG("d", schedule="@daily") as dag:
        said()
        broken()
        bash(f"touch {tmp_path}/made", id="shell")
    result = simulate(dag, "2027-03-01", "2027-03-02", call_functions=True)
    (only,) = result.runs
    assert only.states == {"said": "skipped", "broken": "failed", "shell": "success"}
    assert [n.kind for n in result.notifications] == ["message", "failure"]
    assert only["broken"].error is not None
    assert "ZeroDivisionError: by hand" in only["broken"].error.message
    assert not list(tmp_path.iterdir())


def test_an_interrupt_ends_the_simulation_and_fails_no_task() -> None:
    @task
    def interrupted() -> None:
        raise KeyboardInterrupt

    with DAG("d", schedule="@daily") as dag:
        interrupted()
    stdout = sys.stdout
    with pytest.raises(KeyboardInterrupt):
        simulate(dag, *MARCH, call_functions=True)
    assert sys.stdout is stdout


def test_a_large_result_can_be_read_as_long_as_its_run_is_there() -> None:
    @task
    def large() -> bytes:
        return b"x" * 1_000_000

    with DAG("d", schedule="@daily") as dag:
        large()
    (only,) = simulate(dag, "2027-03-01", "2027-03-02", call_functions=True).runs
    gc.collect()
    value = only["large"]._value
    assert value is not None
    assert value.path is not None
    assert len(only["large"].value) == 1_000_000
    del only
    gc.collect()
    assert not value.path.exists()


def test_points_that_pass_while_the_machine_sleeps_are_skipped_or_caught_up() -> None:
    asleep = [("2027-03-05", "2027-03-08T12:00")]
    result = simulate(daily(), *MARCH, asleep=asleep)
    assert len(result.runs) == 27
    (skipped,) = result.skipped
    assert (f"{skipped.first:%d %H:%M}", f"{skipped.last:%d %H:%M}", skipped.count) == (
        "05 06:15",
        "08 06:15",
        4,
    )
    caught = simulate(daily(catchup=True), *MARCH, asleep=asleep)
    assert (len(caught.runs), caught.skipped) == (31, [])
    late = [run for run in caught.runs if run.run_type == "catchup"]
    assert [f"{run.logical_date:%d}" for run in late] == ["05", "06", "07", "08"]
    assert {f"{run.started_at:%d %H:%M}" for run in late} == {"08 12:00"}


def test_a_dag_with_catch_up_does_not_catch_up_what_lies_before_the_simulation() -> None:
    result = simulate(daily(catchup=True, start="2020-01-01"), *MARCH)
    assert len(result.runs) == 31


def test_several_dags_share_the_workers() -> None:
    first, second = (dag_spec(id, "a", schedule=daily().schedule) for id in ("one", "two"))
    result = simulate([first, second], "2027-03-01", "2027-03-02", {"a": Does(after="5m")}, max_workers=1)
    assert [(run.dag.id, run.duration) for run in result.runs] == [
        ("one", timedelta(minutes=5)),
        ("two", timedelta(minutes=10)),
    ]
    with pytest.raises(
        NotFound, match="there are 2 runs on 2027-03-01, such as one/scheduled-20270301T051500Z"
    ):
        result.run("2027-03-01")
    assert result.run("2027-03-01", "two").dag.id == "two"


def test_a_pool_has_as_many_slots_as_it_is_given() -> None:
    dag = dag_spec("d", "a; b", options=TaskOptions(pool="db"), schedule=daily().schedule)
    outcomes = {"a": Does(after="1m"), "b": Does(after="1m")}
    (side_by_side,) = simulate(dag, "2027-03-01", "2027-03-02", outcomes).runs
    (in_turn,) = simulate(dag, "2027-03-01", "2027-03-02", outcomes, pools={"db": 1}).runs
    assert (side_by_side.duration, in_turn.duration) == (timedelta(minutes=1), timedelta(minutes=2))


def test_what_has_not_ended_at_the_end_is_shown_as_it_is() -> None:
    dag = dag_spec("d", "a >> b", options=TaskOptions(timeout=None), schedule=daily().schedule)
    (only,) = simulate(dag, "2027-03-01", "2027-03-02", {"a": Does(after="3d")}).runs
    assert (only.state, only.ended_at, only.duration, dict(only.states)) == (
        "running",
        None,
        None,
        {"a": "running"},
    )
    with pytest.raises(NotFound, match="no task 'b', which has not begun"):
        only["b"]
    assert "running" in repr(only)


def test_a_simulation_reads_as_a_table() -> None:
    result = simulate(
        daily(),
        "2027-03-01",
        "2027-03-04",
        {"extract": OSError("disk")},
        asleep=[("2027-03-02", "2027-03-03")],
    )
    text = repr(result)
    assert text.splitlines()[0] == (
        "Mon 2027-03-01 00:00 to Thu 2027-03-04 00:00: 2 runs (2 failed), 4 attempts after a failed one."
    )
    assert "Mon 2027-03-01 06:15" in text
    assert "extract, attempt 3: OSError: disk" in text
    assert "Skipped points" in text
    assert "Tue 2027-03-02 06:15" in text
    assert "Notifications" in text
    html = result._repr_html_()
    assert html.count("<table>") == 3
    year = simulate(daily(), "2027-01-01", "2028-01-01")
    assert "265 further runs are not shown" in repr(year)
    assert "no runs." in repr(simulate(daily(schedule="@yearly"), *MARCH))


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"outcomes": {"extrakt": 1}},
            NotFound,
            r"'extrakt'.*did you mean 'extract'\?.*there are extract, total",
        ),
        ({"end": "2027-03-01"}, InvalidOption, "which is not later than its start"),
        ({"start": "March"}, InvalidOption, "start of the simulation is 'March': give a datetime, a date"),
        ({"start": None}, InvalidOption, "the simulation has no start: give a date"),
        ({"asleep": [("2027-03-05", "2027-03-04")]}, InvalidOption, "a sleep ends at"),
        ({"dag": daily(schedule=None)}, InvalidOption, "DAG 'sales' has no schedule"),
        ({"dag": [daily(), daily()]}, DuplicateId, "two DAGs 'sales'"),
        ({"dag": []}, InvalidOption, "no DAG to simulate"),
    ],
)
def test_what_means_nothing_is_refused(
    arguments: dict[str, Any], error: type[PpacerError], sentence: str
) -> None:
    given = {"dag": daily(), "start": MARCH[0], "end": MARCH[1], **arguments}
    with pytest.raises(error, match=sentence):
        simulate(**given)


def test_a_run_that_is_not_there_is_named_with_what_is() -> None:
    result = simulate(daily(), *MARCH)
    with pytest.raises(NotFound, match=r"no run for 2027-04-05 among 31 runs: they go from 2027-03-01 06:15"):
        result.run("2027-04-05")
    with pytest.raises(NotFound, match=r"no task 'extrakt' \(did you mean 'extract'\?\)"):
        result.runs[0]["extrakt"]
    assert result.run("2027-03-05T06:15") is result.run(datetime(2027, 3, 5, 5, 15, tzinfo=UTC))


def test_the_history_can_be_kept_and_never_in_one_that_is_there_already(tmp_path: Path) -> None:
    path = tmp_path / "march.duckdb"
    result = simulate(daily(), *MARCH, {"extract": OSError("disk")}, store=path)
    with Store(path) as store:
        stored = store.history.runs(limit=100)
        assert [run.record for run in reversed(result.runs)] == stored
        assert store.history.attempts(stored[0].run_id) == result.runs[-1].attempts
        assert store.history.sql("SELECT count(*) FROM notifications").rows == [(31,)]
        assert [version.dag_id for version in store.history.dag_versions()] == ["sales"]
    with pytest.raises(StoreError, match="exists already"):
        simulate(daily(), *MARCH, store=path)


def test_the_logs_are_in_a_kept_history(tmp_path: Path) -> None:
    result = simulate(daily(), "2027-03-01", "2027-03-02", call_functions=True, store=tmp_path / "one.duckdb")
    with Store(tmp_path / "one.duckdb") as store:
        (line,) = store.history.logs(result.runs[0].run_id)
        assert line.line.message == "extracting 01"


CASES: list[Callable[[], tuple[DagSpec, dict[str, Any]]]] = [
    lambda: (daily().spec, {}),
    lambda: (daily().spec, {"extract": [OSError("disk"), Does(42, after="3m")], "total": Does(after="7m")}),
    lambda: (daily().spec, {"extract": Does(after="1h", prints=["slow"])}),
    lambda: (
        dag_spec("s", "a >> b, c >> d; e", schedule=daily().schedule),
        {"b": Skip("x"), "e": KeyError("k")},
    ),
    lambda: (
        dag_spec(
            "t",
            "a >> b >> clean",
            options={
                "a": TaskOptions(short_circuit=True),
                "clean": TaskOptions(cleanup=True, trigger_rule=TriggerRule.ALL_DONE),
            },
            schedule=daily(schedule="0 */5 * * *").schedule,
            timeout=timedelta(minutes=30),
            max_active_runs=1,
        ),
        {"a": [True], "b": Does(after="6h")},
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_the_real_scheduler_does_the_same(case: Callable[[], tuple[DagSpec, dict[str, Any]]]) -> None:
    """A simulation leaves out the loop, the writer's thread and the disk, and nothing else."""
    dag, outcomes = case()
    result = simulate(dag, "2027-03-26", "2027-03-30", outcomes)
    with simulated(result.start - timedelta(microseconds=1)) as world:
        world.script.update(outcomes)
        world.register(dag)
        world.clock.advance_to(result.end - timedelta(microseconds=1))
        world.scheduler.flush()
        history = world.scheduler.history
        runs = history.runs(limit=1000)
        assert len(runs) >= 4
        assert runs == [run.record for run in reversed(result.runs)]
        assert [history.attempts(run.run_id) for run in runs] == [
            run.attempts for run in reversed(result.runs)
        ]
        lines = [record.line for run in reversed(runs) for record in history.logs(run.run_id)]
        assert lines == [line for run in result.runs for task in run.values() for line in task.logs]


def test_states_are_their_names() -> None:
    result = simulate(daily(), *MARCH)
    assert result.counts == {"success": 31}
    assert {attempt.state for attempt in result.attempts} == {AttemptState.SUCCESS}


def test_nothing_of_a_simulation_is_registered_or_left_running() -> None:
    code = (
        "import threading\n"
        "from ppacer_nb import DAG, task\n"
        "from ppacer_nb.testing import simulate\n"
        "with DAG('d', schedule='@daily') as dag: task(print)()\n"
        "simulate(dag, '2027-03-01', '2027-04-01')\n"
        "print(threading.active_count())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n", ended.stderr
