"""What a runner process is told and what it answers: plain data, length-prefixed pickles on a pipe."""

from __future__ import annotations

import inspect
import os
import pickle
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from ppacer_nb.model.attempt import Job
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.task import ExportFormat, NotebookWork, TaskSpec
from ppacer_nb.model.values import Value
from ppacer_nb.values import pickle_value

HEADER = struct.Struct("!I")
#: Precedes a runner's first answer: what a start-up hook of its Python prints comes before.
START = b"\0ppacer-runner\0"
#: Variables by which Jupyter tells a kernel who its parent and its notebook are.
_OF_THIS_KERNEL = frozenset({"JPY_PARENT_PID", "JPY_SESSION_NAME"})


@dataclass(frozen=True, slots=True)
class FunctionOrder:
    """Call a function; it comes pickled, and is unpickled in the kernel only."""

    name: str
    payload: bytes = field(repr=False)
    arguments: bytes = field(repr=False)  #: (args, kwargs), pickled likewise
    source: str = field(repr=False)
    context_parameter: str | None
    is_async: bool
    fresh: bool  #: in a kernel of its own, and not in one that has run others
    short_circuit: bool  #: whether it matters that its result is falsy


@dataclass(frozen=True, slots=True)
class NotebookOrder:
    """Execute a notebook."""

    path: Path
    parameters: bytes = field(repr=False)  #: by name, pickled
    export: tuple[ExportFormat, ...]
    kernel_name: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """Run one attempt."""

    run: RunInfo
    what: FunctionOrder | NotebookOrder
    inputs: Mapping[str, Value]
    folder: Path  #: of the run's files
    cwd: Path  #: the kernel's working directory
    env: Mapping[str, str] = field(repr=False)  #: the kernel's environment: the scheduler's
    sys_path: tuple[str, ...]  #: of the scheduler's process: what it can import, its tasks can
    hold: timedelta | None = None  #: how long its kernel stays if it fails
    resumes: AttemptKey | None = None  #: the attempt in whose held kernel it goes on

    def file(self, suffix: str) -> Path:
        """Return where the attempt keeps its file of that kind."""
        return self.folder / f"{self.run.task_id}.{self.run.attempt}{suffix}"


@dataclass(frozen=True, slots=True)
class StopOrder:
    """End an attempt, if it has not ended yet."""

    key: AttemptKey
    timed_out: bool
    reason: str
    at_once: bool = False  #: kill, without an interrupt and a grace period before


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """Hold the kernel of that attempt until it is resumed."""

    key: AttemptKey


@dataclass(frozen=True, slots=True)
class ReleaseOrder:
    """End the kernel that is held for that attempt."""

    key: AttemptKey


def order_of(job: Job) -> Order:
    """Return what a runner needs of `job`; live objects stay behind."""
    return Order(
        run=job.run,
        what=_what(job.task),
        inputs=job.inputs,
        folder=job.run_folder,
        cwd=job.cwd,
        env=task_environment(),
        sys_path=tuple(path for path in sys.path if path),
        hold=job.hold,
        resumes=job.resumes,
    )


def task_environment() -> dict[str, str]:
    """Return this process's environment, without what is about this process only."""
    return {name: value for name, value in os.environ.items() if name not in _OF_THIS_KERNEL}


def write_frame(pipe: BinaryIO, message: object) -> None:
    """Write `message` to a pipe."""
    data = pickle.dumps(message)
    pipe.write(HEADER.pack(len(data)) + data)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> Any:
    """Return the next message of a pipe; raise EOFError at its end."""
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    return pickle.loads(pipe.read(HEADER.unpack(header)[0]))


def _what(task: TaskSpec) -> FunctionOrder | NotebookOrder:
    work = task.work
    if isinstance(work, NotebookWork):
        return NotebookOrder(work.path, pickle_value(dict(work.parameters)), work.export, work.kernel_name)
    return FunctionOrder(
        name=work.name,
        payload=work.payload,
        arguments=pickle_value((work.args, dict(work.kwargs))),
        source=work.source,
        context_parameter=work.context_parameter,
        is_async=inspect.iscoroutinefunction(work.function),
        fresh=task.options.fresh,
        short_circuit=task.options.short_circuit,
    )
