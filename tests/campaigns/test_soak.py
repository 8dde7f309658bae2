"""The short form of the soak (the full: ``python -m tests.campaigns.soak``), and that it sees growth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaigns.growing import growing
from tests.campaigns.sampling import Sample
from tests.campaigns.soak import LIMITS, Soak, every_runs, print_samples, print_summary

STEADY = Sample(0, 0, 80_000_000, 200_000_000, 5_000_000, 20, 15, 5, 1_000_000, 0)


@pytest.mark.timeout(300)
def test_a_scheduler_does_not_grow_with_the_runs_that_it_has_behind_it(tmp_path: Path) -> None:
    soak = Soak(tmp_path, "small")
    soak.run(every_runs(100, 20))
    print_samples(soak)
    print_summary(soak)
    assert growing(LIMITS, soak.samples) == []
    assert soak.samples[-1].runs == 2000


@pytest.mark.parametrize(
    ("leaks", "name"),
    [
        ({"own_memory": 30_000, "memory": 30_000}, "memory of the scheduler"),
        ({"memory": 20_000}, "memory of the other processes"),
        ({"threads": 0.01}, "threads"),
        ({"files": 0.01}, "file descriptors"),
        ({"processes": 0.01}, "processes"),
    ],
)
def test_a_soak_sees_what_grows_with_each_run(leaks: dict[str, float], name: str) -> None:
    samples = [
        replace(
            STEADY,
            runs=runs,
            **{field: getattr(STEADY, field) + round(size * runs) for field, size in leaks.items()},
        )
        for runs in range(0, 2001, 100)
    ]
    (sentence,) = growing(LIMITS, samples)
    assert sentence.startswith(f"{name} has grown")
