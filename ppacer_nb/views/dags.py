"""DAGs as graphs to draw: from a definition, or from what the history kept of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.durations import format_duration
from ppacer_nb.model.history import DagVersion, TaskShape
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.status import AttemptState, TriggerRule
from ppacer_nb.views.graph import Graph, GraphEdge, GraphNode


def dag_graph(dag: DagSpec, states: Mapping[str, AttemptState] | None = None) -> Graph:
    """Return the graph of a definition, or of a run of it; each task's details say its options."""
    shapes = [_shape(task) for task in dag.tasks.values()]
    details = {task.id: _details(task, dag.priority_of(task)) for task in dag.tasks.values()}
    return Graph(_title(dag), _nodes(shapes, details, states or {}), _edges(shapes))


def run_graph(version: DagVersion, states: Mapping[str, AttemptState]) -> Graph:
    """Return the graph of a stored version, with the states of its tasks in one run."""
    return Graph(version.dag_id, _nodes(version.tasks, {}, states), _edges(version.tasks))


def _shape(task: TaskSpec) -> TaskShape:
    return TaskShape(task.id, task.kind, task.work.name, task.upstreams, tuple(task.data_upstreams))


def _title(dag: DagSpec) -> str:
    parts = [dag.id]
    if dag.schedule is not None:
        parts.append(str(dag.schedule))
        if dag.catchup.is_on:
            parts.append(f"catchup {dag.catchup}")
    if dag.max_active_tasks is not None:
        parts.append(f"at most {dag.max_active_tasks} task{'s' * (dag.max_active_tasks > 1)} at once")
    return " · ".join(parts)


def _nodes(
    tasks: Iterable[TaskShape], details: Mapping[str, str], states: Mapping[str, AttemptState]
) -> tuple[GraphNode, ...]:
    return tuple(
        GraphNode(id=t.id, kind=t.kind, label=t.id, detail=details.get(t.id, t.name), state=states.get(t.id))
        for t in tasks
    )


def _edges(tasks: Iterable[TaskShape]) -> tuple[GraphEdge, ...]:
    return tuple(
        GraphEdge(upstream, task.id, carries_data=upstream in task.data_upstreams)
        for task in tasks
        for upstream in task.upstreams
    )


def _details(task: TaskSpec, priority: int) -> str:
    options = task.options
    parts = [task.work.name]
    if options.retries:
        parts.append(f"retries {options.retries}")
    if options.timeout is not None:
        parts.append(f"timeout {format_duration(options.timeout)}")
    if options.cleanup:
        parts.append("cleanup")
    elif options.trigger_rule is not TriggerRule.ALL_SUCCESS:
        parts.append(f"trigger rule {options.trigger_rule}")
    if options.short_circuit:
        parts.append("short circuit")
    if options.pool is not None:
        parts.append(f"pool {options.pool}")
    if priority:
        parts.append(f"priority {priority}")
    return ", ".join(parts)
