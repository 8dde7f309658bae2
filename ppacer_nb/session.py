"""What the faces have in common: one scheduler per process, and finding the one to speak to."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from ppacer_nb.authoring.registry import defined_dags
from ppacer_nb.errors import AlreadyRunning, PpacerError, StoreLocked
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.scheduler.api import SchedulerApi
from ppacer_nb.scheduler.offline import OfflineScheduler
from ppacer_nb.scheduler.service import DEFAULT_MAX_WORKERS, Scheduler, SchedulerOptions
from ppacer_nb.server.address import published
from ppacer_nb.server.app import Server
from ppacer_nb.server.client import RemoteScheduler


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a definition that the scheduler was given."""

    dag_id: str
    is_new: bool  #: False: it replaced an older version
    problem: str = ""  #: why it was refused, where it was


def default_store() -> Path:
    """Return the store beside the notebook: ``.ppacer/ppacer.duckdb`` in the working directory."""
    return Path.cwd() / ".ppacer" / "ppacer.duckdb"


def notebook_name() -> str:
    """Return the notebook or program that this process runs, as far as it can be known."""
    return os.environ.get("JPY_SESSION_NAME") or (sys.argv[0] if sys.argv else "")


class Session:
    """The scheduler of this process, if it has one, and the store that its commands speak of."""

    def __init__(self) -> None:
        self.scheduler: Scheduler | None = None
        self._store: Path | None = None
        self._versions: dict[str, str] = {}  # what the scheduler was given last, by DAG
        atexit.register(self._stop_at_exit)

    @property
    def store(self) -> Path:
        """The store that was named last, or the default one."""
        return self._store or default_store()

    @property
    def is_running(self) -> bool:
        """Whether a scheduler runs in this process."""
        return self.scheduler is not None and self.scheduler.is_running

    def start(
        self,
        *,
        store: Path | None = None,
        max_workers: int = DEFAULT_MAX_WORKERS,
        pools: Mapping[str, int] | None = None,
        executor: str = "kernel",
        preload: Sequence[str] = (),
    ) -> Scheduler:
        """Start a scheduler in this process, with an HTTP API for others. Its DAGs come by `register`.

        Raises
        ------
        AlreadyRunning
            If one runs here, or another process holds the store; the sentence says who, and how to go on.
        StoreError
            If the store cannot be opened.
        """
        if self.is_running:
            raise AlreadyRunning("a scheduler is running in this process already: stop it with %ppacer stop.")
        path = (store or self.store).expanduser().absolute()
        _make_folder(path.parent)
        options = SchedulerOptions(
            store=path,
            runs_folder=path.parent / "runs",
            max_workers=max_workers,
            pools=pools or {},
            default_executor=executor,
            preload=tuple(preload),
            notebook=notebook_name(),
        )
        try:
            scheduler = Scheduler(options)
        except StoreLocked as error:
            raise _held(path, error) from None
        Server(scheduler, path)
        self.scheduler, self._store, self._versions = scheduler, path, {}
        return scheduler

    def register(self) -> list[Registered]:
        """Give the scheduler all definitions of this process that it does not have yet."""
        if self.scheduler is None or not self.scheduler.is_running:
            return []
        given = []
        for dag in defined_dags():
            known = self._versions.get(dag.id)
            if known == dag.version:
                continue
            self._versions[dag.id] = dag.version
            given.append(Registered(dag.id, known is None, _refusal(self.scheduler, dag.spec)))
        return given

    def running(self) -> SchedulerApi | None:
        """Return the scheduler of this process, or another's on the same store; None if there is none."""
        if self.scheduler is not None and self.scheduler.is_running:
            return self.scheduler
        return find_scheduler(self.store)

    @contextmanager
    def api(self) -> Iterator[SchedulerApi]:
        """Give the scheduler to speak to: this process's, another's on the same store, or its history.

        Raises
        ------
        NotRunning
            If there is neither a scheduler nor a history.
        StoreLocked
            If the store is held by a process that cannot be asked.
        """
        scheduler = self.running()
        if scheduler is not None:
            yield scheduler
            return
        with OfflineScheduler(self.store) as offline:
            yield offline

    def _stop_at_exit(self) -> None:
        if self.scheduler is not None:
            self.scheduler.stop(wait=timedelta(0))


@cache
def current() -> Session:
    """Return the session of this process, which ``%ppacer`` and the dashboards share."""
    return Session()


def find_scheduler(store: Path) -> RemoteScheduler | None:
    """Return the scheduler of another process that holds `store`, None if none answers."""
    address = published(store)
    if address is None:
        return None
    remote = RemoteScheduler(address)
    try:
        remote.info()
    except PpacerError:  # it died, and its address is a leftover
        return None
    return remote


def _refusal(scheduler: Scheduler, dag: DagSpec) -> str:
    try:
        scheduler.register(dag)
    except PpacerError as error:
        return str(error)
    return ""


def _make_folder(folder: Path) -> None:
    """Make the store's folder; a default one is kept out of version control."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new and folder.name == ".ppacer":
        (folder / ".gitignore").write_text("*\n")


def _held(store: Path, error: StoreLocked) -> PpacerError:
    remote = find_scheduler(store)
    if remote is None:
        return StoreLocked(f"{error} Stop that process, or give another store: %ppacer start --store PATH.")
    address = remote.address
    since = f" since {address.started_at.astimezone():%H:%M on %d %B}" if address.started_at else ""
    return AlreadyRunning(
        f"a scheduler already runs on {store}: process {address.pid}, {address.notebook or 'no notebook'}"
        f"{since}. The %ppacer commands here speak to it; %ppacer stop stops it. For a scheduler of its own "
        "this notebook needs another store: %ppacer start --store PATH."
    )
