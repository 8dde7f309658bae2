from __future__ import annotations

import pytest

from ppacer_nb.status import AttemptState, RunState


def test_which_states_are_final() -> None:
    assert {state for state in RunState if state.is_terminal} == {"success", "failed", "cancelled"}
    assert {state for state in AttemptState if not state.is_terminal} == {"queued", "running"}
    assert {state for state in AttemptState if state.is_terminal and not state.ends_task} == {
        "up_for_retry",
        "interrupted",
        "cleared",
    }


def test_every_failure_ends_its_task() -> None:
    assert {state for state in AttemptState if state.is_failure} == {
        "failed",
        "upstream_failed",
        "cancelled",
    }
    assert all(state.ends_task for state in AttemptState if state.is_failure)


@pytest.mark.parametrize("state", [*RunState, *AttemptState])
def test_nothing_follows_a_final_state_and_something_every_other(state: RunState | AttemptState) -> None:
    followers = [other for other in type(state) if state.may_become(other)]  # type: ignore[arg-type]
    goes_on: list[RunState | AttemptState] = []
    if isinstance(state, RunState):
        goes_on = [RunState.QUEUED]  # when it is restarted
    elif state is AttemptState.INTERRUPTED:
        goes_on = [AttemptState.FAILED]  # if it must not run twice
    assert followers == goes_on if state.is_terminal else followers
    assert state not in followers


def test_which_moves_a_run_makes() -> None:
    moves = {(a.value, b.value) for a in RunState for b in RunState if a.may_become(b)}
    assert moves == {
        ("queued", "running"),
        ("queued", "cancelled"),
        ("running", "success"),
        ("running", "failed"),
        ("running", "cancelled"),
        ("running", "queued"),  # its scheduler ended
        *((end, "queued") for end in ("success", "failed", "cancelled")),  # it was restarted
    }


def test_every_attempt_state_but_the_first_can_be_reached() -> None:
    reached = {b for a in AttemptState for b in AttemptState if a.may_become(b)}
    assert set(AttemptState) - reached == {"queued", "cleared"}  # the latter is of a task


def test_states_are_their_names() -> None:
    assert {RunState.SUCCESS: 1}["success"] == 1  # type: ignore[index]
    assert f"{AttemptState.UP_FOR_RETRY}" == "up_for_retry"
