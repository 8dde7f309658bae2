"""Whether a dashboard grows that is looked at for long: ``python -m tests.campaigns.page --minutes 30``.

A scheduler in a process of its own works steadily, and a dashboard in a real JupyterLab follows it; between
two looks another of its tabs is opened. What the page and the kernel of the dashboard take is sampled, and
after a warm-up it may not grow with the runs that went by.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle
from pathlib import Path

from playwright.sync_api import CDPSession, Locator, Page, expect

from ppacer_nb.server.address import published
from ppacer_nb.server.client import RemoteScheduler
from tests.benchmarks.table import print_table
from tests.browser.lab import JupyterLab, OpenNotebook, running_browser, running_lab
from tests.campaigns.growing import Limit, growing, growth_rows
from tests.campaigns.lives import Life
from tests.campaigns.sampling import now
from tests.campaigns.scheduler_process import STORE, UP
from tests.campaigns.soak import every_seconds, trigger_and_wait

_MB = 1e6
_SOON_MS = 60_000
_KERNEL = "[__import__('psutil').Process().memory_full_info().pss, __import__('threading').active_count()]"


@dataclass(frozen=True)
class Sample:
    """One look. Sizes are in bytes."""

    at: float  #: seconds since the first one
    runs: int  #: that have ended
    kernel: int  #: PSS of the dashboard's kernel
    threads: int  #: of the kernel
    heap: int  #: what the page's scripts hold, after a collection of garbage
    nodes: int  #: of the page's documents
    listeners: int  #: for events of the page


LIMITS: tuple[Limit[Sample], ...] = (
    Limit("memory of the kernel", lambda s: s.kernel / _MB, "MB", 6, 2),
    Limit("threads of the kernel", lambda s: s.threads, "", 1, 0.1),
    Limit("memory of the page's scripts", lambda s: s.heap / _MB, "MB", 4, 2),
    Limit("nodes of the page", lambda s: s.nodes, "", 600, 20),
    Limit("listeners of the page", lambda s: s.listeners, "", 200, 5),
)


@dataclass
class Watch:
    """A dashboard in an open notebook that follows the scheduler of another process."""

    opened: OpenNotebook
    scheduler: RemoteScheduler

    def run(self, looks: Iterator[Callable[[RemoteScheduler], None]]) -> list[Sample]:
        """Open the next tab and take a sample each time that one of `looks` returns."""
        shown = self.opened.dashboard()
        tabs = cycle(shown.get_by_role("tab").all())
        probe = self.opened.page.context.new_cdp_session(self.opened.page)
        probe.send("Performance.enable")
        samples: list[Sample] = []
        began = now()
        for look in looks:
            _open(next(tabs), shown)
            look(self.scheduler)
            samples.append(self._sample(probe, now() - began))
        return samples

    def _sample(self, probe: CDPSession, at: float) -> Sample:
        probe.send("HeapProfiler.collectGarbage")
        metrics = {
            metric["name"]: metric["value"] for metric in probe.send("Performance.getMetrics")["metrics"]
        }
        kernel, threads = self.opened.evaluate(_KERNEL)
        counts = self.scheduler.history.counts()
        return Sample(
            at,
            sum(count for state, count in counts.items() if state.is_terminal),
            kernel,
            threads,
            metrics["JSHeapUsedSize"],
            metrics["Nodes"],
            metrics["JSEventListeners"],
        )


@contextmanager
def watched(lab: JupyterLab, page: Page, load: str) -> Iterator[Watch]:
    """Run a scheduler with `load` below the root of `lab`, and open a notebook with its dashboard."""
    folder = lab.root / f"soak-{load}"
    folder.mkdir()
    life = Life(folder, load)
    life.wait_for(UP)
    address = published(folder / STORE)
    assert address is not None
    scheduler = RemoteScheduler(address)
    cell = f"from ppacer_nb.widgets import page\nshown = page({str(folder / STORE)!r})\nshown"
    opened = lab.open(page, lab.write(f"{folder.name}.ipynb", [cell]))
    opened.run_cell(0)
    expect(opened.dashboard()).to_be_visible(timeout=_SOON_MS)
    yield Watch(opened, scheduler)
    opened.shut_down_kernel()
    scheduler.stop(wait=timedelta(seconds=30))
    life.end()


def _open(tab: Locator, shown: Locator) -> None:
    tab.click()
    name = tab.inner_text()
    expect(shown.get_by_role("tab", name=name, exact=True, selected=True)).to_be_visible()


def every_runs(batch: int, samples: int) -> Iterator[Callable[[RemoteScheduler], None]]:
    """Look whenever `batch` runs more have been triggered, one after another, and have ended."""

    def look(scheduler: RemoteScheduler) -> None:
        for _ in range(batch):
            trigger_and_wait(scheduler, 1)

    yield from [look] * samples


def print_samples(samples: list[Sample], most: int = 20) -> None:
    """Print some of the samples, the last one among them, and what grew."""
    step = max(1, len(samples) // most)
    print_table(
        ("seconds", "runs", "kernel MB", "threads", "scripts MB", "nodes", "listeners"),
        [
            (
                *(f"{s.at:.0f}", str(s.runs), f"{s.kernel / _MB:.1f}", str(s.threads)),
                *(f"{s.heap / _MB:.1f}", str(s.nodes), str(s.listeners)),
            )
            for s in samples[::-1][::step][::-1]
        ],
    )
    print_table(("after the warm-up", "grew by", "may by"), growth_rows(LIMITS, samples))


def main() -> None:
    """Watch a dashboard, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    given = parser.parse_args()
    looks = 90
    with (
        tempfile.TemporaryDirectory(prefix="ppacer-page-") as root,
        tempfile.TemporaryDirectory() as own,
        running_browser() as browser,
        running_lab(Path(root), Path(own)) as lab,
        watched(lab, browser.new_page(), "steady") as watch,
    ):
        samples = watch.run(every_seconds(given.minutes * 60 / looks, looks, batch=5))
    print_samples(samples)
    found = growing(LIMITS, samples)
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
