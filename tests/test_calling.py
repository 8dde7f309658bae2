from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ppacer_nb import values
from ppacer_nb.calling import bind, call, read_secret, resolver
from ppacer_nb.errors import TaskFailed
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.placeholders import Placeholder, Secret, UpstreamResult
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.status import RunType

RUN = RunInfo("d", "d/1", RunType.MANUAL, datetime(2026, 1, 1, tzinfo=UTC), "a", 1, {"city": "Gdansk"})
CONTEXT = TaskContext(RUN, logging.getLogger("test"), lambda _: None)


def test_everything_a_task_was_given_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_URL", "duckdb://")
    inputs = {"rows": values.dump([1, 2], Path("unused"))}
    args, kwargs = bind(
        (UpstreamResult("rows"), {"url": Secret("DB_URL")}),
        {"city": Placeholder("params", "city"), "plain": 1},
        resolver(RUN, inputs),
        "ctx",
        CONTEXT,
    )
    assert args == ([1, 2], {"url": "duckdb://"})
    assert kwargs == {"city": "Gdansk", "plain": 1, "ctx": CONTEXT}


def test_a_context_of_the_callers_own_is_left_alone() -> None:
    assert bind((), {"ctx": "mine"}, resolver(RUN, {}), "ctx", CONTEXT) == ((), {"ctx": "mine"})


def test_a_result_is_loaded_once_and_shared() -> None:
    resolve = resolver(RUN, {"rows": values.dump([1], Path("unused"))})
    assert resolve(UpstreamResult("rows")) is resolve(UpstreamResult("rows"))


def test_the_result_of_a_task_that_did_not_succeed_is_none() -> None:
    assert resolver(RUN, {})(UpstreamResult("failed")) is None


def test_a_secret_that_is_not_set_fails_the_task_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DB_URL", raising=False)
    with pytest.raises(TaskFailed, match="'DB_URL' is not set: export the environment variable DB_URL"):
        read_secret("DB_URL")


async def _later(x: int) -> int:
    return x + 1


class _Awaitable:
    def __await__(self) -> Any:
        return _later(41).__await__()


def test_coroutines_are_run_to_their_end() -> None:
    assert call(_later, (1,), {}) == 2
    assert call(lambda: _Awaitable(), (), {}) == 42
    assert call(sorted, ([2, 1],), {"reverse": True}) == [2, 1]
