"""Which lines of a log are as grave as asked for."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ppacer_nb.errors import InvalidOption
from ppacer_nb.model.log_levels import LEAST, levels_below


def test_the_graver_the_fewer() -> None:
    assert list(LEAST) == ["debug", "info", "warning", "error"]
    for less, more in pairwise(LEAST):
        assert set(levels_below(less)) < set(levels_below(more))


def test_another_word_is_refused() -> None:
    with pytest.raises(InvalidOption, match="from debug, info, warning, error on, not 'trace'"):
        levels_below("trace")
