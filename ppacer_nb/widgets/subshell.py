"""Letting a widget answer while the kernel runs a long cell.

JupyterLab sends the messages of widgets to a subshell of the kernel, which has a thread of its own. ipykernel
from 7.3 on passes them to the shell that last used the widget's comm, which for a widget made in a cell is
the busy main one (`ipykernel.kernelbase.Kernel.shell_channel_thread_main` asks `Comm._reply_subshell_for`).
That rule serves those who wait in one subshell for the answer to a request; a widget that asks for no answers
can do without it.
"""

from __future__ import annotations

from typing import Any


def answer_while_busy(comm: Any) -> None:
    """Let the messages of `comm` be handled in the subshell to which the front end sent them.

    Without effect on a comm that has no such rule: another ipykernel, or no kernel at all.
    """
    if callable(getattr(comm, "_reply_subshell_for", None)):
        comm._reply_subshell_for = _as_sent


def _as_sent(_: Any, subshell_id: str | None) -> str | None:
    return subshell_id
