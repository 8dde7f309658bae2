"""`DAG`: the ``with`` block in which tasks are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from ppacer_nb.authoring import registry
from ppacer_nb.authoring.head import (
    at_least_one,
    at_least_one_or_none,
    catchup_of,
    check_order,
    description_of,
    instant_of,
    params_of,
    schedule_of,
    tags_of,
    zone_of,
)
from ppacer_nb.authoring.live import live_graph
from ppacer_nb.authoring.nodes import TaskNode
from ppacer_nb.authoring.options import timeout_of, whole_number
from ppacer_nb.errors import DefinitionError, DuplicateId
from ppacer_nb.model.dag import DagSpec, check_references, in_order
from ppacer_nb.model.durations import Duration
from ppacer_nb.model.ids import check_id
from ppacer_nb.model.task import TaskSpec
from ppacer_nb.schedules.protocol import Schedule
from ppacer_nb.views.dags import dag_graph
from ppacer_nb.views.graph import to_mermaid, to_text
from ppacer_nb.views.svg import to_html

if TYPE_CHECKING:
    from ppacer_nb.scheduler.run_once import RunResult
    from ppacer_nb.widgets import Dashboard

_current: ContextVar[DAG | None] = ContextVar("ppacer_current_dag", default=None)


class DAG:
    """A set of tasks and their order, with a schedule.

    ::

        with DAG("daily_sales", schedule="15 6 * * 1-5", timezone="Europe/Warsaw") as dag:
            rows = extract(day=run.logical_date)
            load(total(rows))

    The definition is checked when the block ends, and until then nothing knows of it. Defining the same id
    again replaces the DAG: runs under way end on the version they began with.

    Parameters
    ----------
    id
        The DAG's id: letters, digits, ``_``, ``-`` and ``.``.
    schedule
        A cron expression, ``every("10m")``, a timedelta, or an object with the methods of `Schedule`. None
        for a DAG that runs only when it is triggered.
    timezone
        An IANA name such as ``"Europe/Warsaw"``: cron expressions are read in it, and tasks see the logical
        date in it. Default UTC.
    start, end
        No schedule point lies before `start` or after `end`. A datetime, a date or ISO text; without a zone
        it is read in the DAG's timezone.
    catchup
        What becomes of schedule points that passed while no scheduler was up, the machine slept or the DAG
        was paused. False (default): they are recorded as skipped. True or ``"all"``: they are run later, in
        order, as far as `max_active_runs` leaves room. ``"last"``: only the newest of them is run.
        ``"7d"`` or a timedelta: those not older than that when their turn comes are run, as with True.
    max_active_runs
        How many of its runs may be under way at once; others wait. Default 16.
    max_active_tasks
        How many tasks of all its runs together may run at once; others wait and let those of other DAGs
        pass. Default None: as many as there are workers.
    priority
        Of its tasks that have none of their own: the higher, the sooner a task gets a free worker, before
        those of any DAG that are lower. Among equals DAGs take turns, and within a DAG what became ready
        first comes first. Default 0.
    timeout
        How long a run may take, from when it begins: a timedelta, seconds, or text such as ``"2h"``. Then it
        is stopped, what cleans up runs, and it has failed. Default None: no limit.
    params
        Names and defaults of the run's parameters, for ``run.params["name"]``.
    tags, description
        For people.

    Raises
    ------
    DefinitionError
        One of its kinds, when the block ends or an argument means nothing; the sentence says what to mend.
    """

    def __init__(
        self,
        id: str,
        schedule: object = None,
        timezone: str | ZoneInfo | None = None,
        start: datetime | date | str | None = None,
        end: datetime | date | str | None = None,
        catchup: bool | str | timedelta = False,
        max_active_runs: int = 16,
        params: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        description: str = "",
        timeout: Duration | None = None,
        max_active_tasks: int | None = None,
        priority: int = 0,
    ) -> None:
        self.id = check_id(id, what="DAG")
        self.cwd = Path.cwd()
        self._zone = zone_of(timezone, self.id)
        self._head = DagSpec(
            id=self.id,
            tasks={},
            schedule=schedule_of(schedule, self._zone, self.id),
            timezone=self._zone,
            start=instant_of(start, self._zone, f"start of DAG {self.id!r}"),
            end=instant_of(end, self._zone, f"end of DAG {self.id!r}"),
            catchup=catchup_of(catchup, self.id),
            max_active_runs=at_least_one(max_active_runs, f"max_active_runs of DAG {self.id!r}"),
            max_active_tasks=at_least_one_or_none(max_active_tasks, f"max_active_tasks of DAG {self.id!r}"),
            priority=whole_number(priority, f"priority of DAG {self.id!r}"),
            timeout=timeout_of(timeout, f"DAG {self.id!r}"),
            params=params_of(params, self.id),
            tags=tags_of(tags, self.id),
            description=description_of(description, self.id),
            cwd=self.cwd,
        )
        check_order(self._head.start, self._head.end, self.id)
        self._nodes: dict[str, TaskNode] = {}
        self._spec: DagSpec | None = None
        self._token: Token[DAG | None] | None = None

    @property
    def spec(self) -> DagSpec:
        """The finished definition as plain data.

        Raises
        ------
        DefinitionError
            If the ``with`` block has not ended well.
        """
        if self._spec is None:
            raise DefinitionError(
                f"DAG {self.id!r} is not defined yet: its 'with' block has not ended, or ended in an error."
            )
        return self._spec

    @property
    def version(self) -> str:
        """Twelve hex digits that change when the definition does."""
        return self.spec.version

    @property
    def schedule(self) -> Schedule | None:
        """When it runs, None for a DAG that only runs when it is triggered."""
        return self._head.schedule

    @property
    def timezone(self) -> ZoneInfo:
        """The timezone of its schedule and its logical dates."""
        return self._zone

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The ids of its tasks; in a finished DAG, upstream before downstream."""
        return tuple(self._spec.tasks if self._spec is not None else self._nodes)

    @property
    def is_finished(self) -> bool:
        """Whether the ``with`` block has ended well: nothing changes any more."""
        return self._spec is not None

    def add(self, task: TaskSpec) -> TaskNode:
        """Add a task whose id is free; its data edges follow from its arguments."""
        if task.id in self._nodes:
            raise DuplicateId(
                f"DAG {self.id!r} already has a task {task.id!r}: give this one another id, "
                f"such as .override(id={self.free_id(task.id)!r})."
            )
        node = TaskNode(self, task)
        self._nodes[task.id] = node
        return node

    def free_id(self, wanted: str) -> str:
        """Return `wanted`, or with ``_2``, ``_3`` ... behind it if the DAG has such a task already."""
        number, id = 1, wanted
        while id in self._nodes:
            number += 1
            id = f"{wanted}_{number}"
        return id

    def run(
        self,
        logical_date: datetime | date | str | None = None,
        params: Mapping[str, Any] | None = None,
        store: str | Path | None = None,
        executor: str | None = None,
    ) -> RunResult:
        """Run the DAG here and now, to the end, and return what came out.

        In a notebook its graph under the cell shows how far it has come.

        Parameters
        ----------
        logical_date
            What the run stands for; without a zone it is read in the DAG's timezone. Default now.
        params
            In place of the defaults of the DAG's own params.
        store
            The path of a DuckDB file that keeps the history, with the executed notebooks in ``runs`` beside
            it. None keeps nothing on disk.
        executor
            ``"thread"`` or ``"kernel"``, for all function tasks. None leaves each where it says: kernels,
            unless it names another. Notebooks always run in kernels.

        Raises
        ------
        InvalidParameters
            If the DAG does not declare one of `params`.
        StoreLocked
            If a scheduler holds that store.
        KeyboardInterrupt
            If it is interrupted; the run is cancelled first.
        """
        # Not at the top: it brings DuckDB, which defining a DAG does not need.
        from ppacer_nb.scheduler.run_once import run_once

        spec = self.spec
        spec.with_params(params or {})
        point = instant_of(logical_date, self._zone, "logical_date")
        return run_once(
            spec,
            logical_date=point,
            params=params or {},
            store=Path(store) if store is not None else None,
            executor=executor,
            on_change=live_graph(spec),
        )

    def dashboard(self) -> Dashboard:
        """Return a live view of this DAG: its schedule, and the buttons to steer it.

        Raises
        ------
        NotRunning
            If there is neither a scheduler nor a history.
        NotFound
            If the scheduler does not know the DAG.
        StoreLocked
            If the store is held by a process that cannot be asked.
        """
        # Not at the top: it is built upon what is defined here.
        from ppacer_nb.dashboards import dag_view

        return dag_view(self.id)

    def mermaid(self) -> str:
        """Return the graph as a Mermaid flowchart, for a Markdown page."""
        return to_mermaid(dag_graph(self.spec))

    def __enter__(self) -> Self:
        outer = _current.get()
        if outer is not None:
            raise DefinitionError(
                f"DAG {self.id!r} begins inside the 'with' block of DAG {outer.id!r}: end that block first."
            )
        if self._nodes:
            raise DefinitionError(f"DAG {self.id!r} has had its 'with' block: make a new DAG({self.id!r}).")
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)
        if error is None:
            self._spec = self._finished()
            registry.note(self)

    def __repr__(self) -> str:
        return to_text(dag_graph(self._spec or self._unfinished()))

    def _repr_html_(self) -> str:
        return to_html(dag_graph(self._spec or self._unfinished()))

    def _finished(self) -> DagSpec:
        tasks = []
        for node in self._nodes.values():
            task = node.spec
            waits_for = dict.fromkeys([*task.upstreams, *sorted(task.data_upstreams)])
            tasks.append(replace(task, upstreams=tuple(waits_for)))
        spec = replace(self._head, tasks=in_order(self.id, tasks))
        check_references(spec)
        return spec

    def _unfinished(self) -> DagSpec:
        return replace(self._head, tasks={id: node.spec for id, node in self._nodes.items()})


def current_dag() -> DAG | None:
    """Return the DAG whose ``with`` block is being run, if one is."""
    return _current.get()
