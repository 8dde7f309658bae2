"""Tasks while a DAG is being put together: what calling a task returns, and ``>>``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, Union

from ppacer_nb.errors import DefinitionError, InvalidPlaceholder
from ppacer_nb.model.placeholders import UpstreamResult
from ppacer_nb.model.task import TaskSpec

if TYPE_CHECKING:
    from ppacer_nb.authoring.dag import DAG

Nodes = Union["TaskNode", Sequence["TaskNode"]]


@dataclass(eq=False)
class TaskNode:
    """A task of a DAG, and at the same time its result: pass it to another task, or order tasks by ``>>``.

    ``a >> b`` lets `b` wait for `a`; either side may be a list; the right side is returned, so that chains
    can be written: ``a >> [b, c] >> d``.
    """

    dag: DAG = field(repr=False)
    spec: TaskSpec

    @property
    def id(self) -> str:
        """The task's id."""
        return self.spec.id

    def __rshift__(self, other: Nodes) -> Nodes:
        _order([self], other)
        return _chained(other)

    def __lshift__(self, other: Nodes) -> Nodes:
        _order(_listed(other), [self])
        return _chained(other)

    def __rrshift__(self, other: Sequence[TaskNode]) -> TaskNode:
        _order(other, [self])
        return self

    def __rlshift__(self, other: Sequence[TaskNode]) -> TaskNode:
        _order([self], other)
        return self

    def __repr__(self) -> str:
        return f"<task {self.id} of DAG {self.dag.id}>"

    def _not_known_yet(self, use: str) -> NoReturn:
        raise InvalidPlaceholder(
            f"the result of task {self.id!r} is known only when the DAG runs: {use} inside a task that it is "
            "passed to."
        )

    def __iter__(self) -> NoReturn:
        self._not_known_yet("loop over it")

    def __getitem__(self, key: object) -> NoReturn:
        self._not_known_yet("take an item out of it")

    def __bool__(self) -> NoReturn:
        self._not_known_yet("test it")

    def __format__(self, spec: str) -> NoReturn:
        self._not_known_yet("format it as text")

    def __reduce__(self) -> NoReturn:
        raise InvalidPlaceholder(
            f"the result of task {self.id!r} is hidden in an object or a function: pass it as an argument, "
            "by itself or within lists, tuples, sets and dicts."
        )


class _NodeList(list[TaskNode]):
    """Tasks on one side of an arrow that can take the next one: ``a >> [b, c] >> [d, e]``."""

    def __rshift__(self, other: Nodes) -> Nodes:
        _order(self, other)
        return _chained(other)

    def __lshift__(self, other: Nodes) -> Nodes:
        _order(_listed(other), self)
        return _chained(other)


def to_references(value: Any, dag: DAG) -> Any:
    """Return an argument with the tasks within it replaced by references to their results.

    Raises
    ------
    InvalidPlaceholder
        If a task belongs to another DAG.
    """
    if isinstance(value, TaskNode):
        if value.dag is not dag:
            raise InvalidPlaceholder(
                f"task {value.id!r} belongs to DAG {value.dag.id!r}: DAG {dag.id!r} cannot use its result. "
                "Call it inside the same 'with DAG' block."
            )
        return UpstreamResult(value.id)
    if isinstance(value, dict):
        return {to_references(key, dag): to_references(item, dag) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_references(item, dag) for item in value))
    if isinstance(value, list | set | frozenset) or type(value) is tuple:
        return type(value)(to_references(item, dag) for item in value)
    return value


def _order(upstreams: Iterable[TaskNode], downstreams: Nodes) -> None:
    upstreams = _listed(upstreams)
    for downstream in _listed(downstreams):
        for upstream in upstreams:
            if upstream.dag is not downstream.dag:
                raise InvalidPlaceholder(
                    f"{upstream.id!r} >> {downstream.id!r}: the tasks belong to different DAGs, "
                    f"{upstream.dag.id!r} and {downstream.dag.id!r}."
                )
            if downstream.dag.is_finished:
                raise DefinitionError(
                    f"{upstream.id!r} >> {downstream.id!r} comes too late: the 'with' block of DAG "
                    f"{downstream.dag.id!r} has ended. Move it inside, and run the cell again."
                )
            if upstream.id not in downstream.spec.upstreams:
                waits_for = (*downstream.spec.upstreams, upstream.id)
                downstream.spec = replace(downstream.spec, upstreams=waits_for)


def _chained(nodes: Nodes) -> Nodes:
    return nodes if isinstance(nodes, TaskNode) else _NodeList(nodes)


def _listed(nodes: object) -> list[TaskNode]:
    listed = [nodes] if isinstance(nodes, TaskNode) else nodes
    if isinstance(listed, list | tuple) and all(isinstance(node, TaskNode) for node in listed):
        return list(listed)
    raise InvalidPlaceholder(
        f"'>>' stands between tasks, or lists of tasks, and not {nodes!r}: call the task function first."
    )
