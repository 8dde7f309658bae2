"""The short form of the crash campaign; the full one is ``python -m tests.campaigns.crashes``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.crashes import Campaign
from tests.campaigns.lives import Life
from tests.campaigns.scheduler_process import OPENING, STORE, UP

KILLS = 20


@pytest.mark.timeout(300)
def test_schedulers_that_are_killed_lose_nothing_double_nothing_and_end_all_runs(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, seed=1, kernels=False)
    while campaign.kills < KILLS:
        campaign.kill_one()
    campaign.finish()
    assert str(campaign.findings) == ""
    assert len(campaign.known.runs) > KILLS  # or there was nothing to lose
    assert any(row.state == "interrupted" for row in campaign.known.rows)


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_scheduler_killed_while_it_makes_its_store_leaves_none_that_cannot_be_opened(
    tmp_path: Path, writes: int
) -> None:
    life = Life(tmp_path, "small")
    life.wait_for(OPENING)
    life.watch.has_changed(STORE, writes, 1.0, until=life.ending)  # a whole one is not written before its end
    life.kill()
    again = Life(tmp_path, "small")
    again.wait_for(UP)
    again.kill()
    assert again.was_up, again.words
