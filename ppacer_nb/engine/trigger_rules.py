"""Whether a task may start, from how its upstream tasks ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ppacer_nb.status import AttemptState, TriggerRule


@dataclass(slots=True)
class Upstreams:
    """How many upstream tasks a task has, and how those that ended did."""

    total: int
    succeeded: int = 0
    failed: int = 0  #: for any reason, upstream failures and cancellations included
    skipped: int = 0  #: those that cut off included
    cut: int = 0  #: short circuits that returned something falsy, and what was skipped for one

    def add(self, state: AttemptState, count: int = 1, *, cuts: bool = False) -> None:
        """Count one more upstream that ended in `state`; one less with -1. See `cut` for `cuts`."""
        self.cut += count if cuts else 0
        if state.is_failure:
            self.failed += count
        elif state is AttemptState.SKIPPED or cuts:
            self.skipped += count
        else:
            self.succeeded += count

    @property
    def all_done(self) -> bool:
        """Whether every upstream task has ended."""
        return self.succeeded + self.failed + self.skipped == self.total


class Verdict(Enum):
    """What a trigger rule says of a task now."""

    WAIT = "wait"
    START = "start"
    SKIP = "skip"
    CUT_OFF = "cut_off"  #: skip, and all that is downstream too, whatever its rule but all_done and always
    UPSTREAM_FAILED = "upstream_failed"


def judge(rule: TriggerRule, upstreams: Upstreams) -> Verdict:
    """Apply `rule`. A verdict other than WAIT is final: what ends later does not change it.

    For that, a rule that does not wait for all upstreams starts if it is met, be it that another upstream has
    cut the task off meanwhile.
    """
    return _RULES[rule](upstreams)


def _all_success(upstreams: Upstreams) -> Verdict:
    if upstreams.failed:
        return Verdict.UPSTREAM_FAILED
    if upstreams.cut:
        return Verdict.CUT_OFF
    if upstreams.skipped:
        return Verdict.SKIP
    return Verdict.START if upstreams.all_done else Verdict.WAIT


def _all_done(upstreams: Upstreams) -> Verdict:
    return Verdict.START if upstreams.all_done else Verdict.WAIT


def _one_failed(upstreams: Upstreams) -> Verdict:
    if upstreams.failed:
        return Verdict.START
    if upstreams.cut:
        return Verdict.CUT_OFF
    return Verdict.SKIP if upstreams.all_done else Verdict.WAIT


def _one_success(upstreams: Upstreams) -> Verdict:
    if upstreams.succeeded or not upstreams.total:
        return Verdict.START
    if upstreams.cut:
        return Verdict.CUT_OFF
    if not upstreams.all_done:
        return Verdict.WAIT
    return Verdict.UPSTREAM_FAILED if upstreams.failed else Verdict.SKIP


def _none_failed(upstreams: Upstreams) -> Verdict:
    if upstreams.failed:
        return Verdict.UPSTREAM_FAILED
    if upstreams.cut:
        return Verdict.CUT_OFF
    return Verdict.START if upstreams.all_done else Verdict.WAIT


def _always(_: Upstreams) -> Verdict:
    return Verdict.START


_RULES: dict[TriggerRule, Callable[[Upstreams], Verdict]] = {
    TriggerRule.ALL_SUCCESS: _all_success,
    TriggerRule.ALL_DONE: _all_done,
    TriggerRule.ONE_FAILED: _one_failed,
    TriggerRule.ONE_SUCCESS: _one_success,
    TriggerRule.NONE_FAILED: _none_failed,
    TriggerRule.ALWAYS: _always,
}
