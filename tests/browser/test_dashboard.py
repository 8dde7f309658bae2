"""The dashboard as its reader meets it: JupyterLab in Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SUCCESS = ".ppacer-runs .ppacer-badge.ppacer-state-success"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
STEERED = f"""
%load_ext ppacer_nb
from ppacer_nb import DAG, TaskContext, task

@task(executor="thread")
def greet(context: TaskContext):
    context.logger.info({HOSTILE!r}, extra={{"city": {HOSTILE!r}}})
    return {HOSTILE!r}

@task(executor="thread")
def fail(name):
    raise ValueError(name)

with DAG("steered", description={HOSTILE!r}, params={{"p": {HOSTILE!r}}}):
    fail(greet())
%ppacer start
%ppacer dashboard
"""
BUSY = """
import time
time.sleep(20)
print("the long cell has ended")
"""


def notebook(lab: Lab, name: str, *cells: str) -> None:
    """Write a notebook where JupyterLab finds it."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, lab.folder / name)


def test_the_quickstart_shows_a_scheduled_run_turning_green(lab: Lab, page: Page) -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(path, lab.folder)
    lab.open(page, "quickstart.ipynb")
    lab.run_all(page)
    row = page.locator(".ppacer-runs tr", has_text="scheduled").locator(".ppacer-badge.ppacer-state-success")
    expect(row.first).to_be_visible(timeout=120_000)
    expect(page.locator(".ppacer-detail svg.ppacer-graph")).to_be_visible()
    expect(page.locator(".ppacer-pill", has_text="stopped")).to_be_visible(timeout=120_000)
    expect(page.locator(".ppacer-header")).to_contain_text("The scheduler has stopped")


def test_buttons_answer_while_a_cell_runs_and_hostile_text_stays_text(lab: Lab, page: Page) -> None:
    notebook(lab, "steered.ipynb", STEERED, BUSY)
    lab.open(page, "steered.ipynb")
    lab.run_all(page)
    page.get_by_role("button", name="Trigger steered").click(timeout=60_000)
    expect(page.locator(".ppacer-runs .ppacer-badge.ppacer-state-failed")).to_be_visible(timeout=15_000)
    expect(page.locator(".ppacer-lines")).to_contain_text(HOSTILE)
    expect(page.locator(".jp-OutputArea-output", has_text="the long cell has ended")).to_have_count(0)
    expect(page.locator(".ppacer-dags")).to_contain_text(HOSTILE)
    expect(page.locator(".ppacer-failure summary").first).to_contain_text("ValueError: <img")
    expect(page.locator(".ppacer-param").first).to_contain_text("<script>")
    assert page.evaluate("window.hacked") is None
    page.get_by_role("button", name="Stop scheduler").click()
    page.get_by_role("group", name="Confirm stopping").get_by_role("button", name="Stop").click()
    expect(page.locator(".ppacer-pill", has_text="stopped")).to_be_visible(timeout=15_000)
