"""Handing notifications to receivers, without holding up the scheduler or failing a run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from queue import SimpleQueue

from ppacer_nb.model.notification import Notification

#: Anything that takes a notification: it may block, and may raise.
Receiver = Callable[[Notification], None]
Sent = Callable[[Notification, str], None]

#: How long a stopping scheduler waits for receivers that still work.
PATIENCE = timedelta(seconds=10)

_log = logging.getLogger("ppacer_nb")
_LEVELS = {"failure": logging.ERROR, "retry": logging.WARNING}


def log_receiver(notification: Notification) -> None:
    """Log to the logger ``ppacer_nb``: failures as errors, retries as warnings, the rest as info.

    What is about the run history itself is left out: the scheduler logs that, whoever its receivers are.
    """
    if not notification.run_id:
        return
    _log.log(_LEVELS.get(notification.kind, logging.INFO), "ppacer: %s", notification.text)


class Notifier:
    """Calls every receiver for every notification, in a thread of its own.

    `sent` is then told of the notification, and in one line what receivers raised ("" if none did).
    """

    def __init__(self, receivers: Sequence[Receiver], sent: Sent) -> None:
        self._receivers = receivers
        self._sent = sent
        self._inbox: SimpleQueue[Notification | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ppacer-notifier", daemon=True)
        self._thread.start()

    def send(self, notification: Notification) -> None:
        """Hand over `notification` and return at once."""
        self._inbox.put(notification)

    def close(self, patience: timedelta = PATIENCE) -> None:
        """Send what is left, and end; a receiver that takes longer than `patience` is given up."""
        self._inbox.put(None)
        self._thread.join(patience.total_seconds())
        if self._thread.is_alive():
            _log.warning("ppacer: a notification receiver has not returned: what it had yet to send is lost")

    def _work(self) -> None:
        while (notification := self._inbox.get()) is not None:
            problems = [problem for receiver in self._receivers if (problem := _try(receiver, notification))]
            self._sent(notification, "; ".join(problems))


def _try(receiver: Receiver, notification: Notification) -> str:
    try:
        receiver(notification)
    except (
        Exception,
        SystemExit,
    ) as error:  # a receiver of the user's own; the run goes on, the history says so
        name = getattr(receiver, "__qualname__", repr(receiver))
        _log.warning("ppacer: notification receiver %s raised %s: %s", name, type(error).__name__, error)
        return f"{name}: {type(error).__name__}: {error}"
    return ""
