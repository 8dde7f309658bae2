"""One attempt of a task: the order to run it, what it says while it runs, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.model.values import Value


@dataclass(frozen=True, slots=True)
class Job:
    """Everything an executor needs to run one attempt."""

    run: RunInfo
    task: TaskSpec
    inputs: Mapping[str, Value]  #: the results it receives, by upstream task id
    runs_folder: Path  #: where all runs keep their files
    cwd: Path  #: the working directory of the task's code
    hold: timedelta | None = None  #: how long its kernel stays if it fails; None: it ends with the attempt
    resumes: AttemptKey | None = None  #: the attempt in whose held kernel it goes on

    @property
    def key(self) -> AttemptKey:
        """Which attempt this is."""
        return self.run.key

    @property
    def run_folder(self) -> Path:
        """Where the run keeps its files."""
        return self.runs_folder / self.run.run_id

    def file(self, suffix: str) -> Path:
        """Return where this attempt keeps its file of that kind: ``<task>.<attempt><suffix>``."""
        return self.run_folder / f"{self.task.id}.{self.run.attempt}{suffix}"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why an attempt failed, as text: it outlives the process and the classes it came from."""

    kind: str  #: the name of an `AttemptError`: TaskFailed, TaskTimeout, KernelDied ...
    message: str  #: one sentence
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """The files that an attempt left, as far as it made them."""

    notebook: Path | None = None  #: the executed notebook
    report: Path | None = None  #: its HTML export


@dataclass(frozen=True, slots=True)
class Held:
    """A kernel that stays when its attempt has failed, so that somebody can look into it and go on."""

    connection_file: Path  #: for ``jupyter console --existing``
    until: datetime


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt returned a value (None's, where the task returns nothing)."""

    value: Value
    files: Files = Files()


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended badly: it raised, timed out, or its kernel died."""

    error: ErrorInfo
    files: Files = Files()
    held: Held | None = None  #: it is not tried again by itself then


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The attempt was stopped because somebody asked for it."""

    reason: str
    files: Files = Files()


@dataclass(frozen=True, slots=True)
class Skipped:
    """The task's own code found that there is nothing to do: it raised `Skip`."""

    reason: str
    files: Files = Files()


Outcome = Succeeded | Failed | Cancelled | Skipped


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of an attempt's log."""

    at: datetime
    level: str  #: a logging level's name; for output: "STDOUT", "STDERR"
    message: str
    attributes: Mapping[str, str] = field(default_factory=dict)  #: logging's ``extra``, each as text


@dataclass(frozen=True, slots=True)
class BodyStarted:
    """The task's own code is about to run."""

    at: datetime
    worker: str  #: who runs it, in words: "kernel, pid 4242", "thread"


@dataclass(frozen=True, slots=True)
class CellProgress:
    """A notebook has come to a cell."""

    cell: int  #: from 1; counts code cells
    cells: int


@dataclass(frozen=True, slots=True)
class Message:
    """Something the task's code asks to be sent, by ``context.notify``."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word of an attempt."""

    at: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Released:
    """The kernel that was held for an attempt is no more; comes after its `Ended`."""

    at: datetime


Report = BodyStarted | CellProgress | LogLine | Message | Ended | Released
