"""The thread that brings a dashboard up to date."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from queue import Queue

import pytest

from ppacer_nb.widgets.updater import EVERYTHING, REST_S, News, Updater

WAIT_S = 10.0


class Looks:
    """An updater, and what each of its looks was told."""

    def __init__(self) -> None:
        self.seen: Queue[tuple[float, News]] = Queue()
        self.fails = False
        self.updater = Updater(self._look)

    def _look(self, news: News) -> None:
        self.seen.put((time.monotonic(), news))
        if self.fails:
            raise RuntimeError("a defect")

    def next(self) -> News:
        return self.seen.get(timeout=WAIT_S)[1]


@pytest.fixture
def looks() -> Iterator[Looks]:
    found = Looks()
    yield found
    found.updater.close()


def test_a_change_is_looked_at_soon_and_once_more_when_it_is_on_disk_for_certain(looks: Looks) -> None:
    told = time.monotonic()
    looks.updater.tell(frozenset({"sales/1"}))
    at, news = looks.seen.get(timeout=WAIT_S)
    assert news == frozenset({"sales/1"})
    assert at - told < REST_S
    assert looks.next() == frozenset({"sales/1"})


def test_after_that_it_rests_until_there_is_news(looks: Looks) -> None:
    looks.updater.tell(frozenset({"sales/1"}))
    looks.next()
    looks.next()
    looks.updater.tell(frozenset({"sales/2"}))
    assert looks.next() == frozenset({"sales/2"}), "another look without news came before"


def test_a_burst_is_one_look_and_the_rate_is_bounded(looks: Looks) -> None:
    for number in range(1000):
        looks.updater.tell(frozenset({f"sales/{number}"}))
    first, news = looks.seen.get(timeout=WAIT_S)
    second, rest = looks.seen.get(timeout=WAIT_S)
    assert news is not None
    assert rest is not None
    assert len(news | rest) == 1000
    assert second - first >= REST_S


def test_news_of_everything_takes_in_all_other_news(looks: Looks) -> None:
    looks.updater.tell(frozenset({"sales/1"}))
    looks.updater.tell(EVERYTHING)
    assert EVERYTHING in (looks.next(), looks.next())


def test_a_look_that_fails_does_not_end_the_next(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    looks.fails = True
    with caplog.at_level(logging.ERROR):
        looks.updater.tell(frozenset({"sales/1"}))
        looks.next()
        looks.next()
    assert "could not be brought up to date" in caplog.text


def test_closing_ends_the_thread_even_in_its_rest(looks: Looks) -> None:
    looks.updater.tell(frozenset({"sales/1"}))
    looks.next()
    looks.updater.close()
    assert "ppacer-dashboard" not in [thread.name for thread in threading.enumerate()]
