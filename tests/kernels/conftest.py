"""One executor for all tests of this folder: its runners are started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ppacer_nb.kernels.provisioner import shared_server
from tests.kernels.lab import Lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    yield shared_lab
    shared_lab.clear()


@pytest.fixture(scope="package")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


@pytest.fixture(scope="package", autouse=True)
def _fork_server_of_this_process_ends() -> Iterator[None]:
    """Other tests count the processes that this one has started."""
    yield
    shared_server().close()
