"""The dashboard in a real JupyterLab."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, Page, expect

from tests.browser.cells import STOP, setup
from tests.browser.conftest import VIEWERS_ZONE
from tests.browser.lab import JupyterLab, OpenNotebook
from tests.widgets.records import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

#: How long something may take that happens at once, on a machine with other work to do.
SOON_MS = 15_000


@pytest.fixture
def notebook(jupyterlab: JupyterLab, page: Page, tmp_path: Path) -> Iterator[OpenNotebook]:
    """Cell 0 shows the dashboard, 1 keeps the kernel busy, 2 stops the scheduler, 3 shows it again."""
    folder = jupyterlab.root / tmp_path.name
    cells = [setup(str(folder)), "time.sleep(20)", STOP, "shown"]
    opened = jupyterlab.open(page, jupyterlab.write(f"{tmp_path.name}.ipynb", cells))
    opened.run_cell(0)
    yield opened
    opened.shut_down_kernel()


@pytest.fixture
def shown(notebook: OpenNotebook) -> Locator:
    found = notebook.dashboard()
    expect(found).to_be_visible(timeout=SOON_MS)
    return found


def open_tab(shown: Locator, name: str) -> None:
    shown.get_by_role("tab", name=name, exact=True).click()


def trigger(shown: Locator, dag: str) -> None:
    """Press the DAG's button, and return when its run is shown."""
    open_tab(shown, "Overview")
    shown.get_by_role("button", name=f"Trigger {dag}").click()
    is_open = shown.get_by_role("tab", name="Run", exact=True, selected=True)
    expect(is_open).to_be_visible(timeout=SOON_MS)
    expect(shown.locator(".pd-run > .pd-head")).to_contain_text(dag, timeout=SOON_MS)


def run_head(shown: Locator) -> Locator:
    open_tab(shown, "Run")
    return shown.locator(".pd-run > .pd-head")


def newest_run(shown: Locator) -> Locator:
    open_tab(shown, "Overview")
    return shown.locator(".pd-runs tbody tr").first


def test_a_run_triggered_by_a_click_turns_green(shown: Locator) -> None:
    expect(shown).to_contain_text("Scheduling lasts as long as this kernel lives.")
    trigger(shown, "daily_sales")
    expect(newest_run(shown)).to_contain_text("success", timeout=SOON_MS)
    expect(newest_run(shown)).to_contain_text("2/2")
    expect(shown.get_by_role("group", name="Counters")).to_contain_text("success1")
    expect(run_head(shown)).to_contain_text("success")
    expect(shown.locator(".pd-node.ppacer-state-success")).to_have_count(2)
    expect(shown.locator(".pd-attempts tbody tr")).to_have_count(2)
    expect(shown.locator(".pd-line")).to_contain_text(["WARNING"])
    expect(shown.locator(".pd-line")).to_contain_text(["reading rows=2"])


def test_a_click_is_answered_while_the_kernel_runs_a_long_cell(
    notebook: OpenNotebook, shown: Locator
) -> None:
    notebook.start_cell(1)
    expect(notebook.page.get_by_text("[*]:", exact=True)).to_be_visible()
    began = time.monotonic()
    trigger(shown, "daily_sales")
    expect(newest_run(shown)).to_contain_text("success", timeout=SOON_MS)
    assert time.monotonic() - began < 5, "the click waited for the cell"
    expect(notebook.page.get_by_text("[*]:", exact=True)).to_be_visible()


def test_a_failed_run_shows_its_error_first_and_its_traceback_on_demand(shown: Locator) -> None:
    trigger(shown, "broken")
    error = shown.locator(".pd-error")
    expect(error).to_contain_text("ValueError: no good", timeout=SOON_MS)
    expect(error.locator("pre")).to_be_hidden()
    error.get_by_text("Traceback", exact=True).click()
    expect(error.locator("pre")).to_contain_text("explode")


def test_a_run_is_cancelled_by_a_click_and_a_confirmation(shown: Locator) -> None:
    trigger(shown, "slow")
    expect(run_head(shown)).to_contain_text("running", timeout=SOON_MS)
    shown.get_by_role("button", name="Cancel run").click()
    shown.get_by_role("button", name="No").click()
    shown.get_by_role("button", name="Cancel run").click()
    shown.get_by_role("button", name="Cancel it").click()
    expect(run_head(shown)).to_contain_text("cancelled", timeout=SOON_MS)


