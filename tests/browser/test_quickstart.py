"""The quickstart notebook, as a newcomer runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import REPOSITORY, JupyterLab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_a_scheduled_run_turns_green_under_the_cell(
    jupyterlab: JupyterLab, page: Page, tmp_path: Path
) -> None:
    folder = jupyterlab.root / tmp_path.name
    folder.mkdir(exist_ok=True)
    for name in ("quickstart.ipynb", "delay_report.ipynb"):
        shutil.copy(REPOSITORY / "notebooks" / name, folder)
    opened = jupyterlab.open(page, f"{tmp_path.name}/quickstart.ipynb")
    opened.run_all()
    shown = opened.dashboard()
    scheduled = shown.locator(".pd-runs tbody tr", has_text="scheduled")
    expect(scheduled.first).to_contain_text("success", timeout=150_000)
    expect(scheduled.first).to_contain_text("3/3")
    expect(shown).to_contain_text("stopped", timeout=60_000)
    expect(shown.locator(".pd-runs .pd-badge", has_text="running")).to_have_count(0)
    scheduled.first.click()
    expect(shown.locator(".pd-node.ppacer-state-success")).to_have_count(3)
    assert list(folder.glob(".ppacer/runs/flight_delays/scheduled-*/delay_report.1.html"))
    shown.locator(".pd-attempts").get_by_role("button", name="report").first.click()
    report = shown.frame_locator("iframe.pd-document")
    expect(report.locator("img").first).to_be_visible(timeout=30_000)
    opened.shut_down_kernel()
