"""A real JupyterLab on a loopback port, and its notebooks in a real Chromium."""

from __future__ import annotations

import ast
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Locator, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "/usr/bin/chromium"
REPOSITORY = Path(__file__).parents[2]

#: Without these Chromium calls home, which a closed network refuses many times over.
_CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_START_S = 60.0
_OPEN_MS = 60_000

Theme = Literal["JupyterLab Light", "JupyterLab Dark"]
App = Literal["jupyterlab", "notebook"]


@dataclass(frozen=True)
class JupyterLab:
    """A server whose root is `root`."""

    root: Path
    private: Path  #: where it keeps settings and signatures
    port: int
    token: str
    app: App = "jupyterlab"

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Make a notebook of code cells below the root, trusted as the user's own, and return its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.root / name)
        NotebookNotary(data_dir=_environment(self.private)["JUPYTER_DATA_DIR"]).sign(notebook)
        return name

    def open(self, page: Page, name: str) -> OpenNotebook:
        """Open a notebook below the root, with a kernel that is ready."""
        where = {"jupyterlab": f"lab/tree/{name}", "notebook": f"notebooks/{name}"}[self.app]
        page.goto(f"http://127.0.0.1:{self.port}/{where}?token={self.token}&reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=_OPEN_MS)
        page.evaluate(
            """async () => {
                const { sessionContext } = window.jupyterapp.shell.currentWidget;
                await sessionContext.ready;
                await sessionContext.session.kernel.info;
            }"""
        )
        return OpenNotebook(page, name)


@dataclass(frozen=True)
class OpenNotebook:
    """A notebook open in JupyterLab."""

    page: Page
    name: str

    def run_all(self) -> None:
        """Run all cells and return when they have run."""
        self.command("notebook:run-all-cells")

    def run_cell(self, number: int) -> None:
        """Run one cell, counted from 0, and return when it has run."""
        self._activate(number)
        self.command("notebook:run-cell")

    def start_cell(self, number: int) -> None:
        """Begin to run one cell, counted from 0, and return at once."""
        self._activate(number)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")

    def execute(self, code: str) -> None:
        """Run code in the kernel without a cell, and return when it has run."""
        reply = self.page.evaluate(
            """async code => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                return (await kernel.requestExecute({ code }).done).content;
            }""",
            code,
        )
        assert reply["status"] == "ok", reply

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, a literal of Python's."""
        reply = self.page.evaluate(
            """async expression => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const request = { code: "", user_expressions: { value: expression } };
                return (await kernel.requestExecute(request).done).content.user_expressions.value;
            }""",
            expression,
        )
        assert reply["status"] == "ok", reply
        return ast.literal_eval(reply["data"]["text/plain"])

    def shut_down_kernel(self) -> None:
        """End the kernel."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def command(self, name: str, **arguments: Any) -> None:
        """Carry out a command of JupyterLab and return when it is done."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments]
        )

    def cell(self, number: int) -> Locator:
        """Return a cell, counted from 0."""
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{number}"]')

    def dashboard(self) -> Locator:
        """Return the live dashboard on the page."""
        return self.page.locator(".pd")

    def switch_theme(self, theme: Theme) -> None:
        """Switch JupyterLab's theme and return when the page wears it."""
        self.command("apputils:change-theme", theme=theme)
        light = str("Light" in theme).lower()
        self.page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")

    def _activate(self, number: int) -> None:
        self.page.evaluate(
            "number => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number }", number
        )


@contextmanager
def running_lab(root: Path, private: Path, app: App = "jupyterlab") -> Iterator[JupyterLab]:
    """Run a JupyterLab or a Notebook 7 without any settings of the user, and end it and its kernels."""
    lab = JupyterLab(root, private, free_port(), secrets.token_hex(16), app)
    _write_settings(private)
    command = [
        *(sys.executable, "-m", app, "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *(f"--ServerApp.port={lab.port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
        *(f"--IdentityProvider.token={lab.token}", f"--ServerApp.root_dir={root}"),
    ]
    with subprocess.Popen(
        command,
        env=os.environ | _environment(private),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _wait_until_it_listens(process)
            yield lab
        finally:
            process.terminate()  # it shuts its kernels down
            process.wait(timeout=30)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(private: Path) -> dict[str, str]:
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    folders = {name: str(private / name.lower()) for name in names}
    return folders | {
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        # The package under test, installed or not.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])),
    }


def _write_settings(private: Path) -> None:
    """Keep away what would lie over the notebook or ask other machines."""
    settings = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "extensionmanager-extension/plugin": {"enabled": False, "disclaimed": True},
    }
    for name, values in settings.items():
        path = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def _wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said: list[str] = []
    listening = threading.Event()

    def read(lines: Any) -> None:  # to the end, as a full pipe would hold the server up
        for line in lines:
            said.append(line)
            if "is running at:" in line:
                listening.set()
        listening.set()

    threading.Thread(target=read, args=(process.stderr,), daemon=True).start()
    if not listening.wait(_START_S) or process.poll() is not None:
        raise RuntimeError(f"JupyterLab did not start:\n{''.join(said)}")
