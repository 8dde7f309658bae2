"""A DAG as plain data: its tasks in order, and when and how it runs."""

from __future__ import annotations

import difflib
import graphlib
import hashlib
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ppacer_nb.errors import CycleError, InvalidParameters, InvalidPlaceholder
from ppacer_nb.model.catchup import OFF, Catchup
from ppacer_nb.model.placeholders import FIELDS, Placeholder, UpstreamResult, references
from ppacer_nb.model.task import TaskSpec, written
from ppacer_nb.schedules.protocol import Schedule


@dataclass(frozen=True)
class DagSpec:
    """One version of a DAG. Made by `DAG` when its ``with`` block ends; never changed."""

    id: str
    tasks: Mapping[str, TaskSpec]  #: by id, upstream before downstream
    schedule: Schedule | None = None
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    start: datetime | None = None  #: no schedule point before it
    end: datetime | None = None  #: no schedule point after it
    catchup: Catchup = OFF  #: what becomes of points that passed while nobody served them
    max_active_runs: int = 16
    max_active_tasks: int | None = None  #: of all its runs together; None: as many as there are workers
    priority: int = 0  #: of its tasks that have none of their own
    timeout: timedelta | None = None  #: of each run, from when it begins; None: never
    params: Mapping[str, Any] = field(default_factory=dict)  #: names and defaults
    tags: tuple[str, ...] = ()
    description: str = ""
    cwd: Path = field(default_factory=Path.cwd)  #: where its tasks run and its relative paths begin

    @cached_property
    def version(self) -> str:
        """The first 12 hex digits of the SHA-256 of everything that the definition says."""
        return hashlib.sha256(self.source.encode(errors="replace")).hexdigest()[:12]

    @cached_property
    def source(self) -> str:
        """The definition as text, the sources of its tasks by their hashes: what makes a version."""
        named = ("start", "end", "catchup", "max_active_runs", "max_active_tasks", "priority", "timeout")
        head = [
            f"dag {self.id}",
            f"schedule {self.schedule}",
            f"timezone {self.timezone}",
            *(f"{name} {getattr(self, name)}" for name in named),
            f"params {written(dict(self.params))}",
            f"tags {', '.join(self.tags)}",
            f"description {self.description}",
        ]
        return "\n\n".join(["\n".join(head), *(_task_source(task) for task in self.tasks.values())])

    @cached_property
    def downstreams(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the tasks that wait for each task."""
        waiting: dict[str, list[str]] = {id: [] for id in self.tasks}
        for task in self.tasks.values():
            for upstream in task.upstreams:
                waiting[upstream].append(task.id)
        return {id: tuple(ids) for id, ids in waiting.items()}

    @cached_property
    def data_upstreams(self) -> Mapping[str, frozenset[str]]:
        """The ids of the tasks whose results each task receives."""
        return {id: task.data_upstreams for id, task in self.tasks.items()}

    def priority_of(self, task: TaskSpec) -> int:
        """Return the priority of one of its tasks."""
        return self.priority if task.options.priority is None else task.options.priority

    def with_params(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the DAG's params with `given` in place of their defaults.

        For a param whose default is a member of an Enum the name of a member stands for it.

        Raises
        ------
        InvalidParameters
            If `given` names one that the DAG does not declare.
        """
        for name in given:
            if name not in self.params:
                raise InvalidParameters(
                    f"DAG {self.id!r} has no parameter {name!r}{did_you_mean(name, self.params)}: "
                    f"it has {_listing(self.params)}."
                )
        return {**self.params, **{name: _member(self.params[name], value) for name, value in given.items()}}


def _member(default: object, value: object) -> object:
    """Return the member of the default's Enum that `value` names, or `value` itself."""
    if isinstance(default, Enum) and isinstance(value, str) and not isinstance(value, Enum):
        return type(default).__members__.get(value, value)
    return value


def in_order(dag_id: str, tasks: Iterable[TaskSpec]) -> dict[str, TaskSpec]:
    """Return `tasks` by id, every upstream before its downstream, otherwise in the order given.

    Raises
    ------
    CycleError
        If tasks wait for each other; the sentence shows the circle.
    """
    by_id = {task.id: task for task in tasks}
    sorter = graphlib.TopologicalSorter({task.id: task.upstreams for task in by_id.values()})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        # graphlib lists each task before the one that waits for it
        circle = " >> ".join(error.args[1])
        raise CycleError(
            f"the tasks of DAG {dag_id!r} wait for each other: {circle}. Take out one of these edges."
        ) from None
    places = {id: place for place, id in enumerate(by_id)}
    order: dict[str, TaskSpec] = {}
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for id in sorter.get_ready():
            heapq.heappush(ready, (places[id], id))
        first = heapq.heappop(ready)[1]
        order[first] = by_id[first]
        sorter.done(first)
    return order


def check_references(dag: DagSpec) -> None:
    """Raise InvalidPlaceholder if a task is given what no run of `dag` can fill in."""
    for task in dag.tasks.values():
        for reference in references(task.work.inputs):
            _check_reference(dag, task, reference)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest of the `known` names, or nothing."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _check_reference(dag: DagSpec, task: TaskSpec, reference: object) -> None:
    where = f"task {task.id!r} of DAG {dag.id!r} is given"
    if isinstance(reference, UpstreamResult) and reference.task_id not in dag.tasks:
        raise InvalidPlaceholder(
            f"{where} the result of {reference.task_id!r}, which is no task of this DAG: call it inside the "
            "same 'with DAG' block."
        )
    if not isinstance(reference, Placeholder):
        return
    if reference.param is not None:
        if reference.field != "params" or reference.param not in dag.params:
            raise InvalidPlaceholder(
                f"{where} {reference!r}, but the DAG has {_listing(dag.params)}"
                f"{did_you_mean(reference.param, dag.params)}: add it with DAG(..., params={{...}})."
            )
    elif reference.field not in FIELDS:
        raise InvalidPlaceholder(
            f"{where} {reference!r}, which no run has: there are "
            f"{', '.join(f'run.{field}' for field in FIELDS)} and run.params[...]."
        )


def _listing(params: Mapping[str, Any]) -> str:
    return f"the params {', '.join(map(repr, params))}" if params else "no params"


def _task_source(task: TaskSpec) -> str:
    return "\n".join([f"task {task.id}", *task.settings, f"source {task.source_hash}"])
