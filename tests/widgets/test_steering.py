"""Which buttons a run and a task have, and what they say they will do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.model.history import TaskShape
from ppacer_nb.model.overview import HeldKernel
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.widgets.picture import Picture, RunPicture
from ppacer_nb.widgets.selection import Selection
from ppacer_nb.widgets.steering import run_actions, task_actions, with_downstream
from tests.widgets.records import FOLDER, RUN_ID, T0, attempt, dag, info, picture, run, version

SUCCESS, FAILED, RUNNING = AttemptState.SUCCESS, AttemptState.FAILED, AttemptState.RUNNING
UPSTREAM_FAILED = AttemptState.UPSTREAM_FAILED


def failed_run(task_id: str | None = None, state: RunState = RunState.FAILED, **changes: Any) -> Picture:
    """Return a chain of three tasks of which the second failed."""
    attempts = (
        attempt("extract", SUCCESS),
        attempt("total", FAILED),
        attempt("report", UPSTREAM_FAILED, 0),
    )
    return shown(*attempts, task_id=task_id, state=state, **changes)


def shown(
    *attempts: Any, task_id: str | None = None, state: RunState = RunState.RUNNING, **changes: Any
) -> Picture:
    selected = RunPicture(run(state), version("extract", "total", "report"), attempts, (), ())
    return replace(picture(run=selected), selection=Selection("run", task_id=task_id), **changes)


def names(actions: list[dict[str, Any]]) -> list[str]:
    return [action["label"] for action in actions]


def question(actions: list[dict[str, Any]], label: str) -> str:
    (found,) = (action["question"] for action in actions if action["label"] == label)
    return str(found)


def test_a_failed_run_is_restarted_and_says_which_tasks_run_again() -> None:
    (action,) = run_actions(failed_run())
    assert action["ask"] == {"command": "restart", "run_id": RUN_ID}
    assert action["question"] == "total and report run again. 1 task that ended well stays."


def test_a_success_downstream_of_what_failed_runs_again_too() -> None:
    attempts = (attempt("extract", SUCCESS), attempt("total", FAILED), attempt("report", SUCCESS))
    (action,) = run_actions(shown(*attempts, state=RunState.FAILED))
    assert action["question"].startswith("total and report run again.")


def test_it_is_said_that_a_restart_uses_a_newer_version() -> None:
    newer = failed_run(dags=[dag("sales", version="def")])
    assert "newest version" in run_actions(newer)[0]["question"]
    assert "newest version" not in run_actions(failed_run())[0]["question"]


def test_a_run_under_way_can_only_be_cancelled() -> None:
    (action,) = run_actions(shown(attempt("extract", SUCCESS), attempt("total", RUNNING)))
    assert action["label"] == "Cancel run"
    assert (
        action["question"]
        == "total is stopped. 1 task does not start any more. Tasks that clean up still run."
    )


def test_a_second_cancelling_is_said_to_stop_what_cleans_up() -> None:
    found = shown(attempt("extract", RUNNING))
    assert found.run is not None
    ending = replace(found, run=replace(found.run, run=run(reason="cancelled by ann")))
    assert "stops also what cleans up" in run_actions(ending)[0]["question"]
    assert task_actions(replace(ending, selection=Selection("run", task_id="extract"))) == []


def test_a_successful_run_has_no_buttons_and_its_tasks_have() -> None:
    found = shown(attempt("extract", SUCCESS), task_id="extract", state=RunState.SUCCESS)
    assert run_actions(found) == []
    assert names(task_actions(found)) == ["Run again", "Mark failed"]


def test_nothing_can_be_done_without_a_scheduler_or_a_definition() -> None:
    changes: list[dict[str, Any]] = [
        {"info": info(running=False)},
        {"dags": [dag("sales", defined=False)]},
        {"dags": []},
    ]
    for gone in changes:
        found = failed_run("total", **gone)
        assert run_actions(found) == []
        assert task_actions(found) == []


def test_a_parked_run_can_be_cancelled() -> None:
    parked = shown(attempt("extract", SUCCESS), state=RunState.QUEUED, dags=[dag("sales", defined=False)])
    assert names(run_actions(parked)) == ["Cancel run"]


def test_a_failed_task_runs_again_with_what_is_downstream() -> None:
    actions = task_actions(failed_run("total"))
    assert names(actions) == ["Run again", "Mark success"]
    assert question(actions, "Run again") == "total and report run again, however they ended."
    assert "What becomes of report is decided anew." in question(actions, "Mark success")
    assert actions[1]["ask"] == {
        "command": "mark",
        "run_id": RUN_ID,
        "task_id": "total",
        "state": "success",
    }


def test_a_task_that_runs_can_only_be_cancelled() -> None:
    actions = task_actions(shown(attempt("extract", RUNNING), task_id="extract"))
    assert names(actions) == ["Cancel task"]
    assert actions[0]["question"].startswith("extract is stopped.")


def test_a_task_that_waits_can_be_marked_or_cancelled() -> None:
    actions = task_actions(shown(attempt("extract", RUNNING), task_id="total"))
    assert names(actions) == ["Mark success", "Mark failed", "Cancel task"]
    assert actions[2]["question"] == "total does not start. report runs only if the trigger rule allows it."


def test_a_task_whose_retry_is_due_later_is_tried_at_once() -> None:
    actions = task_actions(shown(attempt("extract", AttemptState.UP_FOR_RETRY), task_id="extract"))
    assert names(actions) == ["Retry now", "Mark success", "Mark failed", "Cancel task"]


def test_nothing_upstream_of_what_runs_is_taken_back() -> None:
    assert (
        task_actions(shown(attempt("extract", SUCCESS), attempt("total", RUNNING), task_id="extract")) == []
    )


def test_a_task_whose_kernel_is_held_can_be_resumed_without_a_question() -> None:
    held = HeldKernel(RUN_ID, "total", 1, FOLDER / "kernel.json", T0)
    actions = task_actions(failed_run("total", info=info(held=[held])))
    assert names(actions)[0] == "Resume"
    assert actions[0]["question"] == ""
    older = HeldKernel(RUN_ID, "total", 0, FOLDER / "kernel.json", T0)
    assert "Resume" not in names(task_actions(failed_run("total", info=info(held=[older]))))


def test_a_task_of_another_dag_has_no_buttons() -> None:
    assert task_actions(failed_run("elsewhere")) == []


def test_of_many_tasks_a_question_names_a_few() -> None:
    tasks = [f"t{number}" for number in range(20)]
    found = shown(attempt("t0", FAILED), state=RunState.FAILED)
    assert found.run is not None
    assert found.run.version is not None
    shapes = [TaskShape(id, "function", id, tasks[:1] if id != "t0" else (), ()) for id in tasks]
    wide = replace(found, run=replace(found.run, version=replace(found.run.version, tasks=shapes)))
    assert run_actions(wide)[0]["question"] == "t0, t1, t2, t3 and 16 more run again."


@given(st.data())
def test_downstream_is_closed_and_holds_what_was_chosen(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    tasks = []
    for number in range(count):
        before = [str(earlier) for earlier in range(number)]
        upstreams = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        tasks.append(TaskShape(str(number), "function", "f", upstreams, ()))
    chosen = data.draw(st.sets(st.sampled_from([task.id for task in tasks])))
    found = with_downstream(tasks, chosen)
    assert chosen <= set(found)
    for task in tasks:
        follows = bool(set(task.upstreams) & set(found))
        assert (task.id in found) == (follows or task.id in chosen)
