"""Why SIGKILL came: the counters of Linux, as written in files, and a kernel that really lacks memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ppacer_nb.kernels.descendants import ending
from ppacer_nb.kernels.forkserver import ForkServer
from ppacer_nb.kernels.memory_kills import MemoryKills, counter_of, memory_kills
from ppacer_nb.kernels.process import KernelKind, start_kernel


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("lines", "counter"),
    [
        ("0::/user.slice/a.scope\n", "user.slice/a.scope/memory.events"),
        ("0::/\n", "memory.events"),  # a container sees its own group as the topmost one
        ("0::/../elsewhere\n", "memory.events"),
        ("5:devices:/\n4:cpu,memory:/docker/1\n0::/\n", "memory/docker/1/memory.oom_control"),
        ("4:memory:/docker/not/shown\n", "memory/memory.oom_control"),
        ("4:memory:/with:colon\n", "memory/with:colon/memory.oom_control"),
    ],
)
def test_the_counter_of_a_process_is_found(tmp_path: Path, lines: str, counter: str) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    write(proc / "7/cgroup", lines)
    write(groups / counter, "low 0\nhigh 0\noom 3\noom_kill 2\noom_group_kill 9\n")
    found = counter_of(7, proc, groups)
    assert found == groups / counter
    assert memory_kills(found, proc).in_group == 2


@pytest.mark.parametrize("lines", [None, "", "0::/\n", "3:cpu:/\n"])
def test_where_nothing_counts_there_is_no_counter(tmp_path: Path, lines: str | None) -> None:
    if lines is not None:
        write(tmp_path / "7/cgroup", lines)
    assert counter_of(7, tmp_path, tmp_path / "groups") is None
    assert memory_kills(None, tmp_path) == MemoryKills(None, None)
    write(tmp_path / "vmstat", "nr_free_pages 1\noom_kill 4\n")
    assert memory_kills(None, tmp_path) == MemoryKills(None, 4)


def test_a_counter_that_goes_with_its_group_is_no_error(tmp_path: Path) -> None:
    assert memory_kills(tmp_path / "gone", tmp_path).in_group is None


@pytest.mark.parametrize(
    ("before", "after", "explained"),
    [
        (MemoryKills(0, 0), MemoryKills(1, 1), True),
        (MemoryKills(2, 5), MemoryKills(2, 6), False),  # somebody else lacked memory
        (MemoryKills(None, 5), MemoryKills(None, 5), False),
        (MemoryKills(None, 5), MemoryKills(None, 6), None),
        (MemoryKills(None, None), MemoryKills(None, None), None),
        (MemoryKills(1, 5), MemoryKills(None, 6), None),
    ],
)
def test_only_a_count_of_its_own_group_says_that_a_process_lacked_memory(
    before: MemoryKills, after: MemoryKills, explained: bool | None
) -> None:
    assert before.explains(after) is explained


def test_only_what_is_known_is_said() -> None:
    killed = "its process was killed by SIGKILL"
    assert ending(-9, out_of_memory=True) == f"{killed}: the system ran out of memory"
    assert ending(-9, out_of_memory=False) == killed
    assert ending(-9) == f"{killed}, perhaps because memory ran out"
    assert ending(-11, out_of_memory=True) == "its process was killed by SIGSEGV"
    assert ending(3) == "its process ended with exit code 3"


def writable_group() -> Path | None:
    """Return where a control group for memory can be made here, None if that is not permitted."""
    for parent in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        has_memory = parent.name == "memory" or "memory" in _words(parent / "cgroup.subtree_control")
        if has_memory and os.access(parent / "cgroup.procs", os.W_OK):
            return parent
    return None


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with 400 MB of memory."""
    parent = writable_group()
    assert parent is not None
    group = parent / f"ppacer-test-{os.getpid()}"
    group.mkdir()
    limit = "memory.limit_in_bytes" if parent.name == "memory" else "memory.max"
    (group / limit).write_text(str(400 * 1024**2))
    yield group
    group.rmdir()


@pytest.mark.skipif(writable_group() is None, reason="only root, with control groups, can limit memory")
def test_a_kernel_that_runs_out_of_memory_says_so(tmp_path: Path, small_group: Path) -> None:
    async def eat() -> str:
        server = ForkServer()
        server.start()
        server.refused.result(30)
        (small_group / "cgroup.procs").write_text(str(server.pid))
        try:
            kernel = await start_kernel(KernelKind("python3", str(tmp_path), dict(os.environ)), server)
            kernel.client.execute(
                "with open('/proc/self/oom_score_adj', 'w') as file: file.write('1000')\n"
                "hoard = b'x' * 1024**3"
            )
            why = await asyncio.wait_for(kernel.died, 30)
            await kernel.close()
            again = await start_kernel(KernelKind("python3", str(tmp_path), dict(os.environ)), server)
            again.kill()  # by somebody, this time
            assert await asyncio.wait_for(again.died, 10) == "its process was killed by SIGKILL"
            await again.close()
            return why
        finally:
            server.close()

    assert asyncio.run(eat()) == "its process was killed by SIGKILL: the system ran out of memory"
