"""Modules wanted in every kernel: whatever one does at its import, kernels come, and it is named."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.inheritance import Inherited
from ppacer_nb.kernels.process import KernelKind, start_kernel
from tests.kernels.lab import assert_gone

#: What a kernel says of itself.
LOOK = """
import json, os, signal, sys
print(json.dumps({
    "modules": [n for n in ("colorsys", "culprit", "xml.dom.minidom", "numpy") if n in sys.modules],
    "folder": os.getcwd(),
    "environment": [os.environ.get(n) for n in ("GIVEN", "ADDED", "HOME")],
    "signals": [signal.getsignal(n) == h for n, h in (
        (signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGUSR1, signal.SIG_DFL), (signal.SIGCHLD, signal.SIG_DFL))],
    "path": "/added/by/culprit" in sys.path,
    "mask": os.umask(0o22),
}))
"""


def preloaded(
    folder: Path, culprit: str, monkeypatch: pytest.MonkeyPatch, *others: str, import_limit: float = 30
) -> tuple[Mapping[str, str], dict[str, Any]]:
    """Have a module imported, between two others; return what was refused, and what a kernel says."""
    (folder / "culprit.py").write_text(textwrap.dedent(culprit))
    monkeypatch.syspath_prepend(folder)

    async def look() -> tuple[Mapping[str, str], dict[str, Any]]:
        server = ForkServer(["colorsys", "culprit", *others, "xml.dom.minidom"], import_limit=import_limit)
        try:
            kernel = await start_kernel(KernelKind("python3", str(folder), dict(os.environ)), server)
            assert kernel.is_forked
            said: list[str] = []
            await kernel.client.execute_interactive(
                LOOK, output_hook=lambda message: said.append(message["content"].get("text", ""))
            )
            family = psutil.Process(server.pid).children(recursive=True)
            await kernel.close()
        finally:
            begin = time.monotonic()
            server.close()
            assert time.monotonic() - begin < 2  # it minds SIGTERM, whatever was imported
        assert_gone(*family)
        return server.refused.result(), json.loads("".join(said))

    return asyncio.run(asyncio.wait_for(look(), 60))


@pytest.mark.parametrize(
    ("culprit", "why"),
    [
        ("raise SystemExit(3)", "it cannot be imported: SystemExit: 3"),
        ("raise KeyboardInterrupt", "it cannot be imported: KeyboardInterrupt: "),
        (
            "import ctypes; ctypes.string_at(0)",
            "the fork server died as it imported it: its process was killed by SIGSEGV",
        ),
        (
            "import os; os._exit(4)",
            "the fork server died as it imported it: its process ended with exit code 4",
        ),
        (
            "import os\nos.write(1, b'no licence left')\nos.kill(os.getpid(), 9)",
            "the fork server died as it imported it: its process was killed by SIGKILL, perhaps because "
            "memory ran out. Its last words: no licence left",
        ),
        (
            "import zmq; kept = zmq.Context.instance().socket(zmq.PUB)",
            "it starts a thread, which no fork has",
        ),
        (
            "import ctypes\nlibrary = ctypes.CDLL(None)\n"
            "library.pthread_create(ctypes.byref(ctypes.c_ulong()), None, library.pause, None)",
            "it starts a thread, which no fork has",
        ),
    ],
)
def test_a_module_that_no_fork_can_have_is_named_and_the_others_are_preloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, culprit: str, why: str
) -> None:
    refused, kernel = preloaded(tmp_path, culprit, monkeypatch)
    assert refused == {"culprit": why}
    assert kernel["modules"] == ["colorsys", "xml.dom.minidom"]


def test_an_import_without_end_is_named_and_the_others_are_preloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    culprit = "import threading; threading.Event().wait()"
    refused, kernel = preloaded(tmp_path, culprit, monkeypatch, import_limit=3)
    assert refused == {"culprit": "it was not imported within 3 seconds"}
    assert kernel["modules"] == ["colorsys", "xml.dom.minidom"]


def test_a_module_that_starts_a_process_is_refused_and_the_process_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    culprit = f"""
    import subprocess
    process = subprocess.Popen(["sleep", "1000"])
    open({str(tmp_path / "pid")!r}, "w").write(str(process.pid))
    """
    refused, kernel = preloaded(tmp_path, culprit, monkeypatch)
    pid = (tmp_path / "pid").read_text()
    assert refused == {"culprit": f"it starts a process ({pid}), which is no child of a fork"}
    assert kernel["modules"] == ["colorsys", "xml.dom.minidom"]
    assert not psutil.pid_exists(int(pid))


def test_a_fork_that_returns_from_the_import_is_no_second_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    culprit = "import os\nif pid := os.fork(): os.waitpid(pid, 0)"
    refused, kernel = preloaded(tmp_path, culprit, monkeypatch)
    assert refused == {}
    assert kernel["modules"] == ["colorsys", "culprit", "xml.dom.minidom"]


def test_what_a_module_prints_at_its_import_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    culprit = "import sys\nprint('x' * 3_000_000)\nprint('y' * 3_000_000, file=sys.stderr)"
    refused, kernel = preloaded(tmp_path, culprit, monkeypatch)
    assert refused == {}
    assert kernel["modules"] == ["colorsys", "culprit", "xml.dom.minidom"]


def test_a_kernel_is_as_asked_for_though_a_module_changed_the_process_at_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", "as asked for")
    monkeypatch.delenv("HOME")
    culprit = """
    import os, signal, sys
    os.chdir("/")
    os.umask(0o77)
    os.environ["GIVEN"] = "changed"
    os.environ["ADDED"] = "by the module"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    sys.path.append("/added/by/culprit")
    """
    refused, kernel = preloaded(tmp_path, culprit, monkeypatch)
    assert refused == {}
    assert kernel == {
        "modules": ["colorsys", "culprit", "xml.dom.minidom"],
        "folder": str(tmp_path),
        "environment": ["as asked for", "by the module", None],
        "signals": [True, True, True, True],
        "path": True,
        "mask": Inherited.of_this_process().umask,
    }


def test_names_that_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused, kernel = preloaded(tmp_path, "", monkeypatch, "no name", "", ".relative", "os.nothing", "a\nb")
    assert set(refused) == {"no name", "", ".relative", "os.nothing", "a\nb"}
    assert refused["no name"] == "it cannot be imported: ModuleNotFoundError: No module named 'no name'"
    assert refused[""] == "it cannot be imported: ValueError: Empty module name"
    assert kernel["modules"] == ["colorsys", "culprit", "xml.dom.minidom"]


def test_a_module_that_hangs_is_not_tried_again_by_the_server_that_takes_a_dead_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sleeps.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.syspath_prepend(tmp_path)

    async def start_twice() -> float:
        server = ForkServer(["sleeps"], import_limit=3)
        try:
            kind = KernelKind("python3", str(tmp_path), dict(os.environ))
            first = await start_kernel(kind, server)
            assert server.pid is not None
            psutil.Process(server.pid).kill()
            await first.died
            await first.close()
            begin = time.monotonic()
            await (await start_kernel(kind, server)).close()
            return time.monotonic() - begin
        finally:
            server.close()

    assert asyncio.run(asyncio.wait_for(start_twice(), 60)) < 3


def test_a_module_that_opens_a_graphics_device_hinders_a_fork(tmp_path: Path) -> None:
    device = tmp_path / "dri" / "card0"
    device.parent.mkdir()
    device.touch()
    script = (
        "import sys\nfrom ppacer_nb.kernels.hindrance import hindrance\n"
        "devices = [sys.argv[1]]\nprint(hindrance(devices))\n"
        "kept = open(sys.argv[2])\nprint(hindrance(devices))\n"
    )
    command = [sys.executable, "-c", script, str(device.parent), str(device)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        "",
        f"it opens {device}, and a graphics processor's context does not survive a fork",
    ]
