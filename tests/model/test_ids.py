from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.errors import InvalidId
from ppacer_nb.model.ids import MAX_ID_BYTES, check_id, dag_id_of, run_id_of
from ppacer_nb.status import RunType


@pytest.mark.parametrize("id", ["a", "daily_sales", "Łódź-2.1", "_x", "9to5", "x" * 120])
def test_good_ids(id: str) -> None:
    assert check_id(id, what="DAG") == id


@pytest.mark.parametrize(
    ("id", "names"),
    [
        ("", "non-empty"),
        (None, "None"),
        (5, "5"),
        ("a b", "letters, digits"),
        ("../x", "letters, digits"),
        ("a/b", "letters, digits"),
        (".hidden", "starts with"),
        ("-rf", "starts with"),
        ("a\n", "letters, digits"),
        ("a\x00", "letters, digits"),
        ("x" * 121, "over 120 bytes"),
        ("ż" * 61, "over 120 bytes"),
    ],
)
def test_bad_ids_are_refused_with_a_sentence_that_names_them(id: object, names: str) -> None:
    with pytest.raises(InvalidId, match=names) as caught:
        check_id(id, what="task")
    assert "task" in str(caught.value)
    assert len(str(caught.value)) < 250


@given(st.text(max_size=MAX_ID_BYTES))
def test_an_id_that_passes_names_one_file(id: str) -> None:
    try:
        check_id(id, what="DAG")
    except InvalidId:
        return
    assert "/" not in id
    assert "\\" not in id
    assert not id.startswith(".")
    assert len(f"{id}.999.value.pkl".encode()) <= 255


def test_a_run_id_is_the_instant_in_utc_however_it_was_written() -> None:
    utc = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
    written = [utc, utc.astimezone(ZoneInfo("Europe/Warsaw")), utc.astimezone(timezone(timedelta(hours=-7)))]
    ids = {run_id_of("sales", RunType.SCHEDULED, moment) for moment in written}
    assert ids == {"sales/scheduled-20261123T051500Z"}


def test_a_run_id_is_exact_to_the_microsecond() -> None:
    moment = datetime(2026, 11, 23, 5, 15, 0, 42, tzinfo=UTC)
    assert run_id_of("sales", RunType.MANUAL, moment) == "sales/manual-20261123T051500.000042Z"


def test_the_two_half_past_twos_of_the_night_the_clocks_go_back_are_two_runs() -> None:
    warsaw = ZoneInfo("Europe/Warsaw")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=warsaw)
    ids = {run_id_of("d", RunType.SCHEDULED, first.replace(fold=fold)) for fold in (0, 1)}
    assert len(ids) == 2


def test_the_dag_within_a_run_id() -> None:
    assert dag_id_of("sales/scheduled-20261123T051500Z") == "sales"
