"""DAGs of real functions, and a real scheduler that runs them in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudpickle

from ppacer_nb.model.context import context_parameter
from ppacer_nb.model.dag import DagSpec, in_order
from ppacer_nb.model.task import FunctionWork, TaskOptions, TaskSpec
from ppacer_nb.scheduler.clock import Clock
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions


def task(
    function: Callable[..., Any],
    *args: Any,
    id: str | None = None,
    after: tuple[str, ...] = (),
    **options: Any,
) -> TaskSpec:
    """A task of that function, on a thread; `after` must name the tasks in `args` too."""
    work = FunctionWork(
        function,
        cloudpickle.dumps(None),
        "f",
        "",
        args,
        context_parameter=context_parameter(function),
    )
    return TaskSpec(id or function.__name__, work, TaskOptions(executor="thread", **options), after)


def dag(*tasks: TaskSpec, id: str = "d", **head: Any) -> DagSpec:
    return DagSpec(id, in_order(id, tasks), **head)


@contextmanager
def scheduler(
    folder: Path, *, clock: Clock | None = None, store: bool = True, **options: Any
) -> Iterator[Scheduler]:
    made = Scheduler(
        SchedulerOptions(
            store=folder / "ppacer.duckdb" if store else None,
            runs_folder=folder / "runs",
            default_executor="thread",
            **options,
        ),
        clock,
    )
    try:
        yield made
    finally:
        made.stop(wait=timedelta(0))
