"""What a process takes over from the one that starts it: for kernels whose parent is another process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inherited:
    """Of one process, what those that it starts would have too. Environment and folder are given apart."""

    umask: int
    niceness: int
    limits: tuple[tuple[int, tuple[int, int]], ...]  #: resource, (soft, hard)

    @classmethod
    def of_this_process(cls) -> Inherited:
        """Return what a process would have that this one starts now."""
        import resource  # not there on Windows, where no kernel comes from another process

        kinds = {number for name, number in vars(resource).items() if name.startswith("RLIMIT_")}
        return cls(
            umask=_umask(),
            niceness=os.getpriority(os.PRIO_PROCESS, 0),
            limits=tuple((kind, resource.getrlimit(kind)) for kind in sorted(kinds)),
        )

    def take_on(self) -> None:
        """Give this process what it would have if that one had started it.

        Raises
        ------
        OSError, ValueError
            If this process may not.
        """
        import resource

        os.umask(self.umask)
        if os.getpriority(os.PRIO_PROCESS, 0) != self.niceness:
            os.setpriority(os.PRIO_PROCESS, 0, self.niceness)
        for kind, limit in self.limits:
            resource.setrlimit(kind, limit)


def _umask() -> int:
    """Return the file mode mask. Asking by `os.umask` would change it, for other threads too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.removeprefix("Umask:"), 8)
    raise OSError("this system does not tell the file mode mask of a process")
