"""`TaskContext`: what a task function receives when it asks for it."""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ppacer_nb.model.run_info import RunInfo


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The run, a logger and a way to send a message, for a function that has a parameter of this type.

    ::

        @task
        def load(context: TaskContext):
            context.logger.info("loading", extra={"day": context.run.logical_date})
            context.notify("half way there")
    """

    run: RunInfo
    #: Its records reach the attempt's log with their level, time and ``extra`` attributes.
    logger: logging.Logger
    _send: Callable[[str], None] = field(repr=False)

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.run.attempt

    def notify(self, message: str) -> None:
        """Send `message`, as text, at once to the receivers of the scheduler's notifications."""
        self._send(str(message))


def context_parameter(function: Callable[..., Any]) -> str | None:
    """Return the name of the parameter of `function` that is annotated `TaskContext`, if there is one."""
    for name, parameter in _parameters(function).items():
        if _is_context(parameter.annotation, function):
            return name
    return None


def _parameters(function: Callable[..., Any]) -> typing.Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin without a signature asks for nothing
        return {}


def _is_context(annotation: object, function: Callable[..., Any]) -> bool:
    if isinstance(annotation, str):  # from __future__ import annotations
        # Other annotations may not resolve (names for type checkers only), so this one is looked up alone.
        scope = getattr(inspect.unwrap(function), "__globals__", {})
        head, *rest = annotation.split(".")
        annotation = scope.get(head, annotation if head == "TaskContext" else None)
        for name in rest:
            annotation = getattr(annotation, name, None)
    return annotation is TaskContext or annotation == "TaskContext"
