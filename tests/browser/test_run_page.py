"""The page of a run in a real JupyterLab: whole stories of somebody who looks after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import JupyterLab, OpenNotebook
from tests.widgets.records import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

#: How long something may take for which a kernel is started, on a machine with other work to do.
SOON_MS = 30_000

SETUP = """
import time
from datetime import timedelta
from pathlib import Path
from ppacer_nb import DAG, task, run
from ppacer_nb.model.context import TaskContext
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import Dashboard
from tests.widgets import gate

class Shop:
    open = False

@task(executor="thread")
def extract():
    return [120, 80]

@task(executor="thread")
def total(rows):
    if not Shop.open:
        raise ValueError("the shop is closed")
    return sum(rows)

@task(executor="thread")
def report(total):
    print("total", total)

@task(executor="thread")
def sleep(seconds):
    time.sleep(seconds)

with DAG("daily_sales") as sales:
    report(total(extract()))
with DAG("slow") as slow:
    sleep(60)

@task(executor="thread", retries=1, retry_delay=0.5)
def first():
    raise ValueError("twice")

@task(executor="thread")
def step():
    pass

with DAG("wide") as wide:
    first()
    for _ in range(999):
        step()

class Talk:
    lines = 0

@task(executor="thread")
def talk(context: TaskContext, text):
    for number in range(Talk.lines):
        context.logger.info("line %d", number)
    context.logger.warning(text, extra={"where": text})
    gate.wait()
    context.logger.error("the end")
    raise ValueError(text)

with DAG("talking", params={"text": "needle"}) as talking:
    talk(text=run.params["text"])

scheduler = Scheduler(SchedulerOptions(store=Path(FOLDER) / "p.duckdb", runs_folder=Path(FOLDER) / "runs"))
for dag in (sales, slow, wide, talking):
    scheduler.register(dag.spec)
