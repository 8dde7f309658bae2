"""The overview, the table of runs, the page of a DAG and the comparison in a real JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import JupyterLab, OpenNotebook
from tests.widgets.records import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SOON_MS = 30_000

_SETUP = """
import asyncio
from datetime import timedelta
from pathlib import Path
from ppacer_nb import DAG, run, task
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import dashboard

class Mood:
    is_good = False

@task(executor="thread")
def price(n):
    return n

@task(executor="thread")
def check(n, text):
    if not Mood.is_good:
        raise ValueError(text)
    return n

with DAG("daily", schedule="15 6 * * *", tags=["money"], description=HOSTILE,
         params={"n": 3, "text": HOSTILE}) as daily:
    check(price(run.params["n"]), run.params["text"])
with DAG("hourly", schedule="@hourly", tags=[HOSTILE]) as hourly:
    price(1)

scheduler = Scheduler(SchedulerOptions(store=Path(FOLDER) / "p.duckdb", runs_folder=Path(FOLDER) / "runs"))
for dag in (daily, hourly):
    scheduler.register(dag.spec)
ends = [scheduler.trigger_run("hourly")[1] for _ in range(120)] + [scheduler.trigger_run("daily")[1]]
for end in ends:
    end.result(60)
scheduler.flush()
dashboard(scheduler)
"""


@pytest.fixture
def notebook(jupyterlab: JupyterLab, page: Page, tmp_path: Path) -> Iterator[OpenNotebook]:
    folder = jupyterlab.root / tmp_path.name
    cell = f"FOLDER, HOSTILE = {str(folder)!r}, {HOSTILE!r}\n{_SETUP}"
    opened = jupyterlab.open(page, jupyterlab.write(f"{tmp_path.name}.ipynb", [cell]))
    opened.run_cell(0)
    yield opened
    opened.shut_down_kernel()


@pytest.fixture
def shown(notebook: OpenNotebook) -> Locator:
    found = notebook.dashboard()
    expect(found).to_be_visible(timeout=SOON_MS)
    return found


def open_tab(shown: Locator, name: str) -> Locator:
    shown.get_by_role("tab", name=name, exact=True).click()
    return shown.get_by_role("tabpanel", name=name, exact=True)


def test_what_failed_is_restarted_from_the_overview_and_compared_with_what_came_after(
    notebook: OpenNotebook, shown: Locator
) -> None:
    failed = shown.get_by_role("list", name="Failed lately")
    expect(failed.get_by_role("listitem")).to_have_count(1, timeout=SOON_MS)
    expect(failed).to_contain_text(f"check: ValueError: {HOSTILE}")
    expect(shown.get_by_role("list", name="Coming next").get_by_role("listitem")).to_have_count(8)
    expect(shown.get_by_role("img", name="121 ended, 99% well")).to_be_visible()
    notebook.execute("Mood.is_good = True")
    failed.get_by_role("button", name="Restart daily/").click()
    expect(shown.get_by_text("Nothing failed in the last seven days.")).to_be_visible(timeout=SOON_MS)

    notebook.execute("scheduler.trigger_run('daily', params={'n': 4})[1].result(60); scheduler.flush()")
    both = open_tab(shown, "Compare")
    expect(both.get_by_role("table").get_by_role("row")).to_have_count(3, timeout=SOON_MS)
    expect(both).to_contain_text("n: 3 → 4")
    expect(both).to_contain_text("Both ran the same version")
    assert notebook.page.evaluate("() => window.pwned") is None
    assert shown.locator("img, script").count() == 0


def test_a_large_history_is_filtered_sorted_and_paged_through(notebook: OpenNotebook, shown: Locator) -> None:
    found = open_tab(shown, "Runs")
    rows = found.locator("tbody tr")
    expect(rows).to_have_count(50, timeout=SOON_MS)
    expect(found.get_by_role("status")).to_have_text("1–50 of more")
    for expected in ("51–100 of more", "101–121"):
        found.get_by_role("button", name="Next").click()
        expect(found.get_by_role("status")).to_have_text(expected, timeout=SOON_MS)
    found.get_by_role("combobox", name="State").select_option("failed")
    expect(rows).to_have_count(1, timeout=SOON_MS)
    expect(rows).to_contain_text("daily")
    found.get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(50, timeout=SOON_MS)
    found.get_by_role("combobox", name="Tag").select_option("money")
    expect(rows).to_have_count(1, timeout=SOON_MS)
    found.get_by_role("button", name="Clear").click()
    found.get_by_placeholder("in the run's id").fill("DAILY/")
    expect(rows).to_have_count(1, timeout=SOON_MS)
    found.get_by_role("button", name="Clear").click()
    found.get_by_role("button", name="Sort by Run").click()
    expect(rows.first).to_contain_text("daily", timeout=SOON_MS)
    rows.first.focus()
    shown.page.keyboard.press("Enter")
    expect(shown.locator(".pd-run > .pd-head")).to_contain_text("daily", timeout=SOON_MS)
    assert notebook.page.evaluate("() => window.pwned") is None


def test_a_dag_is_paused_triggered_by_its_form_and_backfilled(notebook: OpenNotebook, shown: Locator) -> None:
    notebook.execute("Mood.is_good = True")
    dag = open_tab(shown, "DAGs")
    expect(dag).to_contain_text("at 06:15, every day", timeout=SOON_MS)
    expect(dag).to_contain_text(HOSTILE)
    pause = dag.get_by_role("switch")
    pause.click()
    expect(pause).to_have_attribute("aria-checked", "false", timeout=SOON_MS)
    pause.click()
    expect(pause).to_have_attribute("aria-checked", "true", timeout=SOON_MS)

    dag.get_by_role("button", name="Trigger with parameters").click()
    number = dag.get_by_label("n", exact=True)
    number.fill("2.5")
    dag.get_by_role("button", name="Run it").click()
    expect(dag.locator(".pd-problem").filter(has_text="whole number").first).to_be_visible(timeout=SOON_MS)
    number.fill("7")
    dag.get_by_role("button", name="Run it").click()
    expect(shown.locator(".pd-run > .pd-head")).to_contain_text("n = 7", timeout=SOON_MS)

    dag = open_tab(shown, "DAGs")
    dag.get_by_role("button", name="Backfill…").click()
    dag.get_by_label("first date").fill("2026-11-02")
    dag.get_by_label("last date").fill("2026-11-04")
    dag.get_by_role("button", name="Preview").click()
    expect(dag).to_contain_text("3 runs, 1 at a time", timeout=SOON_MS)
    dag.get_by_role("button", name="Start").click()
    expect(dag.get_by_role("list", name="Backfills")).to_contain_text(
        "finished: 3 of 3 runs", timeout=SOON_MS
    )

    grid = dag.get_by_role("grid")
    expect(grid).to_be_visible(timeout=SOON_MS)
    assert notebook.page.evaluate("() => window.pwned") is None
    assert shown.locator("img, script").count() == 0
