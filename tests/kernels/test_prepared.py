"""Kernels that are set up before their fork: each is its own, and set up later where that cannot be."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.process import Kernel, KernelKind, start_kernel
from tests.kernels.test_parity import said

IDENTITY = """
import json, os
kernel = get_ipython().kernel
print(json.dumps([kernel.ident, kernel.session.session, kernel.session.pid == os.getpid(),
                  kernel.parent.connection_file, get_ipython().starting_dir, os.environ["TERM"],
                  get_ipython().displayhook.topic.decode(), *map(str, _dh)]))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """IPython's folder, with a profile and nothing else."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    profile = tmp_path / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    return profile


def kernels_said(
    code: str, folders: Sequence[Path], arguments: tuple[str, ...] | None = None, **env: str
) -> list[tuple[bool, str]]:
    """Start a kernel in each of these folders; return of each whether it is a fork, and what it says."""

    async def run() -> list[tuple[bool, str]]:
        server = ForkServer()
        kernels: list[Kernel] = []
        try:
            for folder in folders:
                kind = KernelKind("python3", str(folder), {**os.environ, **env}, arguments)
                kernels.append(await start_kernel(kind, server))
            return [(kernel.is_forked, await said(kernel.client, code)) for kernel in kernels]
        finally:
            for kernel in kernels:
                await kernel.close()
            server.close()

    return asyncio.run(run())


def test_each_has_an_identity_of_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    (_, first), (_, second) = kernels_said(IDENTITY, folders)
    for one, other, folder in (
        (json.loads(first), json.loads(second), folders[0]),
        (json.loads(second), json.loads(first), folders[1]),
    ):
        ident, session, is_its_pid, file, cwd, term, topic, been = one
        assert is_its_pid
        assert (cwd, been, term) == (str(folder), str(folder), "xterm-color")
        assert topic == f"kernel.{ident}.execute_result"
        assert {ident, session, file}.isdisjoint(other)


def test_a_configuration_is_read_by_each_kernel(home: Path, tmp_path: Path) -> None:
    (home / "ipython_kernel_config.py").write_text(
        "import os\nc.InteractiveShellApp.exec_lines = [f'pid = {os.getpid()}']\n"
    )
    ((is_forked, text),) = kernels_said("import os; print(pid == os.getpid())", [tmp_path])
    assert (is_forked, text) == (True, "True\n")


def test_a_configuration_that_was_written_meanwhile_is_read(home: Path, tmp_path: Path) -> None:
    async def run() -> tuple[bool, str]:
        server = ForkServer()
        server.start()
        server.refused.result(40)
        (home / "ipython_config.json").write_text('{"InteractiveShellApp": {"exec_lines": ["new = 1"]}}')
        kernel = await start_kernel(KernelKind("python3", str(tmp_path), dict(os.environ)), server)
        try:
            return kernel.is_forked, await said(kernel.client, "print(new)")
        finally:
            await kernel.close()
            server.close()

    assert asyncio.run(run()) == (False, "1\n")


def test_files_that_run_at_its_start_run_in_each_kernel(home: Path, tmp_path: Path) -> None:
    (home / "startup" / "10-mine.py").write_text("import os\npid = os.getpid()\n")
    code = "print(pid == os.getpid(), 'pid' in get_ipython().user_ns_hidden)"
    assert kernels_said(code, [tmp_path, tmp_path]) == [(True, "True True\n")] * 2


def test_one_with_another_home_is_started_anew(tmp_path: Path) -> None:
    code = "print(get_ipython().ipython_dir)"
    assert kernels_said(code, [tmp_path], IPYTHONDIR=str(tmp_path)) == [(False, f"{tmp_path}\n")]


def test_one_with_variables_of_its_own_is_forked(tmp_path: Path) -> None:
    code = "import os; print(os.environ['HOMEPAGE'])"
    assert kernels_said(code, [tmp_path], HOMEPAGE="x", XDG_SESSION_ID="1") == [(True, "x\n")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--HistoryManager.enabled=False",), "False"),
        (("--HistoryManager.hist_file=:memory:",), "True :memory:"),
        ((), "True {home}/history.sqlite"),
    ],
)
def test_its_history_is_kept_as_its_arguments_say(
    home: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    code = "h = get_ipython().history_manager\nprint(h.enabled, h.hist_file if h.enabled and In[1:] else '')"
    ((is_forked, text),) = kernels_said(code, [tmp_path], arguments)
    assert (is_forked, text.strip()) == (True, expected.format(home=home))


def test_the_server_has_no_thread_and_no_file_of_ipythons_open() -> None:
    server = ForkServer()
    try:
        server.start()
        server.refused.result(40)
        process = psutil.Process(server.pid)
        assert process.num_threads() == 1
        assert [file.path for file in process.open_files() if "ipython" in file.path] == []
    finally:
        server.close()
