"""What browser tests share: one JupyterLab and one Chromium for all, a page and a folder for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.lab import JupyterLab, running_browser, running_lab

#: Not the zone of this machine, nor that of a DAG.
VIEWERS_ZONE = "America/New_York"


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """A real JupyterLab with an empty root."""
    with running_lab(tmp_path_factory.mktemp("lab-root"), tmp_path_factory.mktemp("lab-own")) as lab:
        yield lab


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real headless Chromium; without one the tests fail."""
    with running_browser() as found:
        yield found


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of its own, which fails the test if a script on it raised."""
    context = browser.new_context(viewport={"width": 1200, "height": 1400}, timezone_id=VIEWERS_ZONE)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []
