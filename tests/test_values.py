from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppacer_nb.errors import ValueNotPicklable
from ppacer_nb.values import INLINE_BYTES, dump, load, make_durable, preview, write_whole


@given(st.recursive(st.none() | st.floats(allow_nan=False) | st.text() | st.binary(), st.lists))
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert load(dump(value, Path("unused"))) == value


def test_a_value_that_only_cloudpickle_carries() -> None:
    assert load(dump(lambda x: x + 1, Path("unused")))(1) == 2


def test_what_comes_back_is_a_copy_of_its_own() -> None:
    value = dump([1], Path("unused"))
    load(value).append(2)
    assert load(value) == [1]


def test_small_values_are_carried_along_and_large_ones_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "a.1.value.pkl"
    small, large = dump("x", path), dump("x" * INLINE_BYTES, path)
    assert (small.path, large.data, large.path) == (None, None, path)
    assert large.size == path.stat().st_size > INLINE_BYTES
    assert load(large) == "x" * INLINE_BYTES
    assert (large.type_name, large.preview[:4]) == ("str", "'xxx")
    assert len(large.preview) <= 200
    assert [file.name for file in path.parent.iterdir()] == ["a.1.value.pkl"]


class Refuses:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error

    def __repr__(self) -> str:
        raise self.error


@pytest.mark.parametrize("value", [threading.Lock(), (i for i in range(3)), Refuses(KeyError("own"))])
def test_what_cannot_be_pickled_is_refused_with_its_type_and_the_mend(value: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ValueNotPicklable, match=f"{type(value).__qualname__!r} cannot be handed on.*return plain"
    ):
        dump(value, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_preview_is_short_and_never_raises() -> None:
    assert preview({"a": 1}) == "{'a': 1}"
    assert len(preview("x" * 10**6)) <= 200
    assert preview([1] * 10).endswith("1, ...]")
    nested: Any = "x" * 100
    for _ in range(6):
        nested = [nested] * 6
    assert len(preview(nested)) <= 200
    assert "Refuses" in preview(Refuses(KeyError("own")))
    posing = type("list", (), {"__len__": lambda _: 1 // 0})()
    assert preview(posing) == "<list whose repr raised ZeroDivisionError>"


def test_a_file_that_could_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "x", b"data")
    assert list(tmp_path.iterdir()) == []


def test_only_a_durable_file_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda number: synced.append(os.fstat(number).st_ino))
    write_whole(tmp_path / "passing", b"data", durable=False)
    assert synced == []
    make_durable(tmp_path / "passing")
    write_whole(tmp_path / "kept", b"data")
    assert synced == [(tmp_path / name).stat().st_ino for name in ("passing", "kept")]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"old" * 100)
    write_whole(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
