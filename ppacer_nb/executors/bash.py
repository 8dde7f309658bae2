"""Shell commands as tasks."""

from __future__ import annotations

import contextvars
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, TextIO

from ppacer_nb.errors import TaskFailed
from ppacer_nb.kernels.descendants import kill_descendants


def run_bash(command: str, env: Mapping[str, str] | None = None) -> str:
    """Run `command` in a shell, and pass on its output line by line as it comes.

    Parameters
    ----------
    command
        For ``bash -c``, or ``sh -c`` where there is no bash.
    env
        Environment variables besides those of this process.

    Returns
    -------
    str
        What it printed to stdout, without surrounding white space.

    Raises
    ------
    TaskFailed
        If its exit code is not 0; the sentence has the code, and the last line of stderr.
    """
    process = subprocess.Popen(
        [shutil.which("bash") or "sh", "-c", command],
        env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # In a thread no Ctrl-C is meant for it. In a task's kernel it stays in the kernel's process group,
        # so that whatever ends that ends it too.
        start_new_session=threading.current_thread() is not threading.main_thread(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[str] = []
    # Beside this thread, as a command may fill one pipe while the other is read; in this thread's context,
    # as that says whose output it is.
    context = contextvars.copy_context()
    reader = threading.Thread(
        target=context.run, args=(_pass_on, process.stderr, sys.stderr, errors), daemon=True
    )
    reader.start()
    lines: list[str] = []
    try:
        _pass_on(process.stdout, sys.stdout, lines)
        code = process.wait()
        reader.join()
    except BaseException:  # interrupted: the command must not outlive its task
        kill_descendants(process.pid)
        process.kill()
        process.wait()
        raise  # without waiting for the reader: what the command left behind may hold the pipe open
    process.stdout.close()
    process.stderr.close()
    if code:
        said = f": {errors[-1].strip()}" if errors else ""
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise TaskFailed(f"the command ended with {how}{said}")
    return "".join(lines).strip()


def _pass_on(source: IO[str], target: TextIO, kept: list[str]) -> None:
    for line in source:
        target.write(line)
        kept.append(line)