def test_the_scheduler_is_stopped_by_a_click_and_a_confirmation(shown: Locator) -> None:
    trigger(shown, "daily_sales")
    expect(newest_run(shown)).to_contain_text("success", timeout=SOON_MS)
    shown.get_by_role("button", name="Stop scheduler").click()
    shown.get_by_role("button", name="Stop it").click()
    expect(shown).to_contain_text("Scheduler stopped", timeout=SOON_MS)
    expect(newest_run(shown)).to_contain_text("success")
    expect(shown.get_by_role("button", name="Trigger daily_sales")).to_be_hidden()


def test_a_scheduler_stopped_by_a_cell_is_shown_as_stopped(notebook: OpenNotebook, shown: Locator) -> None:
    notebook.run_cell(2)
    expect(shown).to_contain_text("Scheduler stopped", timeout=SOON_MS)


def test_runs_and_tasks_are_chosen_by_keyboard(shown: Locator) -> None:
    for dag in ("daily_sales", "broken"):
        trigger(shown, dag)
        expect(run_head(shown)).to_contain_text(dag, timeout=SOON_MS)
    newest_run(shown).focus()
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("Enter")
    expect(run_head(shown)).to_contain_text("daily_sales", timeout=SOON_MS)
    shown.get_by_role("button", name="extract, function").focus()
    shown.page.keyboard.press("Enter")
    expect(shown).to_contain_text("Log of extract", timeout=SOON_MS)
    shown.get_by_role("button", name="Follow the latest").click()
    expect(run_head(shown)).to_contain_text("broken", timeout=SOON_MS)


def test_times_are_the_viewers_and_the_tooltip_says_the_dags(shown: Locator) -> None:
    trigger(shown, "daily_sales")
    expect(newest_run(shown)).to_contain_text("success", timeout=SOON_MS)
    stamp = newest_run(shown).locator(".pd-mono").inner_text().removeprefix("manual-")
    instant = datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    date = newest_run(shown).locator("td").nth(3)
    expect(date).to_have_text(f"{instant.astimezone(ZoneInfo(VIEWERS_ZONE)):%H:%M} today")
    expect(date).to_have_attribute("title", re.compile(r"\(America/New_York\)\n.*\(Europe/Warsaw\)$"))
    expect(date).to_have_attribute(
        "title", re.compile(f"{instant.astimezone(ZoneInfo('Europe/Warsaw')):%H:%M:%S}")
    )


def test_markup_from_a_task_is_shown_as_text(notebook: OpenNotebook, shown: Locator) -> None:
    notebook.execute(f"scheduler.trigger('broken', params={{'text': {HOSTILE!r}}})")
    open_tab(shown, "Run")
    expect(shown.locator(".pd-error")).to_contain_text(f"ValueError: {HOSTILE}", timeout=SOON_MS)
    expect(shown.locator(".pd-log")).to_contain_text(HOSTILE)
    expect(shown.locator(".pd-chip")).to_contain_text("onerror")
    assert shown.locator("img, script").count() == 0
    assert notebook.page.evaluate("() => window.pwned") is None


def test_nothing_is_redrawn_that_did_not_change(notebook: OpenNotebook, shown: Locator) -> None:
    for number in range(1, 3):
        trigger(shown, "daily_sales")
        expect(newest_run(shown)).to_contain_text("success", timeout=SOON_MS)
        expect(shown.locator(".pd-runs tbody tr")).to_have_count(number, timeout=SOON_MS)
    shown.evaluate(
        "el => el.querySelectorAll('tr, .pd-node, .pd-item').forEach((one) => { one.kept = true })"
    )
    trigger(shown, "broken")
    expect(newest_run(shown)).to_contain_text("failed", timeout=SOON_MS)
    kept = "el => [...el.querySelectorAll('.pd-runs tbody tr')].map((row) => Boolean(row.kept))"
    assert shown.evaluate(kept) == [False, True, True]
    assert shown.evaluate("el => [...el.querySelectorAll('.pd-list .pd-item')].every((item) => item.kept)")


