"""What a viewer waits for: ``python -m tests.benchmarks.bench_dashboard``, about two minutes.

A dashboard in a real JupyterLab, in a headless Chromium. From a change of state to its pixels is from the
time of the event, as the log has it, to the frame in which the page shows it. Opening a store is from the
start of the cell to the frame that shows the latest runs, in a kernel that has nothing imported.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests.benchmarks.big_store import make_big_store
from tests.benchmarks.table import print_table
from tests.browser.cells import STOP, setup
from tests.browser.lab import JupyterLab, running_browser, running_lab

CHANGES, OPENINGS, RUNS = 30, 5, 1_000_000

Row = tuple[str, str, str]

#: Resolves to the time (ms since 1970) of the frame in which `look` of the page has come true.
_SEEN = """
look => new Promise(resolve => {
    const isTrue = new Function(`return ${look.trim()}`);
    const check = () => { if (isTrue()) { watching.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(Date.now()))); } };
    const watching = new MutationObserver(check);
    const all = { subtree: true, childList: true, characterData: true, attributes: true };
    watching.observe(document.body, all);
    check();
})
"""
_COUNTED = """
[...document.querySelectorAll(".pd [aria-label=Counters]")].some((c) => c.textContent.includes("success{}"))
"""
_RUNS_SHOWN = "document.querySelectorAll('.pd-runs tbody tr').length > 5"
_ENDED = (
    "scheduler.history.sql(\"SELECT epoch_ms(max(ts)) FROM events WHERE kind = 'run' AND state = 'success'\")"
    ".rows[0][0]"
)


def main() -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as root,
        tempfile.TemporaryDirectory() as own,
        running_browser() as browser,
        running_lab(Path(root), Path(own)) as lab,
    ):
        rows = [*changes(lab, browser.new_page()), opening(lab, browser.new_page())]
    print_table(("work", "measured", "at most"), rows)


def changes(lab: JupyterLab, page: Page) -> Iterator[Row]:
    """A run of two tasks ends, again and again."""
    notebook = lab.open(page, lab.write("changes.ipynb", [setup(str(lab.root / "changes")), STOP]))
    notebook.run_cell(0)
    notebook.dashboard().wait_for()
    waits = []
    for number in range(1, CHANGES + 1):
        with seen(page, _COUNTED.format(number)) as frame:
            notebook.execute("scheduler.trigger('daily_sales')")
        waits.append(frame[0] - notebook.evaluate(_ENDED))
    notebook.run_cell(1)
    notebook.shut_down_kernel()
    deciles = statistics.quantiles(waits, n=10)
    yield "a run's end to its pixels, median", f"{statistics.median(waits):.0f} ms", "300 ms"
    yield "the same, nine in ten", f"{deciles[-1]:.0f} ms", ""


def opening(lab: JupyterLab, page: Page) -> Row:
    """Open the dashboard of a store that holds many runs, each time in a new kernel."""
    make_big_store(lab.root / "big.duckdb", RUNS)
    cell = f"from ppacer_nb.widgets import page\npage({str(lab.root / 'big.duckdb')!r})"
    waits = []
    for number in range(OPENINGS):
        notebook = lab.open(page, lab.write(f"opening{number}.ipynb", [cell]))
        began = page.evaluate("() => Date.now()")
        with seen(page, _RUNS_SHOWN) as frame:
            notebook.start_cell(0)
        waits.append(frame[0] - began)
        notebook.shut_down_kernel()
    return f"open a store of {RUNS:,} runs, median", f"{statistics.median(waits):.0f} ms", "1,500 ms"


@contextmanager
def seen(page: Page, look: str) -> Iterator[list[int]]:
    """Begin to watch, do what is in the block, and wait; put the time of the frame into what it yields."""
    page.evaluate(f"look => {{ window.seen = ({_SEEN})(look) }}", look)
    frame: list[int] = []
    yield frame
    frame.append(page.evaluate("() => window.seen"))


if __name__ == "__main__":
    main()
