"""What is said between the fork server, its keepers, and the processes that ask it for kernels."""

from __future__ import annotations

from dataclasses import dataclass, field

from ppacer_nb.kernels.inheritance import Inherited


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a kernel."""

    number: int  #: names it in what the server answers
    command: tuple[str, ...]  #: its program
    ours: bool  #: that is ``python -m ipykernel_launcher`` of this Python, which can be forked
    env: dict[str, str] = field(repr=False)  #: all of its environment
    cwd: str
    inherited: Inherited = field(repr=False)  #: what else it would have from the process that asks for it


@dataclass(frozen=True, slots=True)
class Connect:
    """Serve another process; the socket to it follows."""


@dataclass(frozen=True, slots=True)
class Importing:
    """A module that the user wants is imported next."""

    name: str


@dataclass(frozen=True, slots=True)
class Imported:
    """All modules are imported, but those that are refused, each for a reason."""

    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class Launched:
    """A kernel's process is there, or there can be none: then `pid` is 0 and `error` says why."""

    number: int
    pid: int
    keeper: int  #: the process that waits for its end
    forked: bool  #: it is a fork of the server, and not a program started anew
    at: float  #: seconds of the machine's monotonic clock, as in `Bound`
    error: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A forked kernel listens at its sockets; or a kernel could not be set up, and `error` says why."""

    number: int
    at: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """A kernel's process has ended, and with it whatever it had started."""

    number: int
    returncode: int  #: negative: the signal that killed it
    out_of_memory: bool | None = None  #: whether that is why SIGKILL came, None if nobody can tell


Answer = Importing | Imported | Launched | Bound | Exited
