"""Forked kernels are as a fresh start would give them: the same probe in both, the differences explained."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.process import Kernel, KernelKind, private_folder, start_kernel

LIMIT = 40.0

#: Defines `look`, which returns all that a task could see of its process, and might rely on.
PROBE = r"""
def look():
    import asyncio, atexit, ctypes, faulthandler, gc, locale, logging, matplotlib, multiprocessing, os, re
    import resource, signal, sys, threading, time, warnings
    import psutil

    def name_of(thing):
        return re.sub(r" at 0x\w+", "", str(thing)).replace("ppacer_nb.kernels.app", "ipykernel.kernelapp")

    def in_c(name):
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p
        return str(getenv(name.encode()))

    def status():
        lines = open("/proc/self/status").read().splitlines()
        return {line.split(":")[0]: line.split(":", 1)[1].strip() for line in lines}

    def streams():
        found = [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
        return [(name_of(type(s)), s.encoding, getattr(s, "errors", None), s.closed) for s in found]

    def descriptors():
        printed = {os.readlink(f"/proc/self/fd/{n}") for n in (1, 2)}
        return sorted({os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                       if os.path.lexists(f"/proc/self/fd/{n}")} - printed - {os.devnull})

    mask = os.umask(0)
    os.umask(mask)
    shell = get_ipython()
    process = multiprocessing.current_process()
    main = sys.modules["__main__"]
    known = logging.Logger.manager.loggerDict.items()
    folder = os.path.dirname(sys.argv[2])
    return {
        "environment": {name: value for name, value in os.environ.items()},
        "environment in C": {name: in_c(name) for name in ("HOME", "PATH", "TZ", "LC_ALL", "LEFT", "NEW")},
        "folder": os.getcwd(),
        "umask": mask,
        "niceness": os.nice(0),
        "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if "RLIMIT" in n},
        "processors": sorted(os.sched_getaffinity(0)),
        "stdin": os.read(0, 1).decode(),
        "handlers of signals": {int(n): name_of(signal.getsignal(n)) for n in signal.valid_signals()},
        "signals in C": {n: status()[n] for n in ("SigBlk", "SigIgn", "SigCgt")},
        "rights": {n: status()[n] for n in ("NoNewPrivs", "Seccomp", "CapEff", "Groups", "THP_enabled")},
        "core dumps": (ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), open("/proc/self/coredump_filter").read()),
        "leads its group and session": (os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid()),
        "files that are open": [d for d in descriptors() if d.startswith("/") and folder not in d],
        "arguments": [a.replace(folder, "") for a in sys.argv],
        "command": [a.replace(folder, "") for a in sys.orig_argv],
        "import paths": sys.path,
        "flags": (str(sys.flags), str(sys._xoptions), sys.warnoptions, sys.dont_write_bytecode),
        "warnings": [name_of(f) for f in warnings.filters],
        "main": (__name__, name_of(type(main)), main.__dict__ is shell.user_ns, main.__doc__,
                 getattr(main, "__file__", None), name_of(getattr(main, "__spec__", None))),
        "names": sorted(n for n in shell.user_ns if n != "look"),
        "builtins": sorted(vars(__import__("builtins"))),
        "threads": sorted(t.name for t in threading.enumerate()),
        "main thread": threading.current_thread() is threading.main_thread(),
        "locale": (locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(False)),
        "time zone": (time.tzname, time.strftime("%z")),
        "logging": (logging.getLogger().level, [name_of(h) for h in logging.getLogger().handlers],
                    sorted((n, found.level, [name_of(h) for h in found.handlers]) for n, found in known
                           if isinstance(found, logging.Logger) and (found.level or found.handlers))),
        "event loop": (name_of(asyncio.get_event_loop_policy()), name_of(type(asyncio.get_event_loop()))),
        "streams": streams(),
        "multiprocessing": (process.pid == os.getpid(), process.name, process._identity,
                            multiprocessing.parent_process(), multiprocessing.active_children(),
                            process._parent_pid == os.getppid(),
                            multiprocessing.get_start_method(allow_none=True)),
        "psutil": psutil.Process().pid == os.getpid(),
        "faulthandler": faulthandler.is_enabled(),
        "hooks": [name_of(h) for h in (sys.excepthook, sys.displayhook, sys.unraisablehook, sys.gettrace(),
                                       threading.excepthook, sys.breakpointhook)],
        "exit handlers": atexit._ncallbacks(),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "frozen objects": gc.get_freeze_count() > 0,
        "recursion": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "shell": (name_of(type(shell)), name_of(type(shell.kernel)), name_of(type(shell.kernel.parent))),
        "configuration": sorted(shell.kernel.parent.config),
        "history": shell.history_manager.enabled,
        "graphics": (matplotlib.get_backend(), matplotlib.rcParams["figure.dpi"]),
        "modules": sorted(sys.modules),
        "death signal": ctypes.CDLL(None).prctl(2, ctypes.byref(ctypes.c_int())),
    }
