"""Forked kernels: as a fresh start would give them, and what becomes of them when their server dies."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from ipykernel.kernelapp import IPKernelApp

from ppacer_nb.kernels import app as forked
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.process import Kernel, KernelKind, start_kernel
from ppacer_nb.model.attempt import BodyStarted
from tests.kernels.lab import Lab, Trial, assert_gone, fork_server, runners


def worker_of(trial: Trial) -> str:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return started.worker


def nothing() -> None: ...


def kind(cwd: Path, **env: str) -> KernelKind:
    return KernelKind("python3", str(cwd), {**os.environ, **env})


def wait_here() -> None:
    import time

    print("waiting", flush=True)
    time.sleep(1000)


@pytest.fixture
def one(tmp_path: Path) -> Any:
    lab = Lab(tmp_path, slots=1)
    yield lab
    lab.clear()
    lab.close()


def test_an_attempt_says_that_its_kernel_was_forked(lab: Lab) -> None:
    assert worker_of(lab.call(nothing)).startswith("forked kernel, pid ")


@pytest.mark.parametrize(
    "options",
    [[], ["--HistoryManager.enabled=False"], ["--Session.key=b'a=b'"], ["--log-level=10"], ["--debug"]],
)
def test_a_forked_kernel_takes_its_arguments_as_any_kernel_does(options: list[str]) -> None:
    taken = []
    for kind_of_app in (forked.IPKernelApp, IPKernelApp):
        app = kind_of_app()
        app.parse_command_line(["-f", "kernel.json", *options])
        of_others = {name: values for name, values in app.config.items() if name != "IPKernelApp"}
        taken.append((app.connection_file, app.log_level, of_others))
    assert taken[0] == taken[1]
    assert taken[0][0] == "kernel.json"


def test_the_debugger_of_a_forked_kernel_knows_the_files_of_the_kernels_own_modules(lab: Lab) -> None:
    def look() -> tuple[set[str], set[str]]:
        import sys

        from IPython.core.getipython import get_ipython

        known: Any = get_ipython()
        names = ("ipykernel.ipkernel", "IPython.core.interactiveshell", "tornado.ioloop", "json", "os")
        return {str(sys.modules[n].__file__) for n in names}, set(known.kernel.debugger.kernel_modules)

    needed, known = lab.call(look).value
    assert needed <= known


def test_a_forked_kernel_opens_no_tcp_port(lab: Lab) -> None:
    def ports() -> int:
        import psutil

        return len(psutil.Process().net_connections("inet"))

    assert lab.call(ports).value == 0


def test_what_a_fork_of_the_kernel_prints_is_kept(lab: Lab) -> None:
    def fork() -> None:
        import multiprocessing

        child = multiprocessing.get_context("fork").Process(target=print, args=("said by a child",))
        child.start()
        child.join()

    trial = lab.call(fork)
    assert trial.value is None
    assert "said by a child" in trial.output


def test_a_fork_server_that_is_killed_between_two_kernels_is_replaced(one: Lab) -> None:
    one.call(nothing)
    server = fork_server()
    family = [server, *server.children(recursive=True)]
    server.kill()
    assert_gone(*family)  # until then its kernels can be given a task, which dies with them
    after = one.call(nothing)
    assert after.value is None
    assert worker_of(after).startswith("forked kernel")
    assert fork_server(runners()[-1].pid).is_running()


def test_a_kernel_whose_fork_server_is_killed_ends_at_once_and_says_why(one: Lab) -> None:
    one.call(nothing)
    server = fork_server()
    trial = one.start(wait_here)
    one.until_said(trial, "waiting")
    server.kill()
    one.finish(trial)
    assert trial.error.kind == "KernelDied"
    assert "the fork server died" in trial.error.message
    assert one.call(nothing).value is None


def test_a_kernel_is_forked_by_another_server_when_one_dies_as_it_forks(tmp_path: Path) -> None:
    async def fork() -> None:
        server = ForkServer()
        killed: list[psutil.Process] = []

        def kill_server(kernel: Kernel) -> None:
            if not killed:
                killed.extend([psutil.Process(server.pid), psutil.Process(kernel.pid)])
                killed[0].kill()

        kernel = await start_kernel(kind(tmp_path), server, started=kill_server)
        assert kernel.pid != killed[1].pid
        await kernel.close()
        server.close()
        assert_gone(*killed)

    asyncio.run(fork())


def test_a_kernel_that_cannot_be_set_up_says_why(tmp_path: Path) -> None:
    async def fork() -> None:
        server = ForkServer()
        try:
            await start_kernel(kind(tmp_path / "nowhere"), server)
        finally:
            server.close()

    with pytest.raises(Exception, match=r"the kernel did not start: FileNotFoundError: .*nowhere"):
        asyncio.run(fork())


def test_modules_are_preloaded_but_those_that_no_fork_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "with_a_thread.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, name='beats', daemon=True).start()\n"
    )
    (tmp_path / "broken.py").write_text("raise OSError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def fork() -> str:
        server = ForkServer(["broken", "with_a_thread", "colorsys", "numpy", "nowhere_to_be_found"])
        kernel = await start_kernel(kind(tmp_path), server)
        assert server.refused.result(timeout=10) == {
            "broken": "it cannot be imported: OSError: no licence",
            "with_a_thread": "it starts a thread (beats), which no fork has",
            "nowhere_to_be_found": "it cannot be imported: ModuleNotFoundError: "
            "No module named 'nowhere_to_be_found'",
        }
        said: list[str] = []
        await kernel.client.execute_interactive(
            "import sys; print([n for n in ('colorsys', 'numpy', 'with_a_thread') if n in sys.modules])",
            output_hook=lambda message: said.append(message["content"].get("text", "")),
        )
        await kernel.close()
        server.close()
        return "".join(said)

    assert asyncio.run(fork()).strip() == "['colorsys', 'numpy']"
