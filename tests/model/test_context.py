from __future__ import annotations

import functools
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ppacer_nb.model import context as module
from ppacer_nb.model.context import TaskContext, context_parameter
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.status import RunType

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

Renamed = TaskContext


def plain(rows: list[int], context: TaskContext) -> None: ...
def by_module(ctx: module.TaskContext, rows: Unknown) -> None: ...
def by_other_name(ctx: Renamed) -> None: ...
def keyword_only(*, ctx: TaskContext) -> None: ...
def without(rows: list[int], context: Any) -> None: ...
def of_other_things(a: int, b: Unknown, c: module.Nothing, d: list[TaskContext]) -> None: ...  # type: ignore[name-defined]
@functools.wraps(plain)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


class Callable:
    def __call__(self, ctx: TaskContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "context"),
        (by_module, "ctx"),
        (by_other_name, "ctx"),
        (keyword_only, "ctx"),
        (without, None),
        (of_other_things, None),
        (wrapped, "context"),
        (functools.partial(plain, [1]), "context"),
        (Callable(), "ctx"),
        (dict, None),
        (print, None),
    ],
)
def test_the_parameter_annotated_as_context_is_found_also_from_texts(function: Any, name: str | None) -> None:
    assert context_parameter(function) == name


def test_annotations_that_are_no_texts_are_found_too() -> None:
    namespace: dict[str, Any] = {"TaskContext": TaskContext}
    source = "def f(x, ctx: TaskContext): ...\ndef g(ctx: 'TaskContext'): ..."
    exec(compile(source, "cell", "exec", dont_inherit=True), namespace)
    assert context_parameter(namespace["f"]) == context_parameter(namespace["g"]) == "ctx"


def test_what_a_context_offers() -> None:
    sent: list[str] = []
    run = RunInfo("d", "d/1", RunType.MANUAL, datetime(2026, 1, 1, tzinfo=UTC), "a", 3)
    context = TaskContext(run, logging.getLogger("test"), sent.append)
    context.notify("half way")
    context.notify(42)  # type: ignore[arg-type]
    assert (context.attempt, sent) == (3, ["half way", "42"])
