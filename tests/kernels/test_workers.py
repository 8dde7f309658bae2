"""Worker kernels: used again for functions, as if they were fresh, and replaced where they cannot be."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.process import KernelKind
from ppacer_nb.kernels.supply import KernelSupply
from ppacer_nb.model.attempt import BodyStarted, Skipped
from ppacer_nb.model.task import TaskOptions
from tests.kernels.lab import Lab, Trial, assert_gone, write_notebook


@pytest.fixture
def one(tmp_path: Path) -> Any:
    lab = Lab(tmp_path, slots=1)
    yield lab
    lab.clear()
    lab.close()


def pid() -> int:
    return os.getpid()


def worker_of(trial: Trial) -> str:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return started.worker


def test_functions_share_a_worker_kernel_and_the_attempts_say_so(one: Lab) -> None:
    trials = [one.call(pid) for _ in range(3)]
    assert len({trial.value for trial in trials}) == 1
    assert [worker_of(trial).partition(", pid")[0] for trial in trials] == [
        "forked kernel",
        "worker kernel, its task no. 2",
        "worker kernel, its task no. 3",
    ]
    counts = [cell.get("execution_count") for cell in trials[2].document.cells if cell.cell_type == "code"]
    assert counts == [1]


def test_a_fresh_task_and_a_notebook_get_kernels_of_their_own(one: Lab) -> None:
    first = one.call(pid).value
    fresh = one.call(pid, options=TaskOptions(fresh=True)).value
    notebook = one.notebook(write_notebook(one.folder / "a.ipynb", "import os", "print(os.getpid())"))
    assert len({first, fresh, int(notebook.output)}) == 3
    assert one.call(pid).value == first


def test_nothing_of_a_task_is_left_for_the_next(one: Lab) -> None:
    def litter() -> int:
        import builtins
        import logging
        import os
        import random
        import signal
        import sys
        import warnings

        import matplotlib.pyplot as plt
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        assert shell is not None
        shell.user_ns["leftover"] = 1
        shell.events.register("post_run_cell", lambda *_: None)
        os.environ["LEFTOVER"] = "1"
        del os.environ["HOME"]
        os.chdir("/")
        os.umask(0)
        sys.path.insert(0, "/nowhere")
        sys.stdout = sys.__stdout__
        sys.argv.append("leftover")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        plt.figure()
        plt.rcParams["figure.dpi"] = 7
        logging.getLogger().addHandler(logging.StreamHandler())
        logging.getLogger().setLevel(logging.CRITICAL)
        logging.getLogger("mine").addHandler(logging.StreamHandler())
        warnings.simplefilter("error")
        random.seed(1)
        assert builtins
        return os.getpid()

    def look() -> dict[str, Any]:
        import logging
        import os
        import random
        import signal
        import sys
        import warnings

        import matplotlib.pyplot as plt
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        assert shell is not None
        return {
            "pid": os.getpid(),
            "names": "leftover" in shell.user_ns,
            "hooks": len(shell.events.callbacks["post_run_cell"]),
            "environment": ("LEFTOVER" in os.environ, os.environ.get("HOME")),
            "folder": os.getcwd(),
            "mask": os.umask(0o22),
            "path": "/nowhere" in sys.path,
            "stdout": sys.stdout is sys.__stdout__,
            "arguments": "leftover" in sys.argv,
            "signal": signal.getsignal(signal.SIGTERM),
            "figures": plt.get_fignums(),
            "dpi": plt.rcParams["figure.dpi"] == 7,
            "root handlers": len(logging.getLogger().handlers),
            "level": logging.getLogger().level,
            "handlers": logging.getLogger("mine").handlers,
            "filters": [f[0] for f in warnings.filters if f[0] == "error"],
            "random": random.random(),
        }

    worker = one.call(litter).value
    warm = one.call(look).value
    cold = one.call(look, options=TaskOptions(fresh=True)).value
    assert warm.pop("pid") == worker
    assert cold.pop("pid") != worker
    assert warm.pop("random") != cold.pop("random")
    assert warm == cold


def test_a_worker_collects_a_tasks_garbage_but_goes_through_its_modules_only_once(one: Lab) -> None:
    def litter() -> tuple[int, int]:
        import gc
        import os
        import sys
        import weakref

        import pandas as pd

        class Ring: ...

        ring: Any = Ring()
        ring.itself = ring
        sys.ring = weakref.ref(ring)  # type: ignore[attr-defined]
        assert pd
        return os.getpid(), len(gc.get_objects())

    def look() -> tuple[int, int, bool]:
        import gc
        import os
        import sys

        return os.getpid(), len(gc.get_objects()), sys.ring() is None  # type: ignore[attr-defined]

    pid, objects = one.call(litter).value
    assert one.call(litter).value[0] == pid
    same_pid, objects_to_look_at, is_gone = one.call(look).value
    assert same_pid == pid
    assert is_gone
    assert objects_to_look_at < objects / 4


@pytest.mark.parametrize("kind", ["thread", "coroutine"])
def test_a_worker_in_which_a_task_left_something_running_is_replaced(one: Lab, kind: str) -> None:
    def leave_thread() -> int:
        import os
        import threading

        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return os.getpid()

    async def leave_coroutine() -> int:
        import asyncio
        import os

        os.left = asyncio.create_task(asyncio.sleep(1000))  # type: ignore[attr-defined]
        return os.getpid()

    first: int = one.call(leave_thread if kind == "thread" else leave_coroutine).value
    assert one.call(pid).value != first
    assert_gone(*[psutil.Process(first)] if psutil.pid_exists(first) else [])


def test_a_process_that_a_task_left_is_ended_and_the_worker_goes_on(one: Lab) -> None:
    def leave() -> tuple[int, int]:
        import os
        import subprocess

        line = subprocess.run(
            ["sh", "-c", "setsid sleep 1000 >/dev/null & echo $!"], stdout=subprocess.PIPE, check=True
        ).stdout
        return os.getpid(), int(line)

    worker, daemon = one.call(leave).value
    assert one.call(pid).value == worker
    assert not psutil.pid_exists(daemon)


def test_a_worker_is_replaced_after_a_stop(one: Lab) -> None:
    def wait_here() -> None:
        import time

        print("waiting", flush=True)
        time.sleep(1000)

    first = one.call(pid).value
    trial = one.start(wait_here)
    one.until_said(trial, "waiting")
    one.stop(trial, timed_out=True)
    one.finish(trial)
    assert one.call(pid).value != first


def test_a_worker_sees_what_was_edited(one: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(one.folder)
    module = one.folder / "recipe_of_mine.py"

    def taste() -> tuple[int, str]:
        import os

        import recipe_of_mine  # type: ignore[import-not-found]

        return os.getpid(), recipe_of_mine.FLAVOUR

    module.write_text("FLAVOUR = 'salt'\n")
    first, flavour = one.call(taste).value
    assert flavour == "salt"
    assert one.call(pid).value == first
    module.write_text("FLAVOUR = 'sweet and sour'\n")
    assert one.call(taste).value[1] == "sweet and sour"


def test_a_worker_takes_on_the_schedulers_environment_and_import_paths(
    one: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> tuple[str | None, bool]:
        import os
        import sys

        return os.environ.get("PPACER_TEST_MARK"), "/added/later" in sys.path

    assert one.call(look).value == (None, False)
    monkeypatch.setenv("PPACER_TEST_MARK", "new")
    assert one.call(look).value == ("new", False)
    monkeypatch.syspath_prepend("/added/later")
    assert [one.call(look).value for _ in range(3)] == [("new", True)] * 3


def test_a_kernel_whose_python_would_start_otherwise_is_no_fork(
    one: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.call(pid)
    monkeypatch.setenv("PYTHONHASHSEED", "7")

    def seed() -> str | None:
        import os

        return os.environ.get("PYTHONHASHSEED")

    trial = one.call(seed)
    assert trial.value == "7"
    assert worker_of(trial).startswith("kernel, pid ")


def test_a_worker_is_replaced_after_so_many_tasks(tmp_path: Path) -> None:
    async def use() -> list[int]:
        server = ForkServer()
        kernels = KernelSupply(server, tmp_path, worker_tasks=2)
        kind = KernelKind("python3", str(tmp_path), dict(os.environ))
        pids = []
        for _ in range(4):
            kernel = await kernels.take(kind, reused=True)
            pids.append(kernel.pid)
            await kernel.run_silently("from ppacer_nb.kernels.inside import set_up; set_up(reused=True)")
            await kernels.give_back(kernel, reusable=True)
        await kernels.close()
        server.close()
        return pids

    pids = asyncio.run(use())
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_worker_is_replaced_when_it_holds_too_much_memory(tmp_path: Path) -> None:
    async def use() -> list[int]:
        server = ForkServer()
        kernels = KernelSupply(server, tmp_path, worker_bytes=300 * 1024**2)
        kind = KernelKind("python3", str(tmp_path), dict(os.environ))
        pids = []
        for code in ("", "import sys; sys.kept = b'x' * 300 * 1024**2", ""):
            kernel = await kernels.take(kind, reused=True)
            pids.append(kernel.pid)
            await kernel.run_silently("from ppacer_nb.kernels.inside import set_up; set_up(reused=True)")
            await kernel.run_silently(code)
            await kernels.give_back(kernel, reusable=True)
        await kernels.close()
        server.close()
        return pids

    pids = asyncio.run(use())
    assert pids[0] == pids[1] != pids[2]


def test_a_kernel_in_which_a_task_handled_errors_its_own_way_knows_a_skip_afterwards(one: Lab) -> None:
    def take_over() -> None:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        assert shell is not None
        shell.set_custom_exc((Exception,), lambda *_, **__: None)

    def skip() -> None:
        from ppacer_nb import Skip

        raise Skip("fine")

    one.call(take_over)
    second = one.call(skip)
    assert isinstance(second.outcome, Skipped)
    assert worker_of(second).startswith("worker kernel, its task no. 2")
