from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ppacer_nb.errors import SchedulerError
from ppacer_nb.testing import Does, World, dag_spec, simulated
from tests.engine.bench import Every
from tests.test_exported_names import HEAVY

T0 = datetime(2027, 3, 1, tzinfo=UTC)


def test_the_fixture_makes_a_world_that_outlives_its_scheduler(ppacer_world: Callable[..., World]) -> None:
    world = ppacer_world(T0)
    dag = dag_spec("d", "a", schedule=Every(3600))
    world.register(dag)
    world.advance("2h30m")
    world.restart(down_for="5h")
    assert world.clock.now() == datetime(2027, 3, 1, 7, 30, tzinfo=UTC)
    world.register(dag)
    world.advance("1h")
    rows = world.scheduler.history.sql("SELECT event, points FROM schedule_events ORDER BY seq").rows
    assert rows == [*[("regular", 1)] * 3, ("skipped", 5), ("regular", 1)]  # at a quarter past


def test_what_ran_when_the_scheduler_stopped_goes_on_under_the_next(
    ppacer_world: Callable[..., World],
) -> None:
    world = ppacer_world(T0, max_workers=1)
    world.script["a"] = Does(after="5m")
    world.register(dag_spec("d", "a", schedule=Every(3600)))
    world.advance("16m")
    world.restart(down_for="1d")
    assert [run.state for run in world.scheduler.history.runs()] == ["queued"]
    world.register(dag_spec("d", "a", schedule=Every(3600)))
    world.advance("5m")
    assert world.scheduler.history.runs()[-1].state == "success"


def test_a_world_in_memory_cannot_be_restarted() -> None:
    with simulated(T0) as world, pytest.raises(SchedulerError, match="give simulated"):
        world.restart(down_for="1d")


def test_a_pytest_of_somebody_else_finds_the_fixture_and_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "def test_light():\n"
        f"    assert not [name for name in {HEAVY!r} if name in sys.modules]\n"
        "def test_world(ppacer_world):\n"
        "    assert ppacer_world(datetime(2027, 3, 1, tzinfo=UTC)).started == []\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_it.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
