"""A task of a DAG as plain data: what it does, with what, and under which options."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from ppacer_nb.model.placeholders import UpstreamResult, references
from ppacer_nb.status import TriggerRule

TaskKind = Literal["function", "notebook", "bash"]
NotifyOn = Literal["failure", "retry", "success"]
OnInterrupt = Literal["retry", "fail"]
ExportFormat = Literal["html"]

# Part of many reprs, and different in every process: no part of what a definition says.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")

DEFAULT_TIMEOUT = timedelta(minutes=10)  # as ppacer
LONGEST_RETRY_WAIT = timedelta(days=365)  # backoff grows without bounds, dates do not


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is run. Durations are already timedeltas here."""

    retries: int = 0  #: further attempts after a failed first one
    retry_delay: timedelta = timedelta(0)  #: wait before the first retry
    retry_backoff: float = 1.0  #: each further wait is this many times the one before
    retry_max_delay: timedelta | None = None  #: no wait grows longer than this by backoff
    retry_jitter: float = 0.0  #: each wait is between 1 - this and 1 + this times as long, by lot
    timeout: timedelta | None = DEFAULT_TIMEOUT  #: of each attempt; None: never
    executor: str | None = None  #: "kernel", "thread", ...; None: as the run or the scheduler says
    fresh: bool = False  #: a kernel of its own, not a reused one
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    short_circuit: bool = False  #: what is downstream is skipped if it returns something falsy
    cleanup: bool = False  #: runs also when its run is cancelled or times out; its rule is ALL_DONE
    pool: str | None = None  #: takes a slot of this pool while it runs
    priority: int | None = None  #: the higher, the sooner it gets a worker; None: as its DAG says
    notify: frozenset[NotifyOn] = frozenset({"failure"})  #: which endings send a notification
    hold_on_failure: timedelta | None = None  #: how long a notebook's kernel stays when it has failed
    on_interrupt: OnInterrupt = "retry"  #: what becomes of it when its scheduler ends while it runs

    def retry_wait(self, failed_attempts: int, lot: float = 0.5) -> timedelta:
        """Return how long to wait after the `failed_attempts`-th failure (from 1): about a year at the most.

        `lot`, from 0 to 1, says where in the range of the jitter it lies. The jitter comes after
        `retry_max_delay`: tasks that have all come to it are still spread.
        """
        if not self.retry_delay:
            return timedelta(0)
        longest = min(self.retry_max_delay or LONGEST_RETRY_WAIT, LONGEST_RETRY_WAIT)
        try:
            wait = min(self.retry_delay * self.retry_backoff ** (failed_attempts - 1), longest)
        except OverflowError:
            wait = longest
        return wait * (1 + self.retry_jitter * (2 * lot - 1))


@dataclass(frozen=True, slots=True)
class FunctionWork:
    """Call a function."""

    function: Callable[..., Any] = field(repr=False)
    payload: bytes = field(repr=False)  #: the function by cloudpickle, as of the DAG's definition
    name: str
    source: str = field(repr=False)
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    context_parameter: str | None = None  #: the parameter that receives the TaskContext
    kind: TaskKind = "function"

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Everything that may hold references."""
        return (self.args, self.kwargs)


@dataclass(frozen=True, slots=True)
class NotebookWork:
    """Execute a whole notebook with parameters."""

    path: Path  #: absolute
    source: str = field(repr=False)  #: the notebook's code as of the DAG's definition, for its version's hash
    parameters: Mapping[str, Any] = field(default_factory=dict)
    export: tuple[ExportFormat, ...] = ()  #: reports to make of the executed notebook
    kernel_name: str | None = None  #: None: the one named in the notebook

    @property
    def name(self) -> str:
        """The notebook's file name."""
        return self.path.name

    @property
    def kind(self) -> TaskKind:
        """Always "notebook"."""
        return "notebook"

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Everything that may hold references."""
        return (self.parameters,)


Work = FunctionWork | NotebookWork


def written(value: object) -> str:
    """Return the repr of `value` without what is another in every process."""
    return _ADDRESS.sub("", repr(value))


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a DAG."""

    id: str
    work: Work
    options: TaskOptions = TaskOptions()
    upstreams: tuple[str, ...] = ()  #: ids of all tasks it waits for, for their results or only in order

    @property
    def kind(self) -> TaskKind:
        """What the task is: a function, a notebook or a shell command."""
        return self.work.kind

    @property
    def source_hash(self) -> str:
        """The first 12 hex digits of the SHA-256 of its code, its notebook's code or its command."""
        return hashlib.sha256(self.work.source.encode(errors="replace")).hexdigest()[:12]

    @property
    def settings(self) -> tuple[str, ...]:
        """What the definition says of it beside its source, a line each: what is as usual is left out."""
        usual, options = TaskOptions(), self.options
        changed = [f.name for f in fields(options) if getattr(options, f.name) != getattr(usual, f.name)]
        return (
            f"{self.kind} {self.work.name}",
            f"after {', '.join(self.upstreams) or 'nothing'}",
            f"inputs {written(self.work.inputs)}",
            *_said_of_notebook(self.work),
            *(f"{name} {_said(getattr(options, name))}" for name in changed),
        )

    @property
    def data_upstreams(self) -> frozenset[str]:
        """The ids of the upstream tasks whose results it receives."""
        return frozenset(r.task_id for r in references(self.work.inputs) if isinstance(r, UpstreamResult))


def _said_of_notebook(work: Work) -> list[str]:
    if not isinstance(work, NotebookWork):
        return []
    said = {"export": ", ".join(work.export), "kernel": work.kernel_name}
    return [f"{name} {what}" for name, what in said.items() if what]


def _said(option: object) -> str:
    """Return an option as text: of a set in one order, which is another in every process."""
    return ", ".join(sorted(option)) or "nothing" if isinstance(option, frozenset) else str(option)
