"""A real JupyterLab, in a real browser."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs, and the folder that it shows."""

    url: str
    token: str
    folder: Path

    def open(self, page: Page, notebook: str) -> None:
        """Open a notebook on its own, and wait until its kernel is ready."""
        page.goto(f"{self.url}/lab/workspaces/auto-{secrets.token_hex(4)}/tree/{notebook}?token={self.token}")
        page.locator(".jp-Notebook").wait_for(timeout=60_000)
        page.get_by_text("| Idle").first.wait_for(timeout=60_000)

    def run_all(self, page: Page) -> None:
        """Choose Run, Run All Cells."""
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(
            "[data-command='notebook:run-all-cells'], [data-command='runmenu:run-all']"
        ).first.click()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    token, port = secrets.token_hex(16), _free_port()
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    log = (home / "lab.log").open("w")
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home)}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    found = Lab(f"http://127.0.0.1:{port}", token, folder)
    try:
        _until_it_answers(found, process, home / "lab.log")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(_CHROMIUM))
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    yield context.new_page()
    context.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_it_answers(lab: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{lab.url}/api?token={lab.token}", timeout=5).close()
        except OSError:
            with socket.socket() as waiting:  # a pause without time.sleep would need the server's help
                waiting.settimeout(0.2)
                try:
                    waiting.bind(("127.0.0.1", 0))
                    waiting.listen()
                    waiting.accept()
                except TimeoutError:
                    continue
        else:
            return
    raise AssertionError(log.read_text())
