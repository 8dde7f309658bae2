"""Telling people what happened to their runs."""

from ppacer_nb.notify.notifier import Notifier, Receiver, log_receiver

__all__ = ["Notifier", "Receiver", "log_receiver"]
