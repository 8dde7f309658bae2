"""Machines that do not fork: kernels are programs that jupyter_client starts, and all else holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ppacer_nb.executors import runner_process
from ppacer_nb.model.attempt import BodyStarted
from tests.kernels.lab import Lab, Trial, assert_gone, runners, write_notebook


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """An executor that has no fork server, and whose runner has none."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    # Imported by every Python that starts from here on.
    (hooks / "sitecustomize.py").write_text(
        "from ppacer_nb.kernels import forkserver\nforkserver.AVAILABLE = False\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hooks))
    monkeypatch.setattr(runner_process, "AVAILABLE", False)
    lab = Lab(tmp_path, slots=1)
    yield lab
    lab.clear()
    lab.close()


def nothing() -> None: ...


def wait_here() -> None:
    import subprocess
    import time

    subprocess.Popen(["sleep", "1000"])
    subprocess.run(["sh", "-c", "setsid sleep 1000 &"], check=True)
    print("waiting", flush=True)
    time.sleep(1000)


def worker_of(trial: Trial) -> str:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return started.worker


def command_of(process: psutil.Process) -> str:
    """The command line of a process, "" if it has just ended."""
    try:
        return str(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def test_functions_and_notebooks_run_stop_and_leave_nothing(one: Lab) -> None:
    first = one.call(nothing)
    assert first.value is None
    assert worker_of(first).startswith("kernel, pid ")
    again = one.call(nothing)
    assert worker_of(again).startswith("worker kernel, its task no. 2")
    notebook = one.notebook(
        write_notebook(one.folder / "a.ipynb", "# parameters\na = 1", "print(a)"), {"a": 5}
    )
    assert notebook.output == "5\n"

    (runner,) = (r for r in runners() if "hooks" in r.environ().get("PYTHONPATH", ""))
    trial = one.start(wait_here)
    one.until_said(trial, "waiting")
    family = runner.children(recursive=True)
    assert not [p for p in family if "kernels.forking" in command_of(p)]
    one.stop(trial, timed_out=True, reason="too long")
    one.finish(trial)
    assert trial.error.kind == "TaskTimeout"
    one.wait(one.executor.close())
    assert_gone(*family, runner)


def test_a_kernel_that_dies_without_forks_is_told(one: Lab) -> None:
    path = write_notebook(one.folder / "dies.ipynb", "import os; os._exit(9)")
    message = one.notebook(path).error.message
    assert message == "the kernel died in cell 1 of 1: its process ended with exit code 9"


#: What Windows lacks of the standard library and its modules.
_MISSING = {
    "os": ["fork", "killpg", "setsid", "getpgid", "pidfd_open", "getpriority", "setpriority", "PRIO_PROCESS"],
    "signal": ["SIGKILL", "SIGCHLD", "SIGALRM", "SIGUSR1", "SIGPIPE", "SIGXFSZ", "setitimer"],
    "time": ["tzset"],
}


def test_all_modules_are_importable_where_there_is_no_fork_and_no_resource_module() -> None:
    script = f"""
import importlib, pkgutil, sys
import asyncio, cloudpickle, ipykernel.debugger, ipykernel.zmqshell, IPython, nbclient, nbconvert, papermill
import jupyter_client.manager, jupyter_client.provisioning.local_provisioner, psutil, rich, tornado.httpserver
import multiprocessing.connection, multiprocessing.reduction, click, duckdb, ipywidgets, anywidget
for name in ("resource", "fcntl", "termios", "pwd", "grp"):
    sys.modules[name] = None
for module, names in {_MISSING!r}.items():
    for name in names:
        delattr(sys.modules[module], name)
sys.platform = "win32"
import ppacer_nb
for module in pkgutil.walk_packages(ppacer_nb.__path__, "ppacer_nb."):
    importlib.import_module(module.name)
from ppacer_nb.kernels.forkserver import AVAILABLE
print(AVAILABLE)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
