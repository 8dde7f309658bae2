"""The dashboard outside JupyterLab: in Notebook 7, and as a web page that Voila serves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import build_opener

import pytest
from playwright.sync_api import Browser, Page, expect

from ppacer_nb.session import Session
from tests.browser.cells import setup
from tests.browser.lab import free_port, running_lab
from tests.faces import sales_dag

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SOON_MS = 60_000


def test_a_dashboard_in_notebook_7_triggers_and_follows_a_run(browser: Browser, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    page = browser.new_page()
    raised: list[str] = []
    page.on("pageerror", lambda error: raised.append(error.stack or str(error)))
    with running_lab(root, tmp_path / "own", "notebook") as server:
        opened = server.open(page, server.write("sales.ipynb", [setup(str(root)), "time.sleep(20)"]))
        opened.run_cell(0)
        shown = opened.dashboard()
        opened.start_cell(1)
        shown.get_by_role("button", name="Trigger daily_sales").click(timeout=SOON_MS)
        expect(shown.locator(".pd-run > .pd-head")).to_contain_text("success", timeout=15_000)
        expect(page.get_by_text("[*]:", exact=True)).to_be_visible()  # it answered while the cell runs
        opened.shut_down_kernel()
    page.close()
    assert [stack for stack in raised if "/static/notebook/" not in stack] == []  # its own are its own


@contextmanager
def served(store: Path) -> Iterator[str]:
    """Run ``ppacer ui`` and give the address that it says."""
    command = [str(Path(sys.executable).with_name("ppacer")), "ui", "--no-browser", "--store", str(store)]
    command += ["--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def test_a_page_shows_and_steers_the_scheduler_of_another_process_and_asks_nobody_else(
    page: Page, tmp_path: Path
) -> None:
    store = tmp_path / ".ppacer" / "p.duckdb"
    session = Session()
    scheduler = session.start(store=store, executor="thread")
    scheduler.register(sales_dag().spec)
    elsewhere: list[str] = []
    page.on("requestfailed", lambda request: elsewhere.append(request.failure or ""))
    with served(store) as address:
        page.goto(address)
        page.get_by_role("button", name="Trigger sales").click(timeout=SOON_MS)
        expect(page.locator(".pd-run > .pd-head")).to_contain_text("success", timeout=SOON_MS)
        assert scheduler.history.runs()[0].dag_id == "sales"
        assert set(elsewhere) == {"csp"}, "Voila's template asks for fonts from elsewhere; the page may not"
        with pytest.raises(HTTPError, match="403"):
            build_opener().open(address.partition("?")[0] + "api/kernels", data=b"{}")
    scheduler.stop(wait=timedelta(0))