@pytest.mark.parametrize("width", [1200, 700])
def test_it_fits_the_page(notebook: OpenNotebook, shown: Locator, width: int) -> None:
    trigger(shown, "broken")
    expect(run_head(shown)).to_contain_text("failed", timeout=SOON_MS)
    notebook.page.set_viewport_size({"width": width, "height": 1200})
    for tab in shown.get_by_role("tab").all():
        tab.click()
        wider = shown.evaluate(  # in one look: parts may be drawn anew at any time
            """el => [el, ...el.querySelectorAll(".pd-panel, .pd-tiles")]
                .filter((part) => part.scrollWidth > part.clientWidth)
                .map((part) => part.className)"""
        )
        assert wider == []


def test_tabs_are_walked_with_the_arrow_keys(shown: Locator) -> None:
    tabs = {name: shown.get_by_role("tab", name=name, exact=True) for name in ("Overview", "Compare")}
    parts = {name: shown.get_by_role("tabpanel", name=name, exact=True) for name in tabs}
    tabs["Overview"].focus()
    shown.page.keyboard.press("ArrowLeft")  # round to the last one
    expect(tabs["Compare"]).to_be_focused()
    expect(parts["Compare"]).to_be_visible()
    shown.page.keyboard.press("ArrowRight")
    expect(tabs["Overview"]).to_be_focused()
    expect(parts["Overview"]).to_be_visible()
    expect(parts["Compare"]).to_be_hidden()


def test_a_saved_notebook_is_exported_with_the_state_it_was_displayed_in(
    jupyterlab: JupyterLab, notebook: OpenNotebook, shown: Locator
) -> None:
    trigger(shown, "broken")
    expect(newest_run(shown)).to_contain_text("failed", timeout=SOON_MS)
    notebook.run_cell(3)
    notebook.command("docmanager:save")
    html, _ = HTMLExporter().from_filename(str(jupyterlab.root / notebook.name))
    assert "As it was at" in html
    assert "ValueError: no good" in html


def test_an_executed_notebook_is_shown_below_its_run_and_opens_in_a_tab_of_its_own(
    notebook: OpenNotebook, shown: Locator
) -> None:
    trigger(shown, "kept")
    shown.get_by_role("button", name="notebook").click(timeout=SOON_MS)
    page = shown.frame_locator("iframe.pd-document")
    expect(page.locator("body")).to_contain_text("return sum(rows)", timeout=SOON_MS)
    shown.get_by_role("link", name="Open in a tab").click()
    expect(
        notebook.page.locator("#jp-main-dock-panel").get_by_role("tab", name="total.1.ipynb")
    ).to_be_visible(timeout=SOON_MS)


def test_an_open_file_goes_when_it_is_closed_and_when_another_run_is_chosen(shown: Locator) -> None:
    trigger(shown, "kept")
    opened = shown.locator("iframe.pd-document")
    shown.get_by_role("button", name="notebook").click(timeout=SOON_MS)
    expect(opened).to_be_visible(timeout=SOON_MS)
    shown.get_by_role("button", name="Close").click()
    expect(opened).to_be_hidden(timeout=SOON_MS)
    shown.get_by_role("button", name="notebook").click(timeout=SOON_MS)
    expect(opened).to_be_visible(timeout=SOON_MS)
    trigger(shown, "daily_sales")
    expect(opened).to_be_hidden(timeout=SOON_MS)


def test_the_path_of_a_file_out_of_the_servers_reach_can_be_copied(
    jupyterlab: JupyterLab, page: Page, tmp_path: Path
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = jupyterlab.open(page, jupyterlab.write(f"{tmp_path.name}.ipynb", [setup(str(tmp_path))]))
    opened.run_cell(0)
    trigger(opened.dashboard(), "kept")
    opened.dashboard().get_by_role("button", name="notebook").click(timeout=SOON_MS)
    expect(opened.dashboard().get_by_role("link", name="Open in a tab")).to_be_hidden()
    opened.dashboard().get_by_role("button", name="Copy path").click()
    expect(opened.dashboard()).to_contain_text("Copied")
    copied = Path(page.evaluate("() => navigator.clipboard.readText()"))
    assert copied.is_file()
    assert copied.name == "total.1.ipynb"
    opened.shut_down_kernel()