"""

#: What a forked kernel has that a fresh one has not, or the other way round, and why.
INTENDED = {
    "environment": "jupyter_client tells a kernel its parent's pid; a forked one ends with its keeper",
    "threads": "one of a fresh kernel watches its parent, which the system does for a forked one",
    "frozen objects": "the collector would write to pages that all forks share",
    "modules": "that they are imported already is what a fork is for",
    "exit handlers": "of the modules that are imported already: see the test of their harmlessness",
    "import paths": "what the process that asks can import, a task can; a fresh kernel is told so later",
}


def in_both(folder: Path) -> dict[str, str]:
    """Return an environment that differs from this process's in all ways."""
    env = {name: value for name, value in os.environ.items() if name != "LEFT"}
    return env | {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "HOME": str(folder), "NEW": "1"}


@asynccontextmanager
async def forked(folder: Path, env: Mapping[str, str], *preload: str) -> AsyncIterator[Kernel]:
    server = ForkServer(preload)
    try:
        kernel = await start_kernel(KernelKind("python3", str(folder), env), server)
        assert kernel.is_forked
        yield kernel
        await kernel.close()
    finally:
        server.close()


@asynccontextmanager
async def fresh(folder: Path, env: Mapping[str, str]) -> AsyncIterator[AsyncKernelClient]:
    """Start a kernel as a program, by jupyter_client, with sockets as ours have them."""
    sockets = private_folder()
    manager = AsyncKernelManager(kernel_name="python3", connection_file=str(sockets / "kernel.json"))
    manager.transport, manager.ip = "ipc", str(sockets / "s")
    await manager.start_kernel(
        cwd=str(folder), env=dict(env), extra_arguments=["--HistoryManager.enabled=False"]
    )
    client = manager.client()
    try:
        client.start_channels()
        await client.wait_for_ready()
        yield client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
        sockets.rmdir()


async def said(client: AsyncKernelClient, code: str) -> str:
    """Run a cell; return all that it says, and the kinds of what it shows."""
    parts: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                parts.append(content["text"])
            case "error":
                parts.append("\n".join(content["traceback"]))
            case "display_data" | "execute_result":
                parts.append(str(sorted(content["data"])))

    await asyncio.wait_for(client.execute_interactive(code, output_hook=hear), LIMIT)
    return "".join(parts)


