"""What executes notebooks elsewhere, each as its documentation says."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from nbclient import NotebookClient

#: Executes a notebook with the parameters ``{"x": 2}``.
Peer = Callable[[Path, Path], object]
#: Two processes.
Pair = ProcessPoolExecutor


def with_papermill(path: Path, target: Path) -> None:
    """In a fresh kernel, with its parameters in a cell of their own."""
    papermill.execute_notebook(str(path), str(target), {"x": 2}, progress_bar=False)


def with_nbclient(path: Path, target: Path) -> None:
    """In a fresh kernel; it knows no parameters."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3").execute()
    nbformat.write(notebook, target)


def with_ploomber_engine(path: Path, target: Path) -> None:
    """In this very process: without a kernel, isolation, or a way to stop it."""
    engine = importlib.import_module("ploomber_engine")
    engine.execute_notebook(str(path), str(target), parameters={"x": 2}, progress_bar=False)


PEERS: dict[str, Peer] = {
    "papermill": with_papermill,
    "nbclient": with_nbclient,
    "ploomber-engine (no kernel)": with_ploomber_engine,
}


@contextmanager
def pair() -> Iterator[Pair]:
    """Give two processes that have imported the peers."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=_quiet) as pool:
        list(pool.map(_ready, range(8)))
        yield pool


def time_of_many(pool: Pair, peer: Peer, path: Path, count: int) -> float:
    """Return the seconds that two processes take for `count` executions, half of them each."""
    with tempfile.TemporaryDirectory() as folder:
        targets = [Path(folder) / f"{number}.ipynb" for number in range(count)]
        began = time.perf_counter()
        list(pool.map(_again_if_it_fails, [peer] * count, [path] * count, targets))
        return time.perf_counter() - began


def _again_if_it_fails(peer: Peer, path: Path, target: Path) -> None:
    """Execute a notebook; papermill's kernels, two at a time, now and then take a port from each other."""
    try:
        peer(path, target)
    except RuntimeError:
        peer(path, target)


def _quiet() -> None:
    logging.getLogger("papermill").setLevel(logging.ERROR)


def _ready(_: int) -> None:
    importlib.import_module("ploomber_engine")