shown = Dashboard(scheduler, ["run"])
shown
"""


@pytest.fixture
def notebook(jupyterlab: JupyterLab, page: Page, tmp_path: Path) -> Iterator[OpenNotebook]:
    """Cell 0 shows the page of the latest run, 1 keeps the kernel busy."""
    cells = [f"FOLDER = {str(jupyterlab.root / tmp_path.name)!r}\n{SETUP}", "time.sleep(20)"]
    opened = jupyterlab.open(page, jupyterlab.write(f"{tmp_path.name}.ipynb", cells))
    opened.run_cell(0)
    yield opened
    opened.execute("scheduler.stop(wait=timedelta(0))")
    opened.shut_down_kernel()


@pytest.fixture
def shown(notebook: OpenNotebook) -> Locator:
    found = notebook.dashboard()
    expect(found).to_be_visible(timeout=SOON_MS)
    return found


def head(shown: Locator) -> Locator:
    return shown.locator(".pd-run > .pd-head")


def press(shown: Locator, label: str, yes: str = "") -> None:
    shown.get_by_role("button", name=label, exact=True).click(timeout=SOON_MS)
    if yes:
        shown.get_by_role("alertdialog").get_by_role("button", name=yes, exact=True).click()


def test_a_failed_run_is_steered_until_it_is_green_while_the_kernel_is_busy(
    notebook: OpenNotebook, shown: Locator
) -> None:
    notebook.execute("scheduler.trigger('daily_sales')")
    expect(head(shown)).to_contain_text("failed", timeout=SOON_MS)
    press(shown, "Restart")
    expect(shown.get_by_role("alertdialog")).to_contain_text(
        "total and report run again. 1 task that ended well stays."
    )
    expect(shown.get_by_role("button", name="Restart it")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(shown.get_by_role("alertdialog")).to_be_hidden()
    expect(shown.get_by_role("button", name="Restart", exact=True)).to_be_focused()

    notebook.execute("Shop.open = True")
    notebook.start_cell(1)
    busy = notebook.page.get_by_text("[*]:", exact=True)
    expect(busy).to_be_visible()
    press(shown, "Restart", "Restart it")
    expect(head(shown)).to_contain_text("success", timeout=SOON_MS)
    expect(shown.locator(".pd-node.ppacer-state-success")).to_have_count(3)

    shown.get_by_role("button", name="extract, function").press("Enter")
    task = shown.get_by_role("region", name="Chosen task")
    expect(task).to_contain_text("extract")
    press(task, "Run again", "Run again")
    expect(shown.locator(".pd-attempts tbody tr")).to_have_count(7, timeout=SOON_MS)
    expect(head(shown)).to_contain_text("success", timeout=SOON_MS)
    press(task, "Mark failed", "Mark it")
    expect(head(shown)).to_contain_text("failed", timeout=SOON_MS)
    expect(shown.locator(".pd-node.ppacer-state-upstream_failed")).to_have_count(2)
    expect(task.get_by_role("button", name="Mark success")).to_be_visible()
    assert task.evaluate("el => el.contains(document.activeElement)"), "the focus was lost"
    expect(busy).to_be_visible()


def test_attempts_are_shown_over_time_and_walked_by_keyboard(notebook: OpenNotebook, shown: Locator) -> None:
    notebook.execute("scheduler.trigger('slow')")
    expect(head(shown)).to_contain_text("running", timeout=SOON_MS)
    shown.get_by_role("button", name="Gantt", exact=True).click()
    bar = shown.locator(".pd-gantt-run").first
    expect(bar).to_have_class("pd-gantt-bar pd-gantt-run ppacer-state-running", timeout=SOON_MS)
    expect(bar).to_have_text("3 s", timeout=SOON_MS)  # it grows without a message from the kernel
    notebook.execute("scheduler.cancel(shown.run['id'])")

    notebook.execute("scheduler.trigger('wide')")
    rows = shown.get_by_role("listbox", name="Attempts over time").get_by_role("option")
    expect(rows.first).to_contain_text("first", timeout=SOON_MS)
    expect(head(shown)).to_contain_text("failed", timeout=60_000)
    assert rows.count() < 60, "rows out of view are drawn"
    rows.first.focus()
    shown.page.keyboard.press("End")
    last = shown.get_by_role("option", name="step_999")
    expect(last).to_be_focused()
    shown.page.keyboard.press("ArrowUp")
    expect(shown.get_by_role("option", name="step_998")).to_be_focused()
    expect(shown.get_by_role("tooltip")).to_contain_text("attempt 1 success; ")
    shown.page.keyboard.press("Home")
    expect(shown.get_by_role("tooltip")).to_contain_text("attempt 1 retried; ")
    expect(shown.locator(".pd-gantt-wait").first).to_be_attached()
    shown.page.keyboard.press("Enter")
    expect(shown.get_by_role("region", name="Chosen task")).to_contain_text("first", timeout=SOON_MS)
    expect(rows.first).to_have_attribute("aria-selected", "true", timeout=SOON_MS)


def test_a_long_log_is_followed_searched_and_read_back(notebook: OpenNotebook, shown: Locator) -> None:
    notebook.execute("Talk.lines = 2000; scheduler.trigger('talking')")
    log = shown.get_by_role("log")
    lines = log.locator(".pd-line")
    expect(lines.last).to_contain_text("needle where=needle", timeout=SOON_MS)
    assert lines.count() <= 310, "all lines are sent"
    at_end = "el => el.scrollHeight - el.scrollTop - el.clientHeight < 30"
    shown.page.wait_for_function(at_end, arg=log.element_handle())

    log.hover()
    shown.page.mouse.wheel(0, -600)
    expect(shown.get_by_role("button", name="Follow")).to_be_visible()
    notebook.execute("gate.opened.set()")
    expect(shown.get_by_role("button", name="Follow · 1 new")).to_be_visible(timeout=SOON_MS)
    assert not log.evaluate(at_end)
    shown.get_by_role("button", name="Follow").click()
    expect(shown.get_by_role("button", name="Follow")).to_be_hidden()
    shown.page.wait_for_function(at_end, arg=log.element_handle())

    before = lines.count()
    log.get_by_role("button", name="Load earlier lines").press("Enter")
    expect(lines).to_have_count(before + 1000, timeout=SOON_MS)
    numbers = lines.evaluate_all("all => all.map((line) => line.number)")
    assert numbers == sorted(set(numbers))

    search = shown.get_by_role("searchbox", name="Search the log")
    search.fill("LINE 1999")
    expect(log.locator("mark")).to_have_text(["line 1999"])
    expect(shown.get_by_role("status").filter(has_text="1 of 1")).to_be_visible()
    search.fill("needle")
    expect(shown.get_by_role("status").filter(has_text="2 of 2")).to_be_visible()
    search.press("Enter")
    expect(shown.get_by_role("status").filter(has_text="1 of 2")).to_be_visible()
    expect(log.locator("mark.pd-mark-now")).to_be_in_viewport()
    search.fill("")
    expect(log.locator("mark")).to_have_count(0)

    shown.get_by_role("button", name="Warnings", exact=True).click()
    expect(lines).to_have_count(2, timeout=SOON_MS)
    shown.get_by_role("button", name="Errors", exact=True).click()
    expect(lines).to_contain_text(["the end"], timeout=SOON_MS)


def test_whatever_a_task_says_is_shown_as_text(notebook: OpenNotebook, shown: Locator) -> None:
    notebook.execute(f"gate.opened.set(); scheduler.trigger('talking', params={{'text': {HOSTILE!r}}})")
    expect(head(shown)).to_contain_text("failed", timeout=SOON_MS)
    expect(shown.get_by_role("log")).to_contain_text(HOSTILE)
    shown.get_by_role("searchbox", name="Search the log").fill("onerror")
    expect(shown.get_by_role("log").locator("mark")).to_have_count(2)
    shown.get_by_role("button", name="talk, function").press("Enter")
    expect(shown.get_by_role("region", name="Chosen task")).to_contain_text(HOSTILE, timeout=SOON_MS)
    shown.get_by_role("button", name="Gantt", exact=True).click()
    shown.locator(".pd-gantt-row").hover()
    expect(shown.get_by_role("tooltip")).to_contain_text("talk")
    assert shown.locator("img, script").count() == 0
    assert notebook.page.evaluate("() => window.pwned") is None
