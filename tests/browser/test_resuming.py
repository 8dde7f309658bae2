"""A failed notebook that is mended and goes on, in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import JupyterLab
from tests.kernels.lab import write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

#: A kernel is started in it, on a machine with other work to do.
SOON_MS = 30_000

DEFINE = """
%load_ext ppacer_nb
import os
os.chdir({folder!r})
from ppacer_nb import DAG, notebook
with DAG("sales") as dag:
    notebook("report.ipynb", parameters={{"factor": 10}}, hold_on_failure="30m", notify=False)
%ppacer start
%ppacer trigger sales
"""


def test_the_dashboard_says_how_to_go_on_and_shows_that_it_did(
    jupyterlab: JupyterLab, page: Page, tmp_path: Path
) -> None:
    folder = jupyterlab.root / tmp_path.name
    folder.mkdir()
    cells = (
        "# parameters\nfactor = 1",
        "sales = [factor * n for n in range(5)]",
        "total = sum(sale)",
        "total",
    )
    report = write_notebook(folder / "report.ipynb", *cells)
    sources = [DEFINE.format(folder=str(folder)), "%ppacer dashboard", "%ppacer resume", "%ppacer stop"]
    opened = jupyterlab.open(page, jupyterlab.write(f"{tmp_path.name}.ipynb", sources))
    opened.run_cell(0)
    opened.run_cell(1)
    shown = opened.dashboard()
    shown.get_by_role("tab", name="Run", exact=True).click()
    error = shown.locator(".pd-callout.pd-error")
    expect(error).to_contain_text("name 'sale' is not defined in cell 4 of 5", timeout=SOON_MS)
    expect(error).to_contain_text("Look into it: jupyter console --existing /")
    expect(error).to_contain_text("Go on in it: %ppacer resume sales/manual-")
    error.screenshot(path=tmp_path / "held.png")

    report.write_text(report.read_text().replace("sum(sale)", "sum(sales)"))
    opened.run_cell(2)
    expect(shown.locator(".pd-run > .pd-head")).to_contain_text("success", timeout=SOON_MS)
    expect(shown.locator(".pd-attempts")).to_contain_text(
        "kernel of attempt 1, kept cells 1-3, runs cells 4-5"
    )
    expect(shown).not_to_contain_text("Look into it")
    shown.screenshot(path=tmp_path / "resumed.png")
    opened.run_cell(3)
    opened.shut_down_kernel()
