from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from ppacer_nb.model.notification import Notification, NotificationKind
from ppacer_nb.notify import Notifier, log_receiver

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)


def notification(text: str = "task a failed", kind: NotificationKind = "failure") -> Notification:
    return Notification(T0, kind, "d/1", "a", 1, text)


def test_every_receiver_gets_every_notification_in_order() -> None:
    first: list[Notification] = []
    second: list[Notification] = []
    sent: list[tuple[Notification, str]] = []
    notifier = Notifier([first.append, second.append], lambda n, problems: sent.append((n, problems)))
    all_of_them = [notification(str(number)) for number in range(5)]
    for each in all_of_them:
        notifier.send(each)
    notifier.close()
    assert first == second == all_of_them
    assert sent == [(each, "") for each in all_of_them]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_receiver_that_raises_is_noted_and_stands_in_nobodys_way(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Notification) -> None:
        raise error("no network")

    got: list[Notification] = []
    sent: list[str] = []
    notifier = Notifier([broken, got.append], lambda _, problems: sent.append(problems))
    notifier.send(notification())
    notifier.send(notification())
    notifier.close()
    assert len(got) == 2
    assert len(sent) == 2
    assert sent[0].endswith(f"broken: {error.__name__}: no network")
    assert f"receiver {broken.__qualname__} raised {error.__name__}: no network" in caplog.text


def test_sending_does_not_wait_for_a_receiver_that_blocks() -> None:
    blocked, go = threading.Event(), threading.Event()

    def slow(_: Notification) -> None:
        blocked.set()
        assert go.wait(20)

    sent: list[str] = []
    notifier = Notifier([slow], lambda _, problems: sent.append(problems))
    notifier.send(notification())
    assert blocked.wait(20)
    notifier.send(notification())
    assert sent == []
    go.set()
    notifier.close()
    assert sent == ["", ""]


def test_closing_gives_up_on_a_receiver_that_never_returns(caplog: pytest.LogCaptureFixture) -> None:
    go = threading.Event()

    def stuck(_: Notification) -> None:
        assert go.wait(20)

    notifier = Notifier([stuck], lambda *_: None)
    notifier.send(notification())
    notifier.close(patience=timedelta(0))
    assert "a notification receiver has not returned" in caplog.text
    go.set()


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("failure", logging.ERROR),
        ("retry", logging.WARNING),
        ("success", logging.INFO),
        ("message", logging.INFO),
    ],
)
def test_the_log_receiver_logs_by_kind(
    kind: NotificationKind, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "ppacer_nb"):
        log_receiver(notification("100% of it", kind))
    assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [
        ("ppacer_nb", level, "ppacer: 100% of it")
    ]
