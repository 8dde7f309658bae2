"""What pytest finds by itself where ppacer_nb is installed: the fixture `ppacer_world`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ppacer_nb.testing import World


@pytest.fixture
def ppacer_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a real scheduler in simulated time: ``world = ppacer_world(datetime(2027, 3, 1, tzinfo=UTC))``.

    See `ppacer_nb.testing.simulated` for what else it takes. Its history is a file in the test's
    `tmp_path`, so that it can be restarted, and it is stopped when the test ends.
    """
    # Not at the top: every pytest that finds this module would load DuckDB.
    from ppacer_nb.testing import simulated

    with ExitStack() as worlds:

        def make(start: datetime, **options: Any) -> World:
            places = {"store": tmp_path / "ppacer.duckdb", "runs_folder": tmp_path / "runs"}
            return worlds.enter_context(simulated(start, **{**places, **options}))

        yield make
