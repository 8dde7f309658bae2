"""A kernel that is set up before the fork, but for what no fork takes along: sockets, threads, an identity.

To set a kernel up is to run code of a hundred classes, and what that code touches each fork has to copy, as
Python counts references in the objects themselves. What the server has set up its forks find done: that
halves the time until a kernel listens, and a third of the memory that it had for itself it now shares.

This does what ``IPKernelApp.initialize`` of ipykernel 7 does, in two parts, and no more. Where IPython finds
a configuration the server prepares nothing, and each kernel reads it when it starts.
"""

from __future__ import annotations

import atexit
import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ipykernel._version import version_info
from jupyter_client.session import Session, new_id
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigString
from zmq.eventloop.zmqstream import ZMQStream

from ppacer_nb.kernels.app import IPKernelApp, config_of

#: The variables that tell where IPython's configuration and its folders are.
_READ_BY_IPYTHON = ("HOME", "IPYTHONDIR", "IPYTHON_SUPPRESS_CONFIG_ERRORS", "XDG_CONFIG_HOME")
_HISTORY: Mapping[str, Any] = {"enabled": DeferredConfigString("False")}


class PreparedKernel:
    """The kernel that the forks of this process are to be."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._configuration = _configuration_files(app)
        self._env = _of_ipython(os.environ)
        self._modules = len(sys.modules)
        self._module_names = set(sys.modules)

    def fits(self, arguments: Sequence[str], env: Mapping[str, str]) -> bool:
        """Return whether a kernel with these arguments and that environment would be set up in this way."""
        given = config_of(arguments)
        return (
            given is not None
            and set(given) <= {"IPKernelApp", "HistoryManager"}
            and set(given.IPKernelApp) == {"connection_file"}
            and _of_ipython(env) == self._env
            and not any(map(os.path.exists, self._configuration))
        )

    def complete(self, arguments: Sequence[str]) -> Callable[[], None]:
        """Set up the rest, in a fork; return what runs the kernel."""
        app, kernel, shell = self._app, self._app.kernel, self._app.kernel.shell
        given = config_of(arguments)
        assert given is not None
        app.cli_config = given
        # This very object is the configuration of all that is set up.
        app.config.pop("HistoryManager")
        app.config.merge(given)
        app.connection_file = given.IPKernelApp.connection_file
        app.session.session = new_id()
        app.session.pid = os.getpid()
        kernel.ident = str(uuid.uuid4())
        self._restore(shell)
        app.init_crash_handler()
        app.init_blackhole()
        app.init_connection_file()
        app.init_poller()
        app.init_sockets()
        app.init_heartbeat()
        app.write_connection_file()
        app.log_connection_info()
        app.init_io()
        app.init_signal()
        self._connect(kernel, shell)
        if given.get("HistoryManager") != _HISTORY:
            shell.configurables.remove(shell.history_manager)
            shell.init_history()
            shell.init_user_ns()  # what a cell knows as In is of the history
        shell.save_sys_module_state()
        atexit.unregister(shell.atexit_operations)
        atexit.register(shell.atexit_operations)  # after those of the sockets, to be run before them
        app.init_path()
        app.init_shell()
        app.init_gui_pylab()
        app.init_extensions()
        self._init_code(shell)
        start: Callable[[], None] = app.start
        return start

    def _restore(self, shell: Any) -> None:
        """Do what is of this process and its folder: the server has undone it, or lies elsewhere."""
        shell.init_environment()
        shell.init_virtualenv()
        shell.starting_dir = os.getcwd()
        shell.history_manager.dir_hist[:] = [Path.cwd()]

    def _connect(self, kernel: Any, shell: Any) -> None:
        """Give the kernel its streams, as ``IPKernelApp.init_kernel`` makes them."""
        app = self._app
        channels, control = app.shell_channel_thread, app.control_thread
        channels.shell_stream = ZMQStream(app.shell_socket, channels.io_loop)
        debugpy_stream = ZMQStream(app.debugpy_socket, control.io_loop)
        kernel.shell_stream = channels.shell_stream
        kernel.control_stream = ZMQStream(app.control_socket, control.io_loop)
        kernel.debugpy_stream = debugpy_stream
        control.start()
        channels.start()
        for name in (
            "control_thread",
            "debug_shell_socket",
            "iopub_socket",
            "iopub_thread",
            "shell_channel_thread",
            "stdin_socket",
        ):
            setattr(kernel, name, getattr(app, name))
        kernel.debugger.shell_socket = app.debug_shell_socket
        kernel.debugger.debugpy_client.debugpy_stream = debugpy_stream
        kernel._stdout, kernel._stderr = sys.stdout, sys.stderr
        shell.displayhook.pub_socket = shell.display_pub.pub_socket = app.iopub_socket
        shell.displayhook.topic = kernel._topic("execute_result")
        if session_name := os.environ.get("JPY_SESSION_NAME"):
            shell.user_ns["__session__"] = session_name
        kernel.record_ports({f"{channel}_port": port for channel, port in app._ports.items()})
        app.displayhook.get_execution_count = lambda: kernel.execution_count

    def _init_code(self, shell: Any) -> None:
        """Run what a person has every kernel run, as ``IPKernelApp.init_code`` does."""
        app = self._app
        app._run_startup_files()
        shell.user_ns_hidden.update(shell.user_ns)
        sys.stdout.flush()
        sys.stderr.flush()
        # To look at the names of all modules would copy the pages of memory that they lie on.
        later = islice(reversed(sys.modules), max(0, len(sys.modules) - self._modules))
        self._module_names.update(later)
        shell._sys_modules_keys = self._module_names


def prepare() -> PreparedKernel | None:
    """Set up a kernel in this process, which is to be forked; None if that must be left to the forks."""
    if version_info[0] != 7:
        return None
    env, paths = dict(os.environ), list(sys.path)
    app: Any = IPKernelApp.instance()
    app.config.merge(Config(IPKernelApp={"connection_file": ""}, HistoryManager=dict(_HISTORY)))
    try:
        app.init_profile_dir()
        app.init_config_files()
        is_left_to_forks = any(map(os.path.exists, _configuration_files(app)))
    except (OSError, SystemExit):  # of IPython's folders; each kernel says so to who has asked for it
        is_left_to_forks = True
    if is_left_to_forks:
        IPKernelApp.clear_instance()
        return None
    app.session = Session(parent=app)
    app.init_pdb()
    app.kernel = app.kernel_class.instance(
        parent=app, session=app.session, log=app.log, profile_dir=app.profile_dir, user_ns=app.user_ns
    )
    # A shell notes these for the programs that its kernel starts, which the server does not.
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = paths
    return PreparedKernel(app)


def _of_ipython(env: Mapping[str, str]) -> list[str | None]:
    return [env.get(name) for name in _READ_BY_IPYTHON]


def _configuration_files(app: Any) -> list[str]:
    """Return where IPython would look for a configuration of this kernel."""
    names = {"ipython_config.py", *app.config_files} - {""}
    return [
        os.path.join(folder, name.removesuffix(".py") + ending)
        for folder in app.config_file_paths
        for name in sorted(names)
        for ending in (".py", ".json")
    ]
