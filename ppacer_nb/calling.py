"""Calling a task's function: its references are filled in where it runs, and nowhere else."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ppacer_nb import values
from ppacer_nb.errors import Skip, TaskFailed
from ppacer_nb.model.attempt import LogLine, Skipped
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.placeholders import Placeholder, Reference, Secret, UpstreamResult, fill
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.model.values import Value

_REASON_LENGTH = 2_000  # characters: it is kept in the run history


def skipped(skip: Skip) -> tuple[Skipped, LogLine]:
    """Return how an attempt ends that raised `skip`, and what its log says of it."""
    reason = str(skip)[:_REASON_LENGTH] or "no reason given"
    return Skipped(reason), LogLine(datetime.now(UTC), "INFO", f"skipped: {reason}")


def resolver(run: RunInfo, inputs: Mapping[str, Value]) -> Callable[[Reference], Any]:
    """Return what fills in references: facts of `run`, results of other tasks, secrets.

    The result of a task that did not succeed is None: only tasks with a trigger rule of their own see that.
    Each result is loaded once, and each secret is read when it is asked for.
    """
    loaded: dict[str, Any] = {}

    def resolve(reference: Reference) -> Any:
        match reference:
            case Placeholder():
                return reference.of(run)
            case Secret(name):
                return read_secret(name)
            case UpstreamResult(task_id):
                if task_id not in loaded:
                    loaded[task_id] = values.load(inputs[task_id]) if task_id in inputs else None
                return loaded[task_id]

    return resolve


def read_secret(name: str) -> str:
    """Return the environment variable `name`.

    Raises
    ------
    TaskFailed
        If it is not set; the sentence names it.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise TaskFailed(
            f"the secret {name!r} is not set: export the environment variable {name} before the scheduler "
            "starts."
        ) from None


def bind(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    resolve: Callable[[Reference], Any],
    context_parameter: str | None,
    context: TaskContext,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments to call a function with: references filled in, the context where asked for."""
    filled_args, filled_kwargs = fill(args, resolve), dict(fill(kwargs, resolve))
    if context_parameter is not None and context_parameter not in filled_kwargs:
        filled_kwargs[context_parameter] = context
    return filled_args, filled_kwargs


def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call `function`; run what it returns to the end if that is a coroutine."""
    result = function(*args, **kwargs)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result
