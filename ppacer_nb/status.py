"""The states of runs and attempts, and what each of them means.

Whether a state is final, and which state may follow it, is known here and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where one run of a DAG stands."""

    QUEUED = "queued"  #: created, or to go on; waits for its turn among the DAG's max_active_runs
    RUNNING = "running"  #: at least one task may run
    SUCCESS = "success"  #: ended: every task succeeded or was skipped on purpose
    FAILED = "failed"  #: ended: a task failed for good, or the run took longer than its timeout
    CANCELLED = "cancelled"  #: ended: somebody stopped it

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return self in _TERMINAL_RUNS

    def may_become(self, other: RunState) -> bool:
        """Whether `other` may follow this state."""
        return other in _RUN_MOVES[self]


class AttemptState(StrEnum):
    """Where one attempt of a task stands; also a task's state, by its latest attempt."""

    QUEUED = "queued"  #: its upstreams are done; waits for a worker
    RUNNING = "running"  #: its body has started
    SUCCESS = "success"  #: ended well
    FAILED = "failed"  #: ended badly, and no retry is left
    UP_FOR_RETRY = "up_for_retry"  #: ended badly; a new attempt follows after the retry delay
    UPSTREAM_FAILED = "upstream_failed"  #: never started: what it waits for failed
    SKIPPED = "skipped"  #: nothing to do: its trigger rule can no longer be met, or it raised `Skip`
    CANCELLED = "cancelled"  #: stopped by somebody
    INTERRUPTED = "interrupted"  #: its scheduler ended while it ran; a new attempt follows, or it fails
    CLEARED = "cleared"  #: of a task: how it had ended counts no more, and it runs again

    @property
    def is_terminal(self) -> bool:
        """Whether this attempt has ended (another one may follow it)."""
        return self in _TERMINAL_ATTEMPTS

    @property
    def ends_task(self) -> bool:
        """Whether no further attempt follows by itself: the task is done in this run."""
        return self in _TASK_ENDS

    @property
    def is_failure(self) -> bool:
        """Whether what waits for success of this task waits in vain."""
        return self in _FAILURES

    def may_become(self, other: AttemptState) -> bool:
        """Whether `other` may follow this state within one attempt."""
        return other in _ATTEMPT_MOVES[self]


class RunType(StrEnum):
    """Why a run exists."""

    SCHEDULED = "scheduled"  #: its schedule point came
    CATCHUP = "catchup"  #: its schedule point passed while no scheduler was up
    BACKFILL = "backfill"  #: somebody asked for a range of logical dates
    MANUAL = "manual"  #: somebody triggered it


class ScheduleEventKind(StrEnum):
    """What became of one schedule point, or of a range of them."""

    REGULAR = "regular"  #: a run was made on time
    CAUGHT_UP = "caught_up"  #: a run was made late, for a missed point
    SKIPPED = "skipped"  #: no run: missed or while the DAG was paused, and catch-up is off
    BACKFILLED = "backfilled"  #: a run was made for a backfill
    MANUALLY_TRIGGERED = "manually_triggered"  #: a run outside the schedule


class CatchupChoice(StrEnum):
    """What somebody decides on points that were missed while no scheduler ran."""

    NONE = "none"  #: they stay skipped
    LAST = "last"  #: the newest of them is run
    ALL = "all"  #: each of them is run, in order


class BackfillState(StrEnum):
    """Where a backfill stands."""

    RUNNING = "running"  #: its runs are made
    PAUSED = "paused"  #: no more runs are made until somebody lets it go on
    FINISHED = "finished"  #: ended: all of its runs have, however
    CANCELLED = "cancelled"  #: ended: somebody stopped it

    @property
    def is_terminal(self) -> bool:
        """Whether the backfill has ended."""
        return self in (BackfillState.FINISHED, BackfillState.CANCELLED)


class Rerun(StrEnum):
    """Which dates that have been run a backfill runs again."""

    NONE = "none"  #: none, as in Airflow
    FAILED = "failed"  #: those of which no run succeeded
    ALL = "all"  #: those and the others


class TriggerRule(StrEnum):
    """When a task may start, by how its upstream tasks ended. Named as in Airflow."""

    ALL_SUCCESS = "all_success"  #: every upstream succeeded (default)
    ALL_DONE = "all_done"  #: every upstream ended, however
    ONE_FAILED = "one_failed"  #: at least one upstream failed; does not wait for the others
    ONE_SUCCESS = "one_success"  #: at least one upstream succeeded; does not wait for the others
    NONE_FAILED = "none_failed"  #: every upstream succeeded or was skipped
    ALWAYS = "always"  #: at once, whatever the upstreams do


#: What somebody may take a task for.
MARKS = (AttemptState.SUCCESS, AttemptState.FAILED)

_TERMINAL_RUNS = frozenset({RunState.SUCCESS, RunState.FAILED, RunState.CANCELLED})
_RUN_MOVES = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    # RUNNING to QUEUED: its scheduler ended; it waits for the next one.
    RunState.RUNNING: _TERMINAL_RUNS | {RunState.QUEUED},
    # An ended run that goes on takes its turn among the runs of its DAG, like a new one.
    RunState.SUCCESS: frozenset({RunState.QUEUED}),
    RunState.FAILED: frozenset({RunState.QUEUED}),
    RunState.CANCELLED: frozenset({RunState.QUEUED}),
}

_FAILURES = frozenset(
    {
        AttemptState.FAILED,
        AttemptState.UPSTREAM_FAILED,
        AttemptState.CANCELLED,
    }
)
_TASK_ENDS = _FAILURES | {AttemptState.SUCCESS, AttemptState.SKIPPED}
_TERMINAL_ATTEMPTS = _TASK_ENDS | {
    AttemptState.UP_FOR_RETRY,
    AttemptState.INTERRUPTED,
    AttemptState.CLEARED,
}
_ATTEMPT_MOVES = {state: frozenset[AttemptState]() for state in AttemptState if state.is_terminal} | {
    AttemptState.QUEUED: frozenset(
        {AttemptState.RUNNING, AttemptState.CANCELLED, AttemptState.UPSTREAM_FAILED, AttemptState.SKIPPED}
    ),
    AttemptState.RUNNING: frozenset(
        {
            AttemptState.SUCCESS,
            AttemptState.FAILED,
            AttemptState.UP_FOR_RETRY,
            AttemptState.SKIPPED,
            AttemptState.CANCELLED,
            AttemptState.INTERRUPTED,
        }
    ),
    # Decided when its DAG is defined again, which says whether it may run twice.
    AttemptState.INTERRUPTED: frozenset({AttemptState.FAILED}),
}
