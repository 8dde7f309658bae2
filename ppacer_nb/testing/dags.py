"""DAGs for tests, in a few characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppacer_nb.model.catchup import Catchup
from ppacer_nb.model.dag import DagSpec, in_order
from ppacer_nb.model.task import FunctionWork, TaskOptions, TaskSpec


def dag_spec(
    id: str,
    chains: str,
    *,
    options: Mapping[str, TaskOptions] | TaskOptions = TaskOptions(),  # noqa: B008 - frozen
    **head: Any,
) -> DagSpec:
    """Return a DAG whose tasks do nothing, from a short notation.

    Parameters
    ----------
    chains
        ``"a >> b, c >> d; e"``: `b` and `c` wait for `a`, `d` for both of them, and `e` for nothing.
    options
        Of every task, or by task id.
    **head
        Further fields of `DagSpec`: ``schedule=...``; ``catchup`` as `DAG` takes it.
    """
    upstreams: dict[str, list[str]] = {}
    for chain in chains.split(";"):
        before: list[str] = []
        for group in chain.split(">>"):
            names = [name.strip() for name in group.split(",") if name.strip()]
            for name in names:
                known = upstreams.setdefault(name, [])
                known += [other for other in before if other not in known]
            before = names
    tasks = [
        TaskSpec(
            name,
            FunctionWork(_nothing, b"", "nothing", ""),
            options if isinstance(options, TaskOptions) else options.get(name, TaskOptions()),
            tuple(waits_for),
        )
        for name, waits_for in upstreams.items()
    ]
    if "catchup" in head:
        head["catchup"] = Catchup.of(head["catchup"])
    return DagSpec(id, in_order(id, tasks), **head)


def _nothing() -> None:
    """The function of the tasks that `dag_spec` makes."""