async def looked(client: AsyncKernelClient) -> dict[str, Any]:
    code = f"exec({PROBE!r})\nprint(__import__('json').dumps(look(), default=str))"
    found: dict[str, Any] = json.loads(await said(client, code))
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a probe saw in a forked and in a fresh kernel, after this process had changed since the server."""
    folder = tmp_path_factory.mktemp("parity")

    async def look() -> tuple[dict[str, Any], dict[str, Any]]:
        os.environ["LEFT"] = "behind"
        home, os.environ["HOME"] = os.environ["HOME"], str(folder)  # it is a forked one of the same home only
        mask, (soft, hard) = os.umask(0o077), resource.getrlimit(resource.RLIMIT_CORE)
        server = ForkServer()
        server.start()
        server.refused.result(LIMIT)
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
        try:
            kernel = await start_kernel(KernelKind("python3", str(folder), in_both(folder)), server)
            assert kernel.is_forked
            ours = await looked(kernel.client)
            await kernel.close()
            async with fresh(folder, in_both(folder)) as client:
                return ours, await looked(client)
        finally:
            server.close()
            os.umask(mask)
            resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
            del os.environ["LEFT"]
            os.environ["HOME"] = home

    return asyncio.run(look())


def test_all_that_a_task_can_see_is_as_in_a_fresh_kernel(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    ours, theirs = both
    different = {name: (ours[name], theirs[name]) for name in theirs if ours[name] != theirs[name]}
    assert {name: pair for name, pair in different.items() if name not in INTENDED} == {}


def test_the_intended_differences_are_no_greater_than_meant(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    ours, theirs = both
    assert set(theirs["environment"].items()) - set(ours["environment"].items()) == {
        ("JPY_PARENT_PID", str(os.getpid()))
    }
    assert set(ours["environment"]) <= set(theirs["environment"])
    assert len(theirs["threads"]) - len(ours["threads"]) == 1
    assert set(theirs["modules"]) - set(ours["modules"]) == {"runpy"}  # what ``python -m`` itself is
    assert [path for path in ours["import paths"] if path in theirs["import paths"]] == theirs["import paths"]


#: What notebooks do, with what it says.
CELLS = [
    ("from multiprocessing import get_context", ""),
    ("import asyncio, faulthandler, ipywidgets, logging, math, subprocess, threading", ""),
    ("with get_context('spawn').Pool(1) as pool: print(pool.map(math.sqrt, [4]))", "[2.0]"),
    ("with get_context('forkserver').Pool(1) as pool: print(pool.map(math.sqrt, [4]))", "[2.0]"),
    ("with get_context('fork').Pool(1) as pool: print(pool.map(math.sqrt, [4]))", "[2.0]"),
    ("from concurrent.futures import ProcessPoolExecutor", ""),
    ("with ProcessPoolExecutor(1) as pool: print(list(pool.map(math.sqrt, [4])))", "[2.0]"),
    ("print(await asyncio.sleep(0, 'awaited'))", "awaited"),
    ("print(subprocess.run(['echo', 'hi'], capture_output=True).stdout)", "b'hi\\n'"),
    ("process = await asyncio.create_subprocess_exec('echo', 'x', stdout=-1)", ""),
    ("print(await process.communicate())", "(b'x\\n', None)"),
    ("!echo from a shell", "from a shell"),
    ("%%bash\necho from bash", "from bash"),
    ("%history -n 1", "   1: from multiprocessing import get_context"),
    ("%matplotlib inline\nimport matplotlib.pyplot as plt", ""),
    ("plt.plot([1]); plt.show()", "['image/png', 'text/plain']"),
    ("s = ipywidgets.IntSlider(); s", "['application/vnd.jupyter.widget-view+json', 'text/plain']"),
    ("logging.warning('hey')", "WARNING:root:hey"),
    ("t = threading.Thread(target=print, args=('in a thread',)); t.start(); t.join()", "in a thread"),
    ("from multiprocessing.shared_memory import SharedMemory", ""),
    ("s = SharedMemory(create=True, size=9); s.close(); s.unlink(); print('shared')", "shared"),
    ("faulthandler.dump_traceback(open('/dev/null', 'w'))", ""),
]


def test_what_notebooks_do_works(tmp_path: Path) -> None:
    async def run() -> list[tuple[str, str]]:
        async with forked(tmp_path, dict(os.environ)) as kernel:
            return [(code, (await said(kernel.client, code)).rstrip()) for code, _ in CELLS]

    assert asyncio.run(run()) == CELLS


def test_completion_inspection_and_the_debugger_answer(tmp_path: Path) -> None:
    async def ask() -> None:
        async with forked(tmp_path, dict(os.environ)) as kernel:
            client = kernel.client
            await said(client, "import math")
            assert (await reply(client.get_shell_msg, client.complete("math.sq", 7)))["matches"] == ["sqrt"]
            assert (await reply(client.get_shell_msg, client.inspect("math.sqrt", 9)))["found"] is True
            assert not (await debugged(client, "debugInfo"))["body"]["isStarted"]
            await debugged(client, "initialize", clientID="test", adapterID="", pathFormat="path")
            await debugged(client, "attach")
            assert (await debugged(client, "debugInfo"))["body"]["isStarted"]
            assert await said(client, "print('debugged')") == "debugged\n"
            await debugged(client, "disconnect", restart=False, terminateDebuggee=False)

    asyncio.run(ask())


async def reply(get: Callable[..., Awaitable[dict[str, Any]]], asked: str) -> dict[str, Any]:
    """Return the content of the reply to a request."""
    while True:
        message = await asyncio.wait_for(get(timeout=None), LIMIT)
        if message["parent_header"]["msg_id"] == asked:
            content: dict[str, Any] = message["content"]
            return content


async def debugged(client: AsyncKernelClient, command: str, **arguments: object) -> dict[str, Any]:
    """Send a request to the debugger, as JupyterLab does; return its answer, which is to be a success."""
    content = {"type": "request", "command": command, "seq": 1, "arguments": arguments}
    request = client.session.msg("debug_request", content)
    client.control_channel.send(request)
    content = await reply(client.get_control_msg, request["header"]["msg_id"])
    assert content["success"], content
    return content


def test_no_descriptor_of_the_server_or_of_another_kernel_is_open_in_a_kernel(tmp_path: Path) -> None:
    def opened(pid: int) -> set[str]:
        links = set()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # the descriptor of this very listing
                links.add(os.readlink(entry))
        return links

    async def look() -> None:
        server = ForkServer()
        try:
            kernels = [
                await start_kernel(KernelKind("python3", str(tmp_path), dict(os.environ)), server)
                for _ in range(3)
            ]
            assert server.pid is not None
            said_by_all = {os.devnull, os.readlink(f"/proc/{server.pid}/fd/1")}
            anonymous = {link for link in opened(kernels[0].pid) if link.startswith("anon_inode")}
            holders = [server.pid, os.getpid(), *(kernel.pid for kernel in kernels)]
            for kernel in kernels:
                others = set().union(*(opened(pid) for pid in holders if pid != kernel.pid))
                assert opened(kernel.pid) & others - anonymous <= said_by_all
            for kernel in kernels:
                await kernel.close()
        finally:
            server.close()

    asyncio.run(look())


def test_two_kernels_of_one_server_draw_different_numbers_and_names(tmp_path: Path) -> None:
    draw = """
