"""How far one task has come in a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from ppacer_nb.engine.lot import lot_of
from ppacer_nb.engine.trigger_rules import Upstreams, Verdict, judge
from ppacer_nb.model.attempt import Cancelled, Failed, Outcome, Skipped, Succeeded
from ppacer_nb.model.events import TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.model.values import Value
from ppacer_nb.status import AttemptState


@dataclass(slots=True)
class TaskProgress:
    """How far a task has come in this run."""

    spec: TaskSpec
    upstreams: Upstreams
    state: AttemptState | None = None  #: None: waits for its upstreams
    attempt: int = 0  #: the latest; 0: none yet
    failures: int = 0  #: failed attempts, which use up the retries
    interruptions: int = 0  #: how many of its latest attempts, in a row, their scheduler did not outlive
    interrupted_by: str = ""  #: what became of the last of these schedulers
    queued_at: datetime | None = None
    retry_at: datetime | None = None
    value: Value | None = None  #: of its last success, which may count no more
    worker: str = ""  #: who runs the latest attempt, in words
    resumes: AttemptKey | None = None  #: the attempt in whose held kernel the next one goes on
    cut_by: str = ""  #: the short circuit that cuts off what is downstream of this task, if one does
    chose_to_skip: bool = False  #: it is skipped because its own code said so
    cancelled_by: str = ""  #: why what runs was asked to stop, and is not tried again

    @property
    def has_ended(self) -> bool:
        """Whether the task is done in this run."""
        return self.state is not None and self.state.ends_task

    @property
    def is_undecided(self) -> bool:
        """Whether its upstreams say what becomes of it: it has not begun, or begins anew."""
        return self.state is None or self.state is AttemptState.INTERRUPTED

    @property
    def verdict(self) -> Verdict:
        """What its trigger rule says of it now."""
        return judge(self.spec.options.trigger_rule, self.upstreams)

    def stands(self, short_circuits: Collection[str]) -> bool:
        """Whether what became of the task is right for how its upstreams have ended, now that one changed.

        What one of the `short_circuits`, those that cut it off now, cut off before the others had ended stays
        so whatever the others say.
        """
        verdict = self.verdict
        match self.state:
            case AttemptState.UPSTREAM_FAILED:
                return verdict is Verdict.UPSTREAM_FAILED
            case AttemptState.SKIPPED if self.cut_by:
                return self.cut_by in short_circuits
            case AttemptState.SKIPPED if not self.chose_to_skip:
                return verdict is Verdict.SKIP
            case AttemptState.SUCCESS | AttemptState.SKIPPED:
                return verdict in (Verdict.START, Verdict.WAIT)
            case AttemptState.QUEUED | AttemptState.UP_FOR_RETRY:
                return verdict is Verdict.START
        return True

    def ending(self, key: AttemptKey, outcome: Outcome, now: datetime, *, may_retry: bool) -> TaskEvent:
        """Return what the outcome of the attempt that runs comes to, if a failed one `may_retry`."""

        def ended(state: AttemptState, **details: Any) -> TaskEvent:
            return TaskEvent(*key, state, now, worker=self.worker, files=outcome.files, **details)

        match outcome:
            case Succeeded(value):
                return ended(AttemptState.SUCCESS, value=value)
            case Cancelled(reason):
                return ended(AttemptState.CANCELLED, reason=reason)
            case Skipped(reason):
                return ended(AttemptState.SKIPPED, reason=reason)
            case Failed(error, held=held):
                options = self.spec.options
                is_last = self.cancelled_by or self.failures >= options.retries
                if is_last or held is not None or not may_retry:
                    return ended(AttemptState.FAILED, error=error, held=held)
                retry_at = now + options.retry_wait(self.failures + 1, lot_of(key))
                return ended(AttemptState.UP_FOR_RETRY, error=error, retry_at=retry_at)
        assert_never(outcome)
