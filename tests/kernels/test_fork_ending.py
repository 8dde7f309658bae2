"""How forked kernels end: as an interpreter does, as far as anybody can see."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.process import KernelKind, start_kernel


def ended_after(code: str, folder: Path) -> int | None:
    """Run `code` in a forked kernel, have it end by itself, and return its exit code."""

    async def run() -> int | None:
        server = ForkServer()
        try:
            kernel = await start_kernel(KernelKind("python3", str(folder), dict(os.environ)), server)
            assert kernel.is_forked
            reply = await kernel.run_silently(code)
            assert reply["status"] == "ok", reply
            await kernel.close()
            assert kernel.launched is not None
            return kernel.launched.returncode
        finally:
            server.close()

    return asyncio.run(run())


def test_a_kernel_that_is_shut_down_ends_well(tmp_path: Path) -> None:
    assert ended_after("", tmp_path) == 0


def test_exit_handlers_run(tmp_path: Path) -> None:
    code = "import atexit, pathlib; atexit.register(lambda: pathlib.Path('left').write_text('handled'))"
    assert ended_after(code, tmp_path) == 0
    assert (tmp_path / "left").read_text() == "handled"


def test_files_that_a_notebook_left_open_are_whole(tmp_path: Path) -> None:
    assert ended_after("file = open('left', 'w'); _ = file.write('not closed')", tmp_path) == 0
    assert (tmp_path / "left").read_text() == "not closed"


def test_files_that_a_module_left_open_are_whole(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text("file = open('left', 'w')\nfile.write('not closed')\n")
    assert ended_after("import sys; sys.path.append('.'); import careless", tmp_path) == 0
    assert (tmp_path / "left").read_text() == "not closed"


def test_temporary_files_of_a_notebook_are_deleted(tmp_path: Path) -> None:
    code = (
        "import tempfile; file = tempfile.NamedTemporaryFile(dir='.', suffix='.there'); cycle = [file]; "
        "cycle.append(cycle); _ = open('name', 'w').write(file.name)"
    )
    assert ended_after(code, tmp_path) == 0
    assert Path((tmp_path / "name").read_text()).suffix == ".there"
    assert list(tmp_path.glob("*.there")) == []


def test_threads_are_waited_for(tmp_path: Path) -> None:
    code = (
        "import pathlib, threading\n"
        "main = threading.main_thread()\n"
        "def work():\n"
        "    main.join()\n"
        "    pathlib.Path('left').write_text('by the thread')\n"
        "threading.Thread(target=work).start()"
    )
    assert ended_after(code, tmp_path) == 0
    assert (tmp_path / "left").read_text() == "by the thread"
