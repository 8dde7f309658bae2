from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb.authoring.dag import DAG
from ppacer_nb.authoring.tasks import task as define
from ppacer_nb.errors import InvalidOption, NotFound, Skip, StoreLocked
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.placeholders import Placeholder, UpstreamResult
from ppacer_nb.model.task import NotebookWork, TaskSpec
from ppacer_nb.scheduler.run_once import run_once
from ppacer_nb.status import TriggerRule
from ppacer_nb.store.store import Store
from tests.scheduler.helpers import dag, task


def _raise(error: type[BaseException], *args: Any) -> Any:
    raise error(*args)


def test_a_run_gives_states_values_errors_and_logs() -> None:
    def rows(day: datetime) -> list[int]:
        sys.stdout.write(f"for {day:%F}\n")
        return [1, 2]

    result = run_once(
        dag(
            task(rows, Placeholder("logical_date")),
            task(sum, UpstreamResult("rows"), id="total", after=("rows",)),
            task(_raise, ValueError, "no", id="bad"),
            task(lambda: None, id="never", after=("bad",)),
        ),
        logical_date=datetime(2026, 11, 23, tzinfo=UTC),
    )
    assert result.state == "failed"
    assert {id: task.state.value for id, task in result.items()} == {
        "rows": "success",
        "total": "success",
        "bad": "failed",
        "never": "upstream_failed",
    }
    assert (result["rows"].value, result["total"].value, result["bad"].value) == ([1, 2], 3, None)
    assert result["rows"].value is not result["rows"].value
    assert [line.message for line in result["rows"].logs] == ["for 2026-11-23"]
    error = result["bad"].error
    assert error is not None
    assert error.message == "ValueError: no"
    assert (result["total"].error, result["never"].error, len(result)) == (None, None, 4)
    assert [len(result[id].attempts) for id in result] == [1, 1, 1, 0]
    assert result["never"].files == result["total"].files
    assert result.duration.total_seconds() >= 0
    with pytest.raises(NotFound, match=r"has no task 'totl' .did you mean 'total'"):
        result["totl"]


def test_retries_count_as_attempts() -> None:
    def flaky(context: TaskContext) -> int:
        if context.attempt < 3:
            raise OSError("not yet")
        return context.attempt

    result = run_once(dag(task(flaky, retries=5)))
    assert (result.state, result["flaky"].value) == ("success", 3)
    assert [a.state.value for a in result["flaky"].attempts] == ["up_for_retry", "up_for_retry", "success"]
    assert result["flaky"].error is None


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: sys.exit(2), "called sys.exit(2)"),
        (lambda: threading.Lock(), "cannot be handed on"),
        (lambda: _raise(KeyboardInterrupt), "KeyboardInterrupt"),
    ],
)
def test_bad_endings_fail_the_task_and_the_others_go_on(function: Any, sentence: str) -> None:
    result = run_once(dag(task(function, id="bad"), task(lambda: 1, id="good")))
    assert result["bad"].error is not None
    assert sentence in result["bad"].error.message
    assert result["good"].value == 1


def test_async_functions_and_pools_work() -> None:
    async def later() -> int:
        return 7

    assert run_once(dag(task(later, pool="db")))["later"].value == 7


def test_params_take_the_place_of_defaults() -> None:
    spec = dag(task(lambda x: x, Placeholder("params", "city"), id="a"), params={"city": "Gdansk"})
    assert run_once(spec)["a"].value == "Gdansk"
    assert run_once(spec, params={"city": "Lodz"})["a"].value == "Lodz"


def test_without_a_store_nothing_stays_on_disk_and_large_values_live_as_long_as_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = run_once(dag(task(lambda: "x" * 100_000, id="a")))
    assert len(result["a"].value) == 100_000
    assert result.folder.is_dir()
    del result
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_store_keeps_the_history(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    ids = [run_once(dag(task(lambda: "x" * 100_000, id="a")), store=path).run_id for _ in range(2)]
    with Store(path) as store:
        assert store.history.run_ids() == ids[::-1]
        value = store.history.value(ids[0], "a")
    assert value is not None
    assert value.path == tmp_path / "runs" / ids[0] / "a.1.value.pkl"


def test_a_store_that_is_held_is_refused_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with Store(tmp_path / "x.duckdb"), pytest.raises(StoreLocked):
        run_once(dag(task(int, id="a")), store=tmp_path / "x.duckdb")
    assert threading.active_count() == before


def test_an_unknown_executor_is_refused() -> None:
    with pytest.raises(
        InvalidOption, match=r"executor is 'thread_' .did you mean 'thread'.*'kernel' or 'thread'"
    ):
        run_once(dag(task(int, id="a")), executor="thread_")


def test_functions_go_to_the_executor_asked_for_and_notebooks_do_not() -> None:
    spec = dag(task(int, id="a"), TaskSpec("n", NotebookWork(Path("/x.ipynb"), "")))
    from ppacer_nb.scheduler.run_once import _on_executor

    assert [t.options.executor for t in _on_executor(spec, "kernel").tasks.values()] == ["kernel", None]


def test_interrupting_it_cancels_the_run_and_keeps_that_in_the_history(tmp_path: Path) -> None:
    go = threading.Event()

    def waits() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert go.wait(20)

    with pytest.raises(KeyboardInterrupt):
        run_once(dag(task(waits)), store=tmp_path / "x.duckdb")
    go.set()
    with Store(tmp_path / "x.duckdb") as store:
        (run,) = store.history.runs()
        assert (run.state, run.reason) == ("cancelled", "cancelled by an interrupt")


def test_a_task_that_skips_shows_its_reason_in_the_result_and_the_log() -> None:
    result = run_once(dag(task(_raise, Skip, "no new rows", id="a"), task(int, id="b", after=("a",))))
    assert (result.state, result["a"].state, result["b"].state) == ("success", "skipped", "skipped")
    assert result["a"].error is None
    assert [line.message for line in result["a"].logs] == ["skipped: no new rows"]
    assert "no new rows" in repr(result)
    assert "no new rows" in result._repr_html_()


def test_interrupting_it_runs_what_cleans_up(tmp_path: Path) -> None:
    go, cleaned = threading.Event(), threading.Event()

    def waits() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert go.wait(20)

    drop = task(cleaned.set, id="drop", after=("waits",), cleanup=True, trigger_rule=TriggerRule.ALL_DONE)
    with pytest.raises(KeyboardInterrupt):
        run_once(dag(task(waits), drop), store=tmp_path / "x.duckdb")
    go.set()
    assert cleaned.is_set()
    with Store(tmp_path / "x.duckdb") as store:
        (run,) = store.history.runs()
        states = {attempt.task_id: attempt.state for attempt in store.history.attempts(run.run_id)}
    assert (run.state, states) == ("cancelled", {"waits": "cancelled", "drop": "success"})


def test_skips_short_circuits_and_cleanup_in_kernels() -> None:
    with DAG("outcomes") as defined:

        @define
        def skips() -> None:
            raise Skip("closed")

        @define(short_circuit=True)
        def check() -> list[int]:
            return []

        @define(trigger_rule="none_failed")
        def after(upstream: object) -> object:
            return upstream

        @define(cleanup=True)
        def drop(upstream: object) -> object:
            return upstream

        skipped, checked = skips(), check()
        drop([after(skipped), after(checked)])
    result = defined.run()
    assert result.state == "success", result
    assert {id: each.state.value for id, each in result.items()} == {
        "skips": "skipped",
        "check": "success",
        "after": "success",
        "after_2": "skipped",
        "drop": "success",
    }
    assert result["after"].value is None
    assert result["drop"].value == [None, None]
