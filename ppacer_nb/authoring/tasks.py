"""`task`, `notebook` and `bash`: what a DAG is made of."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from ppacer_nb import values
from ppacer_nb.authoring.dag import current_dag
from ppacer_nb.authoring.nodes import TaskNode, to_references
from ppacer_nb.authoring.options import listing_options, parse_options
from ppacer_nb.errors import CannotPickle, InvalidOption, InvalidPlaceholder, ValueNotPicklable
from ppacer_nb.executors.bash import run_bash
from ppacer_nb.model.context import context_parameter
from ppacer_nb.model.durations import Duration, parse_duration
from ppacer_nb.model.ids import check_id
from ppacer_nb.model.placeholders import Secret, references
from ppacer_nb.model.task import FunctionWork, NotebookWork, TaskOptions, TaskSpec

P = ParamSpec("P")
R = TypeVar("R")

_EXPORTS = ("html",)


class TaskFunction:
    """A function that is a task: called in a ``with DAG`` block it adds a task, elsewhere it is the function.

    `override` gives a copy with other options, for one use: ``load.override(retries=5)(rows)``.
    """

    def __init__(self, function: Callable[..., Any], id: str, options: TaskOptions) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.id = id
        self.options = options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a task to the DAG of the block, or outside of one call the function and return its result."""
        dag = current_dag()
        if dag is None:
            return self.function(*args, **kwargs)
        self._check_call(args, kwargs)
        id = dag.free_id(self.id)
        args, kwargs = to_references(args, dag), to_references(kwargs, dag)
        work = FunctionWork(
            function=self.function,
            payload=_pickled(self.function, (args, kwargs), id),
            name=self.function.__qualname__,
            source=_source_of(self.function),
            args=args,
            kwargs=kwargs,
            context_parameter=context_parameter(self.function),
        )
        return dag.add(TaskSpec(id, work, self.options))

    @listing_options
    def override(self, *, id: str | None = None, **options: Any) -> TaskFunction:
        """Return the same task with another `id`, other options, or both."""
        id = self.id if id is None else check_id(id, what="task")
        return TaskFunction(self.function, id, parse_options(options, self.options, what=f"task {id!r}"))

    def __repr__(self) -> str:
        return f"<task function {self.id}{_signature_text(self.function)}>"

    def _check_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Refuse now the arguments that the function would refuse when it runs."""
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):  # a builtin without one: it speaks for itself when it runs
            return
        context = context_parameter(self.function)
        given = dict(kwargs)
        if context is not None and context not in given:
            given[context] = None
        try:
            signature.bind(*args, **given)
        except TypeError as error:
            raise InvalidPlaceholder(
                f"task {self.id!r} cannot be called like this: {error}. Its arguments are "
                f"{_signature_text(self.function)}."
            ) from None


@overload
def task(function: Callable[P, R], /) -> TaskFunction: ...
@overload
def task(*, id: str | None = None, **options: Any) -> Callable[[Callable[P, R]], TaskFunction]: ...
@listing_options
def task(function: Callable[..., Any] | None = None, /, *, id: str | None = None, **options: Any) -> Any:
    """Make a function a task, with or without options.

    Parameters
    ----------
    id
        The task's id; the function's name unless given. A second use in one DAG gets ``_2``, and so on.
    retries
        How many further attempts follow a failed one. Default 0.
    retry_delay
        The wait before the first retry: a timedelta, seconds, or text such as ``"30s"``. Default none.
    retry_backoff
        Each further wait is this many times the one before. Default 1.
    retry_max_delay
        No wait grows longer than this by backoff: as `retry_delay`; None (the default) for a year.
    retry_jitter
        Each wait is made shorter or longer, by lot, by up to this part of it, so that tasks that failed
        together are not tried again together: 0 (the default) to 1. With ``0.2``, 10 s become 8 to 12 s.
    timeout
        How long an attempt may take; None for no limit. Default 10 minutes.
    executor
        Where it runs: ``"kernel"`` (a Jupyter kernel) or ``"thread"`` (this process). Default as the
        scheduler's.
    fresh
        Whether it needs a kernel that no other task has used. Default False.
    trigger_rule
        How its upstream tasks must have ended: ``"all_success"`` (default), ``"all_done"``,
        ``"one_failed"``, ``"one_success"``, ``"none_failed"`` or ``"always"``.
    short_circuit
        Whether all that is downstream is skipped if it returns something falsy: whatever the trigger rules,
        but ``"all_done"`` and ``"always"`` run all the same, what follows them goes by their ends, and
        ``"one_failed"`` and ``"one_success"`` run if another task has met them before. Default False.
    cleanup
        Whether it releases what the run had taken: it runs whatever happened, as ``"all_done"``, also when
        its run is cancelled or takes longer than its timeout. If it fails, the run has failed. Cancelling a
        second time stops it too. Default False.
    pool
        The pool of which it takes a slot while it runs. Default none.
    on_interrupt
        What becomes of it when its scheduler is stopped or dies while it runs: ``"retry"``, the default, has
        it tried again under the next scheduler, which uses up no retry; ``"fail"`` is for what must not run
        twice. What ran each time when five schedulers in a row ended is not tried again.
    priority
        The higher, the sooner it gets a free worker, before those of any DAG that are lower; see `DAG`.
        Default None: as its DAG says, which is 0 unless it says otherwise.
    notify
        True (final failures, the default), False, or some of ``"failure"``, ``"retry"``, ``"success"``.

    Raises
    ------
    InvalidOption, InvalidDuration, InvalidId
        If an option is unknown or has a value that it does not take.
    """

    def decorate(function: Callable[..., Any]) -> TaskFunction:
        if not callable(function) or isinstance(function, TaskFunction):
            raise InvalidOption(
                f"@task goes on a function, not on {function!r}; options are given by name: @task(retries=3)."
            )
        name = getattr(function, "__name__", type(function).__name__)
        task_id = check_id(id if id is not None else name.strip("<>"), what="task")
        return TaskFunction(
            function, task_id, parse_options(options, TaskOptions(), what=f"task {task_id!r}")
        )

    return decorate if function is None else decorate(function)


@listing_options
def notebook(
    path: str | os.PathLike[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    export: str | None = None,
    id: str | None = None,
    kernel: str | None = None,
    hold_on_failure: Duration | None = None,
    **options: Any,
) -> TaskNode:
    """Add a whole notebook as a task, executed with `parameters` in place of its defaults.

    Its result is the path of the executed notebook, as text.

    Parameters
    ----------
    path
        The notebook, relative to the directory in which the DAG is defined.
    parameters
        Values for names in its cell tagged ``parameters``; results of other tasks and placeholders may be
        among them, anywhere inside.
    export
        ``"html"`` to make a report, without the code, from the executed notebook.
    id
        The task's id; the file's name unless given.
    kernel
        The name of a Jupyter kernel to use instead of the notebook's own.
    hold_on_failure
        How long its kernel stays when its last attempt has failed: a timedelta, seconds, or text such as
        ``"30m"``. Until then one can look into it (``jupyter console --existing``), mend the notebook, and go
        on from the failed cell: ``%ppacer resume RUN TASK``. Default not at all.
    **options
        As of `task`.

    Raises
    ------
    NotebookError
        If the notebook is missing or broken, or its kernel is not installed.
    InvalidParameters
        If it does not know a parameter, or has no cell tagged ``parameters``.
    InvalidPlaceholder
        If called outside a ``with DAG`` block.
    """
    # Not at the top: it brings papermill, which takes half a second that an import should not.
    from ppacer_nb.kernels.inspect import check_parameters, inspect_notebook

    dag = current_dag()
    if dag is None:
        raise InvalidPlaceholder("notebook(...) adds a task: call it inside a 'with DAG(...)' block.")
    absolute = (dag.cwd / Path(path).expanduser()).resolve()
    info = inspect_notebook(absolute, kernel)
    check_parameters(info, parameters or {})
    if export is not None and export not in _EXPORTS:
        raise InvalidOption(f"export of {Path(path).name!r} is {export!r}: give 'html', or leave it out.")
    task_id = dag.free_id(check_id(id if id is not None else _id_of(absolute), what="task"))
    _check_secrets(parameters or {}, task_id)
    filled = to_references(dict(parameters or {}), dag)
    _pickled(None, filled, task_id)
    work = NotebookWork(absolute, info.source, filled, ("html",) if export else (), kernel)
    what = f"task {task_id!r}"
    if options.get("short_circuit"):
        raise InvalidOption(
            f"short_circuit of {what}: the result of a notebook is its path, which is never falsy. Let a "
            "function decide."
        )
    hold = parse_duration(hold_on_failure or 0, what=f"hold_on_failure of {what}") or None
    return dag.add(
        TaskSpec(task_id, work, parse_options(options, TaskOptions(hold_on_failure=hold), what=what))
    )


@listing_options
def bash(
    command: str, *, env: Mapping[str, str] | None = None, id: str | None = None, **options: Any
) -> TaskNode:
    """Add a shell command as a task. It fails if the command's exit code is not 0.

    Its result is what the command printed to stdout, without surrounding white space.

    Parameters
    ----------
    command
        For ``bash -c``; placeholders may stand in it: ``bash(f"load.sh {run.logical_date:%F}")``.
    env
        Environment variables to set besides the scheduler's own.
    id
        The task's id; ``bash`` unless given.
    **options
        As of `task`.

    Raises
    ------
    InvalidPlaceholder
        If called outside a ``with DAG`` block.
    """
    dag = current_dag()
    if dag is None:
        raise InvalidPlaceholder("bash(...) adds a task: call it inside a 'with DAG(...)' block.")
    if not isinstance(command, str) or not command.strip():
        raise InvalidOption(f"bash({command!r}) has no command: give what 'bash -c' is to run.")
    task_id = dag.free_id(check_id(id if id is not None else "bash", what="task"))
    kwargs = to_references({"command": command, "env": dict(env or {})}, dag)
    work = FunctionWork(
        function=run_bash,
        payload=_pickled(run_bash, kwargs, task_id),
        name=command.strip().splitlines()[0][:80],
        source=command,
        kwargs=kwargs,
        kind="bash",
    )
    return dag.add(TaskSpec(task_id, work, parse_options(options, TaskOptions(), what=f"task {task_id!r}")))


def _check_secrets(parameters: Mapping[str, Any], task_id: str) -> None:
    for name, value in parameters.items():
        if not isinstance(value, Secret) and any(isinstance(r, Secret) for r in references(value)):
            raise InvalidPlaceholder(
                f"parameter {name!r} of task {task_id!r} has a secret inside, which would be written into "
                "the executed notebook: make the secret a parameter of its own."
            )


def _pickled(function: Callable[..., Any] | None, arguments: Any, task_id: str) -> bytes:
    """Return the function by cloudpickle; refuse now what could not be sent to a kernel later."""
    try:
        values.pickle_value(arguments)
        return values.pickle_value(function)
    except ValueNotPicklable as error:
        cause = error.__cause__
        if isinstance(cause, InvalidPlaceholder):
            raise InvalidPlaceholder(f"task {task_id!r}: {cause}") from None
        raise CannotPickle(
            f"task {task_id!r} uses what cannot be sent to a kernel, such as a connection or a lock "
            f"({type(cause).__name__}: {cause}): make it inside the function."
        ) from None


def _source_of(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):  # defined where no source is kept: exec, a builtin, a C extension
        return f"# the source of {getattr(function, '__qualname__', function)!r} is not available\n"


def _signature_text(function: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(...)"


def _id_of(path: Path) -> str:
    """Return a file's name as an id: what an id cannot hold becomes ``_``."""
    return "".join(c if c.isalnum() or c in "_-." else "_" for c in path.stem).lstrip("-.") or "notebook"
