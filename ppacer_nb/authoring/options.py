"""Task options as users give them, checked and turned into `TaskOptions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, get_args

from ppacer_nb.errors import InvalidOption
from ppacer_nb.model.dag import did_you_mean
from ppacer_nb.model.durations import format_duration, parse_duration
from ppacer_nb.model.task import NotifyOn, OnInterrupt, TaskOptions
from ppacer_nb.status import TriggerRule

F = TypeVar("F", bound=Callable[..., Any])

_NOTIFY_ON: tuple[NotifyOn, ...] = get_args(NotifyOn)
_ON_INTERRUPT: tuple[OnInterrupt, ...] = get_args(OnInterrupt)


def listing_options(function: F) -> F:
    """Let help and tab completion show every option of a task, in place of ``**options``."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    defaults = TaskOptions()
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, name))
        for name in _PARSERS
    ]
    vars(function)["__signature__"] = signature.replace(parameters=[*own, *options])
    return function


def parse_options(given: Mapping[str, Any], base: TaskOptions, *, what: str) -> TaskOptions:
    """Return `base` with the options `given` in place of its own.

    Raises
    ------
    InvalidOption
        If one is unknown, or has a value that it does not take; `what` names the task in the sentence.
    InvalidDuration
        If a delay or a timeout is no duration.
    """
    for name in given:
        if name not in _PARSERS:
            raise InvalidOption(
                f"{what} has no option {name!r}{did_you_mean(name, _PARSERS)}: there are "
                f"{', '.join(_PARSERS)}."
            )
    options = replace(base, **{name: _PARSERS[name](value, what) for name, value in given.items()})
    return _fitting(options, given, what)


def _fitting(options: TaskOptions, given: Mapping[str, Any], what: str) -> TaskOptions:
    """Return options that agree with each other."""
    longest = options.retry_max_delay
    if longest is not None and longest < options.retry_delay:
        raise InvalidOption(
            f"retry_max_delay of {what} is {format_duration(longest)}, shorter than its retry_delay of "
            f"{format_duration(options.retry_delay)}: give a longer one."
        )
    if not options.cleanup or options.trigger_rule is TriggerRule.ALL_DONE:
        return options
    if "trigger_rule" in given:
        raise InvalidOption(
            f"trigger_rule of {what} is {options.trigger_rule.value!r}, but it is for cleanup, which runs "
            "whatever happened: leave one of the two out."
        )
    return replace(options, trigger_rule=TriggerRule.ALL_DONE)


def _retries(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidOption(f"retries of {what} is {value!r}: give a whole number from 0.")
    return value


def _retry_backoff(value: object, what: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 1 <= value < float("inf"):
        raise InvalidOption(
            f"retry_backoff of {what} is {value!r}: give the factor by which each wait is longer than the "
            "one before, from 1 (always the same) on."
        )
    return float(value)


def _retry_jitter(value: object, what: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise InvalidOption(
            f"retry_jitter of {what} is {value!r}: give the part of a wait by which it may be shorter or "
            "longer, from 0 (none) to 1."
        )
    return float(value)


def _retry_max_delay(value: Any, what: str) -> Any:
    if value is None:
        return None
    longest = parse_duration(value, what=f"retry_max_delay of {what}")
    if not longest:
        raise InvalidOption(f"retry_max_delay of {what} is zero: give a longer one, or None for no limit.")
    return longest


def timeout_of(value: Any, what: str) -> timedelta | None:
    """Return a timeout; None stands for none.

    Raises
    ------
    InvalidOption, InvalidDuration
        If it is zero, or no duration.
    """
    if value is None:
        return None
    timeout = parse_duration(value, what=f"timeout of {what}")
    if not timeout:
        raise InvalidOption(f"timeout of {what} is zero: give a longer one, or None for no timeout.")
    return timeout


def _trigger_rule(value: object, what: str) -> TriggerRule:
    try:
        return TriggerRule(value)  # type: ignore[arg-type]
    except ValueError:
        rules = [rule.value for rule in TriggerRule]
        raise InvalidOption(
            f"trigger_rule of {what} is {value!r}{did_you_mean(str(value), rules)}: choose one of "
            f"{', '.join(rules)}."
        ) from None


def _text_or_none(name: str) -> Callable[[object, str], str | None]:
    def parse(value: object, what: str) -> str | None:
        if value is not None and (not isinstance(value, str) or not value):
            raise InvalidOption(f"{name} of {what} is {value!r}: give a name, or None.")
        return value

    return parse


def _priority(value: object, what: str) -> int | None:
    return None if value is None else whole_number(value, f"priority of {what}")


def whole_number(value: object, what: str) -> int:
    """Return a number of either sign; raise InvalidOption if it is no whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidOption(f"{what} is {value!r}: give a whole number, higher for what is to come first.")
    return value


def _boolean(name: str) -> Callable[[object, str], bool]:
    def parse(value: object, what: str) -> bool:
        if not isinstance(value, bool):
            raise InvalidOption(f"{name} of {what} is {value!r}: give True or False.")
        return value

    return parse


def _notify(value: object, what: str) -> frozenset[NotifyOn]:
    """True is the default (final failures), False nothing; otherwise one ending or several."""
    if isinstance(value, bool):
        return TaskOptions().notify if value else frozenset()
    chosen = [value] if isinstance(value, str) else value
    if isinstance(chosen, Collection) and all(isinstance(ending, str) for ending in chosen):
        known = frozenset(ending for ending in _NOTIFY_ON if ending in chosen)
        if len(known) == len(set(chosen)):
            return known
    raise InvalidOption(
        f"notify of {what} is {value!r}: give True, False, or some of {', '.join(map(repr, _NOTIFY_ON))}."
    )


def _on_interrupt(value: object, what: str) -> OnInterrupt:
    if value not in _ON_INTERRUPT:
        raise InvalidOption(
            f"on_interrupt of {what} is {value!r}: give 'retry', or 'fail' for what must not run twice."
        )
    return value


_PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "retries": _retries,
    "retry_delay": lambda value, what: parse_duration(value, what=f"retry_delay of {what}"),
    "retry_backoff": _retry_backoff,
    "retry_max_delay": _retry_max_delay,
    "retry_jitter": _retry_jitter,
    "timeout": timeout_of,
    "executor": _text_or_none("executor"),
    "fresh": _boolean("fresh"),
    "trigger_rule": _trigger_rule,
    "short_circuit": _boolean("short_circuit"),
    "cleanup": _boolean("cleanup"),
    "pool": _text_or_none("pool"),
    "priority": _priority,
    "notify": _notify,
    "on_interrupt": _on_interrupt,
}
