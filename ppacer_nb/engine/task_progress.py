"""How far one task has come in a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ppacer_nb.engine.trigger_rules import Upstreams, Verdict, judge
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
    queued_at: datetime | None = None
    retry_at: datetime | None = None
    value: Value | None = None  #: of its last success, which may count no more
    worker: str = ""  #: who runs the latest attempt, in words
    resumes: AttemptKey | None = None  #: the attempt in whose held kernel the next one goes on
    is_being_cancelled: bool = False  #: what runs was asked to stop, and is not tried again

    @property
    def has_ended(self) -> bool:
        """Whether the task is done in this run."""
        return self.state is not None and self.state.ends_task

    @property
    def verdict(self) -> Verdict:
        """What its trigger rule says of it now."""
        return judge(self.spec.options.trigger_rule, self.upstreams)

    @property
    def stands(self) -> bool:
        """Whether what became of the task is right for how its upstreams have ended, now that one changed."""
        verdict = self.verdict
        match self.state:
            case AttemptState.UPSTREAM_FAILED:
                return verdict is Verdict.UPSTREAM_FAILED
            case AttemptState.SKIPPED:
                return verdict is Verdict.SKIP
            case AttemptState.SUCCESS:
                return verdict in (Verdict.START, Verdict.WAIT)
            case AttemptState.QUEUED | AttemptState.UP_FOR_RETRY:
                return verdict is Verdict.START
        return True