import multiprocessing, random, secrets, tempfile, uuid, numpy, json
print(json.dumps([random.random(), secrets.token_hex(), tempfile.mktemp(), uuid.uuid1().hex, uuid.uuid4().hex,
    numpy.random.default_rng().random(), numpy.random.random(), random.SystemRandom().random(),
    numpy.random.RandomState().random(), bytes(multiprocessing.current_process().authkey).hex()]))
"""

    async def drawn() -> list[list[Any]]:
        server = ForkServer(["numpy", "tempfile", "uuid", "secrets"])
        try:
            kind = KernelKind("python3", str(tmp_path), dict(os.environ))
            kernels = [await start_kernel(kind, server) for _ in range(2)]
            numbers = [json.loads(await said(kernel.client, draw)) for kernel in kernels]
            for kernel in kernels:
                await kernel.close()
            return numbers
        finally:
            server.close()

    first, second = asyncio.run(drawn())
    assert [a for a, b in zip(first, second, strict=True) if a == b] == []


def test_forks_of_one_server_share_the_seed_of_hashes_which_another_server_has_not(tmp_path: Path) -> None:
    async def hashes() -> list[str]:
        server = ForkServer()
        try:
            kind = KernelKind("python3", str(tmp_path), dict(os.environ))
            kernels = [await start_kernel(kind, server) for _ in range(2)]
            found = [await said(kernel.client, "print(hash('x'))") for kernel in kernels]
            for kernel in kernels:
                await kernel.close()
            return found
        finally:
            server.close()

    (first, second), (third, _) = asyncio.run(hashes()), asyncio.run(hashes())
    assert first == second != third


def test_exit_handlers_of_a_kernel_run_in_it_and_those_of_preloaded_modules_in_each_process_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "says_goodbye.py").write_text(
        "import atexit, os\n"
        f"atexit.register(lambda: open({str(tmp_path / 'goodbye')!r}, 'a').write(f'{{os.getpid()}} '))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def live() -> list[int]:
        pids = []
        server = ForkServer(["says_goodbye"])
        try:
            for _ in range(2):
                kernel = await start_kernel(KernelKind("python3", str(tmp_path), dict(os.environ)), server)
                pids.append(kernel.pid)
                mark = tmp_path / f"own-{kernel.pid}"
                await said(kernel.client, f"import atexit; atexit.register(open, {str(mark)!r}, 'w')")
                await kernel.close()
                assert mark.exists()
        finally:
            server.close()
        return pids

    pids = asyncio.run(live())
    assert (tmp_path / "goodbye").read_text().split() == [str(pid) for pid in pids]


def test_two_kernels_do_not_share_a_file_of_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    async def look() -> str:
        async with forked(tmp_path, dict(os.environ)) as kernel:
            await said(kernel.client, "remembered = 1")
            return await said(kernel.client, "%history")

    assert "remembered = 1" in asyncio.run(look())
    assert list((tmp_path / "ipython").rglob("history.sqlite*")) == []
