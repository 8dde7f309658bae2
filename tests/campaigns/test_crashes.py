"""The short form of the crash campaign; the full one is ``python -m tests.campaigns.crashes``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.crashes import Campaign

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
