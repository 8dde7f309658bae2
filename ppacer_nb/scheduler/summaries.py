"""How the engine and the history stand, as plain data for those who ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.engine.runs import DagEntry
from ppacer_nb.model.history import DagVersion
from ppacer_nb.model.overview import DagSummary, HeldKernel, PoolUse
from ppacer_nb.model.points import PointRange, joined


def defined_dag(entry: DagEntry, coordinator: Coordinator, now: datetime) -> DagSummary:
    """Return a DAG that is defined, as it stands now."""
    dag = entry.dag
    return DagSummary(
        dag_id=dag.id,
        version=dag.version,
        schedule=str(dag.schedule or ""),
        timezone=str(dag.timezone),
        description=dag.description,
        tags=dag.tags,
        defined=True,
        next_point=entry.next_point,
        active_runs=len(entry.active),
        queued_runs=len(entry.waiting),
        problem=entry.problem or _ahead(entry, now),
        paused=dag.id in coordinator.paused,
        missed=joined(coordinator.missed.get(dag.id, ())),
        to_catch_up=len(coordinator.to_catch_up.get(dag.id, ())),
        catchup=str(dag.catchup) if dag.catchup.is_on else "",
    )


def _ahead(entry: DagEntry, now: datetime) -> str:
    """Return the sentence on a history that goes on into the future, "" for one that does not."""
    if not entry.timetable.is_ahead_of(now):
        return ""
    until = f"{entry.timetable.after:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"its history goes up to {until}, which lies in the future: the clock was wrong then, or is now. No "
        "point up to that time runs: until then trigger it by hand, or define it under another id."
    )


def summary_of(
    version: DagVersion, paused: Collection[str], missed: Mapping[str, Sequence[PointRange]]
) -> DagSummary:
    """Return a DAG as only the history knows it.

    `paused` are the ids of those that are, and of some points were `missed` while no scheduler ran.
    """
    return DagSummary(
        dag_id=version.dag_id,
        version=version.version,
        schedule=version.schedule,
        timezone=version.timezone,
        description=version.description,
        tags=version.tags,
        defined=False,
        paused=version.dag_id in paused,
        missed=joined(missed.get(version.dag_id, ())),
    )


def held_kernels(coordinator: Coordinator) -> list[HeldKernel]:
    """Return the kernels that are held, the oldest first."""
    return [HeldKernel(*key, held.connection_file, held.until) for key, held in coordinator.held.items()]


def pool_use(coordinator: Coordinator) -> list[PoolUse]:
    """Return how full each pool is."""
    queue = coordinator.queue
    return [PoolUse(name, queue.slots_taken[name], slots) for name, slots in queue.limits.pools.items()]
