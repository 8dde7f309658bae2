"""What all tests share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The machine is shared, so no example has a deadline; the same examples every time, so no run is a lottery.
settings.register_profile("ppacer", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("ppacer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in a browser last: from the first one on, Playwright's event loop runs in this thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True, scope="session")
def _no_test_touches_the_users_profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels that are killed together would leave IPython's history of the user damaged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield


@pytest.fixture(autouse=True)
def _process_is_left_as_it_was() -> Iterator[None]:
    """Whatever a test started has given back the streams and the root logger when it ends."""
    before = sys.stdout, sys.stderr, list(logging.getLogger().handlers)
    yield
    assert (sys.stdout, sys.stderr, list(logging.getLogger().handlers)) == before
