"""What goes between a scheduler and its clients."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.server.wire import decode, encode, tagged, untagged


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text()
        | st.dates()
        | st.times()
        | st.timedeltas()
        | st.datetimes(timezones=st.none() | st.sampled_from([UTC, ZoneInfo("Europe/Warsaw")]))
        | st.frozensets(st.integers(0, 9)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(inner)
            | st.dictionaries(
                st.text() | st.sampled_from(["$date", "$"]) | st.integers(0, 9), inner, max_size=3
            )
        ),
    )
)
def test_what_goes_over_the_wire_arrives_as_it_was(value: object) -> None:
    arrived = untagged(decode(encode(tagged(value)), Any))
    assert arrived == value
    assert type(arrived) is type(value)


def test_a_mark_before_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\$date cannot be read"):
        untagged({"$date": "tomorrow"})
