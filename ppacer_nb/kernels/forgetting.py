"""Making a worker kernel as it was before a task, from inside; and saying so if that cannot be done.

What stays are imported modules, with whatever a task has changed in them: that is what makes a worker warm.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import site
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Iterable
from multiprocessing import current_process
from typing import Any

import ipykernel
import IPython
import tornado
import zmq
from IPython.core.interactiveshell import InteractiveShell

from ppacer_nb.errors import PpacerError

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1") if hasattr(signal, name)
]


class NotForgotten(PpacerError):
    """A task has left something behind that cannot be undone."""


class Before:
    """How a kernel is before its first task."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._env = dict(os.environ)
        self._cwd = os.getcwd()
        self._umask = _umask()
        self._sys = {name: getattr(sys, name) for name in ("stdout", "stderr", "stdin", "excepthook", "argv")}
        self._sys_lists = {name: list(getattr(sys, name)) for name in ("path", "argv", "meta_path")}
        self._signals = {number: signal.getsignal(number) for number in _SIGNALS}
        self._loggers = {logger: _state(logger) for logger in _all_loggers()}
        self._callbacks = {name: list(found) for name, found in shell.events.callbacks.items()}
        self._custom_exceptions = (shell.custom_exceptions, shell.CustomTB)
        self._modules = frozenset(sys.modules)
        self._settled: frozenset[str] = frozenset()  # modules whose objects the collector leaves alone
        self._files: dict[str, int] = {}  # of modules that tasks have imported: modified when
        self._task_began = time.time_ns()
        self._rc = dict(sys.modules["matplotlib"].rcParams) if "matplotlib" in sys.modules else None
        self._threads = set(threading.enumerate())
        self._filters = warnings.catch_warnings()
        self._filters.__enter__()

    def keep_import_paths(self) -> None:
        """Regard what is importable now as having been so before."""
        self._sys_lists["path"] = list(sys.path)

    def restore(self) -> dict[str, int]:
        """Make the kernel like this again.

        Returns
        -------
        dict
            The files of the modules that tasks have imported, each with the time of its modification; 0 for
            one that was modified while a task ran. Those of installed packages, which nobody edits, are left
            out.

        Raises
        ------
        NotForgotten
            If threads or coroutines of the task run on.
        """
        self._refuse_what_runs()
        os.environ.clear()
        os.environ.update(self._env)
        os.chdir(self._cwd)
        os.umask(self._umask)
        for name, value in self._sys.items():
            setattr(sys, name, value)
        for name, values in self._sys_lists.items():
            getattr(sys, name)[:] = values
        self._restore_signals()
        self._filters.__exit__(None, None, None)
        self._filters = warnings.catch_warnings()
        self._filters.__enter__()
        self._restore_loggers()
        self._restore_figures()
        self._restore_shell()
        reseed()
        self._collect_garbage()
        self._note_files()
        return self._files

    def _collect_garbage(self) -> None:
        """Collect what the task has left, and have the collector leave alone from now on what it imported.

        Modules stay, and to go through large ones takes tens of milliseconds each time. It is done only where
        there are new ones, as what else is alive at that moment is left alone as well, be it garbage later.
        """
        gc.collect()
        modules = frozenset(sys.modules)
        if not modules <= self._settled:
            gc.freeze()
            self._settled |= modules

    def _note_files(self) -> None:
        for name in set(sys.modules) - self._modules:
            file = getattr(sys.modules[name], "__file__", None)
            if isinstance(file, str) and file not in self._files and not file.startswith(_INSTALLED):
                modified = os.stat(file).st_mtime_ns if os.path.exists(file) else 0
                self._files[file] = modified if modified < self._task_began else 0
        self._task_began = time.time_ns()

    def _refuse_what_runs(self) -> None:
        threads = [t.name for t in threading.enumerate() if t not in self._threads]
        if threads:
            raise NotForgotten(f"the task left threads: {', '.join(threads)}")
        left = [name for t in asyncio.all_tasks() if (name := _task_name(t)) is not None]
        if left:
            raise NotForgotten(f"the task left coroutines: {', '.join(left)}")

    def _restore_signals(self) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._signals.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)

    def _restore_loggers(self) -> None:
        for logger in _all_loggers():
            handlers, *state = self._loggers.get(logger, ([], logging.NOTSET, False, True, []))
            for handler in list(logger.handlers):
                if handler not in handlers:
                    logger.removeHandler(handler)
                    handler.close()
            for handler in handlers:
                logger.addHandler(handler)  # unless it is there
            level, logger.disabled, logger.propagate, logger.filters[:] = state
            logger.setLevel(level)
        logging.disable(logging.NOTSET)

    def _restore_figures(self) -> None:
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        if "matplotlib" in sys.modules:
            matplotlib: Any = sys.modules["matplotlib"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some parameters are deprecated, and were there before
                if self._rc is None:
                    matplotlib.rc_file_defaults()
                else:
                    matplotlib.rcParams.update(self._rc)

    def _restore_shell(self) -> None:
        for name, callbacks in self._callbacks.items():
            self._shell.events.callbacks[name][:] = callbacks
        self._shell.custom_exceptions, self._shell.CustomTB = self._custom_exceptions
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if hasattr(sys, name):
                delattr(sys, name)  # holds all that the function had
        self._shell.reset(new_session=True)


def reseed() -> None:
    """Give this process randomness of its own, as a fresh one has."""
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    current_process().authkey = os.urandom(32)


_KERNELS_OWN = tuple(
    f"{os.path.dirname(str(package.__file__))}{os.sep}" for package in (ipykernel, IPython, tornado, zmq)
)
_INSTALLED = tuple(
    {f"{path}{os.sep}" for path in (*sysconfig.get_paths().values(), *site.getsitepackages(), sys.prefix)}
)


def _task_name(task: asyncio.Task[Any]) -> str | None:
    """Return the name of a task's coroutine, None for those that make up the kernel itself."""
    coroutine: Any = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    if task is asyncio.current_task() or code is None or code.co_filename.startswith(_KERNELS_OWN):
        return None
    name: str = coroutine.__qualname__
    return name


def _all_loggers() -> Iterable[logging.Logger]:
    known = logging.Logger.manager.loggerDict.values()
    return [logging.getLogger(), *(logger for logger in known if isinstance(logger, logging.Logger))]


def _state(logger: logging.Logger) -> tuple[Any, ...]:
    return (
        list(logger.handlers),
        logger.level,
        logger.disabled,
        logger.propagate,
        list(logger.filters),
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
