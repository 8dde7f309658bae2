"""The switch interval of a process with a scheduler in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from ppacer_nb.scheduler.turns import INTERVAL, short_turns


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    found = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield
    sys.setswitchinterval(found)


def test_turns_are_short_while_a_scheduler_runs(tmp_path: Path) -> None:
    scheduler = Scheduler(SchedulerOptions(store=None, runs_folder=tmp_path))
    scheduler.flush()
    assert sys.getswitchinterval() == pytest.approx(INTERVAL)
    scheduler.stop(wait=timedelta(0))
    assert sys.getswitchinterval() == pytest.approx(0.005)


def test_they_are_short_until_the_last_scheduler_has_ended() -> None:
    with short_turns():
        with short_turns():
            pass
        assert sys.getswitchinterval() == pytest.approx(INTERVAL)
    assert sys.getswitchinterval() == pytest.approx(0.005)


def test_what_somebody_sets_stays() -> None:
    with short_turns():
        sys.setswitchinterval(0.002)
    assert sys.getswitchinterval() == pytest.approx(0.002)


def test_shorter_ones_stay() -> None:
    sys.setswitchinterval(0.0005)
    with short_turns():
        assert sys.getswitchinterval() == pytest.approx(0.0005)
    assert sys.getswitchinterval() == pytest.approx(0.0005)
