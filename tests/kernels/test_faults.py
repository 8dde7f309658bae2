"""Faults that must be survived: each is brought about for real, and has a sentence and a limit of time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from jupyter_client.connect import write_connection_file

from ppacer_nb.errors import KernelDied
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.launched import LaunchedProcess
from ppacer_nb.kernels.process import Kernel, KernelKind, private_folder, start_kernel
from ppacer_nb.kernels.supply import KernelSupply
from ppacer_nb.model.attempt import BodyStarted
from tests.kernels.lab import Lab, Trial, assert_gone, runners, write_notebook

ROOT = Path(__file__).parents[2]
LIMIT = 40.0


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, slots=1)
    yield lab
    lab.clear()
    lab.close()


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer(answer_limit=2)
    yield server
    server.close()


def kind(cwd: Path) -> KernelKind:
    return KernelKind("python3", str(cwd), dict(os.environ))


def nothing() -> None: ...


def wait_here() -> None:
    import time

    print("waiting", flush=True)
    time.sleep(1000)


def kernel_of(trial: Trial) -> psutil.Process:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return psutil.Process(int(started.worker.rpartition(" ")[2]))


def worker_of(trial: Trial) -> str:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return started.worker


def process_of(server: ForkServer) -> psutil.Process:
    assert server.pid is not None
    return psutil.Process(server.pid)


def running(lab: Lab) -> Trial:
    trial = lab.start(wait_here)
    lab.until_said(trial, "waiting")
    return trial


def limited(work: object, seconds: float = LIMIT) -> None:
    asyncio.run(asyncio.wait_for(work, seconds))  # type: ignore[arg-type]


def test_a_fork_server_that_is_killed_while_many_kernels_are_asked_for_costs_none_of_them(
    tmp_path: Path, server: ForkServer
) -> None:
    async def start_many() -> None:
        victims: list[psutil.Process] = []

        def kill(_: Kernel) -> None:
            if not victims:
                victims.append(process_of(server))
                victims[0].kill()

        asked = [start_kernel(kind(tmp_path), server, started=kill) for _ in range(20)]
        kernels = await asyncio.gather(*asked)
        assert len({kernel.pid for kernel in kernels}) == 20
        assert not any(kernel.died.done() for kernel in kernels)
        family = process_of(server).children(recursive=True)
        await asyncio.gather(*(kernel.close() for kernel in kernels))
        assert_gone(*family, *victims)

    limited(start_many())


def test_a_keeper_that_is_killed_takes_its_kernel_and_all_that_this_had_started(
    tmp_path: Path, server: ForkServer
) -> None:
    async def kill_keeper() -> None:
        kernel = await start_kernel(kind(tmp_path), server)
        other = await start_kernel(kind(tmp_path), server)
        await kernel.run_silently(
            "import subprocess; subprocess.run(['sh', '-c', 'setsid sleep 1000 & sleep 1000 &'])"
        )
        keeper = psutil.Process(kernel.pid).parent()
        assert keeper is not None
        family = keeper.children(recursive=True)
        assert len(family) == 3
        keeper.kill()
        assert "killed by SIGKILL" in await kernel.died
        assert_gone(*family)
        assert (await other.run_silently("1"))["status"] == "ok"
        await kernel.close()
        await other.close()

    limited(kill_keeper(), 20)


def test_a_keeper_that_is_stopped_does_not_hide_the_end_of_its_kernel(
    tmp_path: Path, server: ForkServer
) -> None:
    async def stop_keeper() -> None:
        kernel = await start_kernel(kind(tmp_path), server)
        await kernel.run_silently("import subprocess; subprocess.run(['sh', '-c', 'setsid sleep 1000 &'])")
        keeper = psutil.Process(kernel.pid).parent()
        assert keeper is not None
        family = [keeper, *keeper.children(recursive=True)]
        keeper.suspend()
        begin = time.monotonic()
        kernel.kill()
        await kernel.died
        assert time.monotonic() - begin < 8
        assert_gone(*family)
        await kernel.close()

    limited(stop_keeper(), 20)


def test_a_fork_server_that_is_stopped_does_not_hide_the_end_of_a_kernel(
    tmp_path: Path, server: ForkServer
) -> None:
    async def stop_server() -> None:
        kernel = await start_kernel(kind(tmp_path), server)
        process_of(server).suspend()
        kernel.kill()
        why = await asyncio.wait_for(kernel.died, 6)
        assert why == "its process ended, and its fork server does not say how"
        process_of(server).resume()
        await kernel.close()
        await (await start_kernel(kind(tmp_path), server)).close()

    limited(stop_server(), 20)


def test_a_fork_server_that_is_stopped_is_replaced_and_its_kernels_end(
    tmp_path: Path, server: ForkServer
) -> None:
    async def stop_server() -> None:
        kernel = await start_kernel(kind(tmp_path), server)
        stopped = process_of(server)
        stopped.suspend()
        begin = time.monotonic()
        after = await start_kernel(kind(tmp_path), server)
        assert time.monotonic() - begin < 2 + 4
        assert await kernel.died == "the fork server died: it did not answer within 2 seconds"
        assert_gone(stopped, *([psutil.Process(kernel.pid)] if psutil.pid_exists(kernel.pid) else []))
        await kernel.close()
        await after.close()

    limited(stop_server(), 20)


def test_a_spare_or_worker_kernel_that_is_killed_before_it_is_taken_costs_no_attempt(
    tmp_path: Path, server: ForkServer
) -> None:
    async def take() -> None:
        kernels = KernelSupply(server, tmp_path)
        kernels.prepare(kind(tmp_path))
        victim = await kernels._spares["python3"].starting
        for reusable in (True, False):
            process = psutil.Process(victim.pid)
            process.kill()
            assert_gone(process)  # and this event loop has not heard of it when the kernel is taken
            kernel = await kernels.take(kind(tmp_path), reused=True)
            assert kernel.pid != process.pid
            await kernel.run_silently("from ppacer_nb.kernels.inside import set_up; set_up(reused=True)")
            await kernels.give_back(kernel, reusable=reusable)
            victim = kernel
        await kernels.close()

    limited(take(), 20)


def test_a_kernel_that_is_killed_in_mid_cell_is_told_and_the_next_attempt_succeeds(one: Lab) -> None:
    trial = running(one)
    kernel_of(trial).kill()
    one.finish(trial)
    assert (trial.error.kind, trial.error.message) == (
        "KernelDied",
        "the kernel died: its process was killed by SIGKILL",
    )
    assert one.call(nothing).value is None


def launched(server: ForkServer, folder: Path, number: int) -> LaunchedProcess:
    """Have a kernel launched to which nobody connects, so that any number can be."""
    file = folder / f"{number}.json"
    write_connection_file(str(file), ip=str(folder / f"s{number}"), transport="ipc", key=b"secret")
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file), "--HistoryManager.enabled=False"]
    return server.launch(command, dict(os.environ), str(folder), ours=True)


def test_two_hundred_kernels_asked_for_at_once_all_come_and_leave_nothing(server: ForkServer) -> None:
    folder = private_folder()
    server.start()
    server.refused.result(LIMIT)
    process = process_of(server)
    before = process.num_fds(), psutil.Process().num_fds()
    kernels = [launched(server, folder, number) for number in range(200)]
    for kernel in kernels:
        kernel.bound.result(LIMIT)
    assert len({kernel.pid for kernel in kernels}) == 200
    assert len(process.children()) == 200
    for kernel in kernels:
        kernel.kill()
    assert {kernel.wait(LIMIT) for kernel in kernels} == {-signal.SIGKILL}
    assert_gone(*process.children(recursive=True))  # the last keeper may be about to go
    assert (process.num_fds(), psutil.Process().num_fds()) == before
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_server_without_descriptors_says_so_and_recovers(tmp_path: Path, server: ForkServer) -> None:
    async def run_out() -> None:
        await (await start_kernel(kind(tmp_path), server)).close()
        process = process_of(server)
        _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), hard))
        with pytest.raises(KernelDied, match=r"the kernel did not start: .*Too many open files"):
            await start_kernel(kind(tmp_path), server)
        process.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
        await (await start_kernel(kind(tmp_path), server)).close()
        assert process_of(server) == process

    limited(run_out(), 20)


def test_where_no_further_process_may_be_started_a_kernel_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The system does not limit root; a server that has become somebody else is limited as everyone is.
    (tmp_path / "not_root.py").write_text(
        "import itertools, os, resource\n"
        "if not os.getuid(): os.setuid(65534)\n"
        "forks = itertools.count(1)  # the first is the server's own, after this import\n"
        "def limit():\n"
        "    if next(forks) > 1: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\n"
        "os.register_at_fork(before=limit)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def run_out() -> None:
        server = ForkServer(["not_root"])
        try:
            server.start()
            await asyncio.wrap_future(server.refused)
            process = process_of(server)
            with pytest.raises(KernelDied, match=r"the kernel did not start: .*temporarily unavailable"):
                await start_kernel(kind(tmp_path), server)
            assert process.is_running()
        finally:
            server.close()

    limited(run_out(), 20)


def test_a_runner_without_descriptors_says_so_and_is_replaced(one: Lab) -> None:
    one.call(nothing)
    (runner,) = runners()
    _, hard = runner.rlimit(psutil.RLIMIT_NOFILE)
    # Its standard streams have the numbers below: nothing that it opens fits, whatever it closes meanwhile.
    runner.rlimit(psutil.RLIMIT_NOFILE, (3, hard))
    path = write_notebook(one.folder / "a.ipynb", "print('fine')")
    said = one.notebook(path)
    with suppress(psutil.NoSuchProcess):
        runner.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
    assert "Too many open files" in said.error.message
    assert one.call(nothing).value is None


#: Cells that do not end when they are interrupted, as they swallow it, or as no interrupt reaches them.
STUBBORN = {
    "swallowed in a loop": """
        import time
        print('in', flush=True)
        while True:
            try:
                list(map(time.sleep, [1000] * 10))
            except KeyboardInterrupt:
                pass
    """,
    "swallowed at the end": """
        import time
        print('in', flush=True)
        try:
            time.sleep(1000)
        finally:
            time.sleep(1000)
    """,
    "in C, with the interpreter's lock": """
        print('in', flush=True)
        sum(range(10**12))
    """,
    "in a match": r"""
        import re
        print('in', flush=True)
        re.match(r'(a|aa|a?)+$', 'a' * 64 + 'b')
    """,
    "SIGTERM and SIGINT ignored": """
        import signal, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        print('in', flush=True)
        time.sleep(1000)
    """,
    "stopped": """
        import os, signal
        print('in', flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    """,
}


@pytest.mark.parametrize("cell", STUBBORN)
def test_a_notebook_that_no_interrupt_ends_is_killed_within_a_second_of_its_grace(
    lab: Lab, cell: str
) -> None:
    path = write_notebook(lab.folder / f"{cell.replace(' ', '-')}.ipynb", STUBBORN[cell])
    trial = lab.start_notebook(path)
    lab.until_said(trial, "in")
    kernel = kernel_of(trial)
    begin = time.monotonic()
    lab.stop(trial, timed_out=True, reason="too long")
    lab.finish(trial)
    assert time.monotonic() - begin < 2 + 1
    assert (trial.error.kind, trial.error.message) == ("TaskTimeout", "too long")
    assert trial.output == "in\n"
    assert_gone(kernel)


#: Leaves six processes of all kinds; when all run, their numbers are in the file ``left``.
LEAVE_ALL = """
import os, subprocess, time
os.mkfifo("marks")
marks = os.fdopen(os.open("marks", os.O_RDWR))
run = "echo $$ > marks; exec sleep 1000"
subprocess.Popen(["sh", "-c", run])
subprocess.Popen(["setsid", "sh", "-c", run])
subprocess.Popen(["nohup", "sh", "-c", run], stdout=subprocess.DEVNULL)
subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; echo $$ > marks; while :; do sleep 1000; done"])
subprocess.run(["sh", "-c", f"(setsid sh -c '{run}' &) & exit 0"])
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    with open("marks", "w") as file:
        print(os.getpid(), file=file)
    time.sleep(1000)
numbers = "".join(marks.readline() for _ in range(6))
with open("left", "w") as file:
    file.write(numbers)
"""


def test_nothing_of_any_kind_outlives_a_scheduler_that_is_killed(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "leaves.ipynb", LEAVE_ALL, "print('left', flush=True)", "import time; time.sleep(1000)"
    )
    write_notebook(
        tmp_path / "stops.ipynb",
        "print('stops', flush=True)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    )
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.kernels.lab import Lab
        from tests.kernels.test_faults import nothing
        folder = Path(sys.argv[1])
        lab = Lab(folder, slots=3)
        for name, said in (("leaves", "left"), ("stops", "stops")):
            lab.until_said(lab.start_notebook(folder / f"{name}.ipynb"), said)
        lab.call(nothing)  # its kernel is kept as a worker
        print("ready", flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as scheduler:
        assert scheduler.stdout is not None
        assert scheduler.stdout.readline() == "ready\n"
        left = [psutil.Process(int(pid)) for pid in (tmp_path / "left").read_text().split()]
        assert len(left) == 6
        family = {*psutil.Process(scheduler.pid).children(recursive=True), *left}
        assert len(family) >= 1 + 3 + 3 * 2 + 6
        scheduler.kill()
        begin = time.monotonic()
    assert_gone(*family)
    assert time.monotonic() - begin < 5
    assert not [p for p in psutil.process_iter() if str(tmp_path) in " ".join(_command(p))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("exists", [True, False])
def test_the_systems_folder_for_temporary_files_may_be_long_or_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    long = tmp_path / ("x" * 150)
    if exists:
        long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    lab = Lab(tmp_path, slots=1)
    try:
        assert lab.call(nothing).value is None
    finally:
        lab.close()


def test_a_running_kernel_whose_sockets_are_deleted_goes_on(one: Lab) -> None:
    trial = one.start_notebook(
        write_notebook(
            one.folder / "a.ipynb",
            "import os, shutil, sys\nprint(os.path.dirname(sys.argv[2]), flush=True)",
            "shutil.rmtree(os.path.dirname(sys.argv[2]))",
            "print('goes on')",
        )
    )
    one.finish(trial)
    assert trial.output.endswith("goes on\n")
    assert one.call(nothing).value is None
