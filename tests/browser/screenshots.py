"""Pictures of every view of the dashboard: ``python -m tests.browser.screenshots FOLDER``.

Each is taken in a real JupyterLab, in its light and in its dark theme, at two widths, of a scheduler with
weeks of history and runs that fail and go on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Locator, Page, expect

from tests.browser.gallery import make_history
from tests.browser.lab import JupyterLab, OpenNotebook, Theme, running_browser, running_lab

THEMES: tuple[Theme, ...] = ("JupyterLab Light", "JupyterLab Dark")
WIDTHS = (1400, 800)
_SOON_MS = 60_000

_START = """
from pathlib import Path
from tests.browser.gallery import team_dags
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.widgets import dashboard
scheduler = Scheduler(SchedulerOptions(store=Path({store!r}), runs_folder=Path({store!r}).parent / "runs"))
for dag in team_dags():
    scheduler.register(dag.spec)
for dag_id in ("daily_sales", "hourly_metrics", "train_models"):
    scheduler.trigger(dag_id, by="ann")
dashboard(scheduler)
"""


def take(lab: JupyterLab, page: Page, folder: Path) -> None:
    """Take the pictures of a dashboard that shows the team's history, and save them in `folder`."""
    store = lab.root / "gallery.duckdb"
    make_history(store)
    opened = lab.open(page, lab.write("gallery.ipynb", [_START.format(store=str(store))]))
    opened.run_cell(0)
    shown = opened.dashboard()
    expect(shown).to_be_visible(timeout=_SOON_MS)
    expect(shown.get_by_text("failed").first).to_be_visible(timeout=_SOON_MS)
    _alone(opened)
    for theme in THEMES:
        opened.switch_theme(theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 1600})
            _each_tab(shown, folder, f"{theme.split()[-1].lower()}-{width}")
    opened.shut_down_kernel()


def _alone(opened: OpenNotebook) -> None:
    """Give the notebook the whole window, and the cell's code no room."""
    opened.command("application:set-mode", mode="single-document")
    opened.command("application:toggle-left-area")
    opened.command("notebook:hide-cell-code")


def _each_tab(shown: Locator, folder: Path, suffix: str) -> None:
    for tab in shown.get_by_role("tab").all():
        name = tab.inner_text()
        tab.click()
        shown.page.wait_for_load_state("networkidle")
        shown.page.wait_for_timeout(600)  # what the kernel sends has been drawn by then
        path = folder / f"{name.lower()}-{suffix}.png"
        shown.screenshot(path=path)
        print(path)


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as root, TemporaryDirectory() as own, running_browser() as browser:
        context = browser.new_context(viewport={"width": WIDTHS[0], "height": 1600}, device_scale_factor=2)
        with running_lab(Path(root), Path(own)) as lab:
            take(lab, context.new_page(), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
