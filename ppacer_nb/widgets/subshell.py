"""Buttons that answer while a cell runs.

JupyterLab sends the messages of widgets to a subshell of the kernel, which runs them beside a cell. ipykernel
7.4 sends them back to the shell that made the widget: the one that is busy. It asks a method of the comm
where to, and this lets that method leave the message where the front end sent it. The name is ipykernel's own
and may change; a test in the browser clicks while a cell runs.
"""

from __future__ import annotations

from typing import Any

_METHOD = "_reply_subshell_for"


def answer_in_subshell(comm: Any) -> bool:
    """Let `comm` handle messages in the subshell that they are sent to; return whether it knows how."""
    if not hasattr(comm, _METHOD):
        return False
    setattr(comm, _METHOD, lambda data, default: default)
    return True
