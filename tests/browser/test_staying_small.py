"""The short form of the campaign that watches a dashboard (the full: ``python -m tests.campaigns.page``)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page

from tests.browser.lab import JupyterLab
from tests.campaigns.growing import growing
from tests.campaigns.page import LIMITS, Sample, every_runs, print_samples, watched

STEADY = Sample(0, 0, 120_000_000, 12, 60_000_000, 9_000, 2_000)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_dashboard_does_not_grow_with_the_runs_that_go_by(jupyterlab: JupyterLab, page: Page) -> None:
    with watched(jupyterlab, page, "small") as watch:
        samples = watch.run(every_runs(12, 20))
    print_samples(samples)
    assert growing(LIMITS, samples) == []
    assert samples[-1].runs == 240


@pytest.mark.parametrize(
    ("field", "size", "name"),
    [
        ("kernel", 80_000, "memory of the kernel"),
        ("threads", 0.05, "threads of the kernel"),
        ("heap", 60_000, "memory of the page's scripts"),
        ("nodes", 10, "nodes of the page"),
        ("listeners", 5, "listeners of the page"),
    ],
)
def test_it_sees_what_grows_with_each_run(field: str, size: float, name: str) -> None:
    samples = [
        replace(STEADY, runs=runs, **{field: getattr(STEADY, field) + round(size * runs)})
        for runs in range(0, 240, 12)
    ]
    (sentence,) = growing(LIMITS, samples)
    assert sentence.startswith(f"{name} has grown")
