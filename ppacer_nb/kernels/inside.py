"""What runs inside a task's kernel: loading and calling the function, reporting what it logs and returns.

Reports travel as messages of their own on IOPub, in order with all other output. Outside a kernel, when a
person runs a saved notebook in some other way, they go nowhere.
"""

from __future__ import annotations

import base64
import functools
import logging
import os
import pickle
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

from ppacer_nb import values
from ppacer_nb.calling import bind, resolver, skipped
from ppacer_nb.calling import read_secret as read_secret  # for the cells of parameters
from ppacer_nb.errors import Skip
from ppacer_nb.kernels.backpressure import PatientStream, hold_back
from ppacer_nb.kernels.forgetting import Before
from ppacer_nb.model.attempt import Message
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.log_records import log_line_of
from ppacer_nb.model.placeholders import Secret, references
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.values import Value

MESSAGE_TYPE = "ppacer_report"


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a function's attempt needs, as it lies beside its notebook."""

    run: RunInfo
    name: str
    payload: bytes  #: the function, pickled
    arguments: bytes  #: (args, kwargs), pickled
    context_parameter: str | None
    results: Mapping[str, Value]
    value_file: Path
    short_circuit: bool  #: whether it matters that the result is falsy


def set_up(*, reused: bool) -> None:
    """Let what this kernel logs, from INFO on, reach the attempt's log; note its state if it is `reused`."""
    warnings.filterwarnings("ignore", "To exit: use", UserWarning)  # advice for a person at a prompt
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if not any(isinstance(handler, _ReportHandler) for handler in root.handlers):
        root.addHandler(_ReportHandler(logging.INFO))
    shell: Any = get_ipython()
    shell.set_custom_exc((Skip,), _report_skip)
    if reused:
        _before().keep_import_paths()
    if not isinstance(sys.stdout, PatientStream):  # a worker may be set up more than once
        hold_back(shell.kernel.iopub_thread, shell)


def clean_up() -> dict[str, int]:
    """Make this kernel as it was before the task; see `forgetting.Before.restore`."""
    return _before().restore()


@functools.cache
def _before() -> Before:
    shell = get_ipython()
    assert shell is not None
    return Before(shell)


def load_call(inputs: str) -> Call:
    """Return the call that the file `inputs` describes."""
    with Path(inputs).open("rb") as file:
        return Call(pickle.load(file))


def load_value(path: str) -> Any:
    """Return the value in a file that the scheduler wrote."""
    with Path(path).open("rb") as file:
        return pickle.load(file)


class Call:
    """A function with its arguments. Its repr shows them, secrets by name only."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self.function = pickle.loads(inputs.payload)
        context = TaskContext(
            inputs.run,
            logging.getLogger(f"ppacer_nb.task.{inputs.run.task_id}"),
            lambda text: _report(Message(text)),
        )
        self._given: tuple[tuple[Any, ...], dict[str, Any]] = pickle.loads(inputs.arguments)
        resolve = resolver(inputs.run, inputs.results)
        args, kwargs = self._given
        self.args, self.kwargs = bind(args, kwargs, resolve, inputs.context_parameter, context)

    def __call__(self) -> Any:
        """Call the function, pass on its result, and return it; a coroutine that does so if it is async."""
        __tracebackhide__ = True
        result = self.function(*self.args, **self.kwargs)
        return self._later(result) if hasattr(result, "__await__") else self._passed_on(result)

    def __repr__(self) -> str:
        given, named = self._given
        parts = [_shown(raw, value) for raw, value in zip(given, self.args, strict=True)]
        parts += [f"{name}={_shown(named.get(name), value)}" for name, value in self.kwargs.items()]
        head = f"{self._inputs.name}("
        one_line = f"{head}{', '.join(parts)})"
        return one_line if len(one_line) <= 100 else head + "".join(f"\n    {p}," for p in parts) + "\n)"

    async def _later(self, result: Any) -> Any:
        __tracebackhide__ = True
        return self._passed_on(await result)

    def _passed_on(self, result: Any) -> Any:
        _report(values.dump(result, self._inputs.value_file, test=self._inputs.short_circuit))
        return result


def decode_report(content: Mapping[str, Any]) -> Any:
    """Return the report in a message of `MESSAGE_TYPE`."""
    return pickle.loads(base64.b64decode(content["report"]))


def _shown(raw: Any, value: Any) -> str:
    if isinstance(raw, Secret):
        return repr(raw)
    if isinstance(value, TaskContext):
        return "TaskContext"
    return "…" if _holds_secret(raw) else _brief(value)


def _brief(value: Any) -> str:
    """Return one line; of tables and the like, which take many, only what they are."""
    text = values.preview(value)
    if "\n" not in text:
        return text
    shape = getattr(value, "shape", None)
    of_shape = f" {' × '.join(map(str, shape))}" if isinstance(shape, tuple) else ""
    return f"<{type(value).__name__}{of_shape}>"


def _holds_secret(raw: Any) -> bool:
    return any(isinstance(reference, Secret) for reference in references(raw))


def _report_skip(_shell: object, _type: object, skip: Skip, _trace: object, **_: object) -> None:
    """Report that the task chose to skip, in place of a traceback: nothing is wrong."""
    for report in reversed(skipped(skip)):
        _report(report)


class _ReportHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _report(log_line_of(record))


def _report(report: Any) -> None:
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or os.getpid() != kernel.session.pid:  # a fork has none of the kernel's threads
        return
    content = {"report": base64.b64encode(pickle.dumps(report)).decode()}
    sys.stdout.flush()  # what was printed before comes before
    sys.stderr.flush()
    kernel.session.send(
        kernel.iopub_socket, MESSAGE_TYPE, content, parent=kernel.get_parent("shell"), ident=b"ppacer"
    )
