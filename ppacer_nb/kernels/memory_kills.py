"""Telling a process that was killed because memory ran out from one that somebody killed.

Both end by SIGKILL. Linux counts the first kind: for each control group in ``memory.events``, with version 1
of control groups in ``memory.oom_control``, and for the whole machine in ``/proc/vmstat``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PROC, _CONTROL_GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryKills:
    """How many processes had been killed for want of memory at some time; None where that is not told."""

    in_group: int | None  #: of the process's control group
    on_machine: int | None

    def explains(self, later: MemoryKills) -> bool | None:
        """Return whether a process of the group that ended by SIGKILL in between lacked memory.

        None if that cannot be known: the group's own count is not told, and somewhere memory ran out.
        """
        if self.in_group is not None and later.in_group is not None:
            return later.in_group > self.in_group
        if self.on_machine is not None and later.on_machine == self.on_machine:
            return False
        return None


def memory_kills(group_counter: Path | None, proc: Path = _PROC) -> MemoryKills:
    """Look up the present counts; `group_counter` is what `counter_of` returned."""
    in_group = None if group_counter is None else _count(group_counter)
    return MemoryKills(in_group, _count(proc / "vmstat"))


def counter_of(pid: int, proc: Path = _PROC, groups: Path = _CONTROL_GROUPS) -> Path | None:
    """Return the file that counts such ends in the control group of a process, None if there is none."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:  # a system without control groups, or the process has ended
        return None
    for line in lines:
        _, controllers, group = line.split(":", 2)
        for file in _counters(controllers.split(","), group.lstrip("/"), groups):
            if _count(file) is not None:
                return file
    return None


def _counters(controllers: list[str], group: str, groups: Path) -> list[Path]:
    """Return where a count may be; a container may see its own group as the topmost one."""
    if "memory" in controllers:
        name = "memory.oom_control"
        return [groups / "memory" / group / name, groups / "memory" / name]
    if controllers == [""]:
        return [groups / group / "memory.events", groups / "memory.events"]
    return []


def _count(file: Path) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else None
