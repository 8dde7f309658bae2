"""The parameters of a DAG as a form asks for them: of which kind each is, and what it can be."""

from __future__ import annotations

import ast
import enum
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ppacer_nb.model.durations import format_duration

#: "fixed" is what no form can ask for; "any" is JSON, or else text.
ParamKind = Literal[
    "bool", "int", "float", "text", "date", "datetime", "duration", "choice", "json", "any", "fixed"
]


@dataclass(frozen=True, slots=True)
class ParamInfo:
    """A parameter of a DAG. What is in it can go through JSON."""

    name: str
    kind: ParamKind
    default: str  #: as a form shows it
    optional: bool = False  #: nothing at all means None
    choices: Sequence[str] = ()  #: of a choice, as a form shows them
    values: Sequence[Any] = ()  #: what the choices stand for; of an Enum the names of its members
    low: float | None = None  #: of a number
    high: float | None = None
    container: str = ""  #: of JSON: "list", "dict", "tuple", "set"; "" for whatever it is
    aware: bool = False  #: of a datetime: whether it has a timezone, the DAG's
    help: str = ""
    used_by: Sequence[str] = ()  #: ids of the tasks that receive it as it is


@dataclass(frozen=True, slots=True)
class ParamUse:
    """A task that receives a parameter as it is, and what it says of it."""

    task_id: str
    annotation: Any = None  #: a type, None where none is given
    help: str = ""


def param_info(name: str, default: object, uses: Iterable[ParamUse], zone: ZoneInfo) -> ParamInfo:
    """Return how a form asks for a parameter: by what the tasks that use it say, or else by its default."""
    uses = list(uses)
    said = [use.annotation for use in uses if use.annotation is not None]
    info = _by_default(name, default, zone)
    if info.kind != "fixed":
        candidates = (_by_annotation(info, default, annotation) for annotation in said)
        info = next((found for found in candidates if found is not None), info)
    help = next((use.help for use in uses if use.help), "")
    return replace(info, help=help, used_by=tuple(use.task_id for use in uses))


def annotation_of(text: str) -> Any:
    """Return the type that the source of an annotation names, None for one that says nothing here."""
    if text in _NAMED:
        return _NAMED[text]
    try:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "Literal":
            values = ast.literal_eval(node.slice)
            return Literal[values if isinstance(values, tuple) else (values,)]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):  # whatever a user wrote there
        return None
    return None


_NAMED: Mapping[str, Any] = {
    **{type_.__name__: type_ for type_ in (bool, int, float, str, list, dict, tuple, set, date, datetime)},
    "datetime.date": date,
    "datetime.datetime": datetime,
    "timedelta": timedelta,
    "datetime.timedelta": timedelta,
}
_KINDS: Mapping[type, ParamKind] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    datetime: "datetime",
    date: "date",
    timedelta: "duration",
}
_CONTAINERS = (list, dict, tuple, set)


def _by_default(name: str, default: object, zone: ZoneInfo) -> ParamInfo:
    """Return what the default alone says."""
    if default is None:
        return ParamInfo(name, "any", "", optional=True)
    if isinstance(default, enum.Enum):
        members = list(type(default).__members__)
        return ParamInfo(name, "choice", default.name, choices=members, values=members)
    kind = _KINDS.get(type(default))
    if kind is not None:
        aware = isinstance(default, datetime) and default.tzinfo is not None
        return ParamInfo(name, kind, _shown(default, zone), aware=aware)
    if type(default) in _CONTAINERS and _is_json(default):
        return ParamInfo(name, "json", _json(default), container=type(default).__name__)
    return ParamInfo(name, "fixed", repr(default))


def _by_annotation(info: ParamInfo, default: object, annotation: object) -> ParamInfo | None:
    """Return what an annotation says; None if that is nothing, or the default contradicts it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = _by_annotation(info, default, arguments[0])
        return None if inner is None else _within(inner, arguments[1:])
    if origin in (typing.Union, types.UnionType):
        types_ = [argument for argument in arguments if argument is not type(None)]
        of_one = _by_annotation(info, default, types_[0]) if len(types_) == 1 else None
        return None if of_one is None else replace(of_one, optional=len(types_) < len(arguments))
    if origin is Literal:
        return _of_choices(info, default, arguments)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return info if info.kind == "choice" else None  # a default that is no member says another thing
    type_: Any = origin or annotation
    if type_ in _CONTAINERS:
        fits = info.kind == "any" or info.container == type_.__name__
        return replace(info, kind="json", container=type_.__name__) if fits else None
    kind = _KINDS.get(type_) if isinstance(type_, type) else None
    if kind is None or not (info.kind in ("any", kind) or (info.kind, kind) == ("int", "float")):
        return None
    return replace(info, kind=kind, aware=info.aware or (kind == "datetime" and info.kind == "any"))


def _of_choices(info: ParamInfo, default: object, values: tuple[Any, ...]) -> ParamInfo | None:
    plain = [value for value in values if value is None or isinstance(value, str | int | bool)]
    same = [value for value in plain if type(value) is type(default) and value == default]
    texts = [value if isinstance(value, str) else json.dumps(value) for value in plain]
    if len(set(texts)) < len(values) or (default is not None and not same):
        return None
    shown = texts[plain.index(same[0])] if same else ""
    optional = default is None and not same
    return replace(info, kind="choice", default=shown, choices=texts, values=plain, optional=optional)


def _within(info: ParamInfo, metadata: Sequence[Any]) -> ParamInfo:
    """Return a number with its bounds, given as ``range(...)`` or as objects with ``ge`` or ``le``."""
    if info.kind not in ("int", "float"):
        return info
    low, high = info.low, info.high
    for said in metadata:
        if isinstance(said, range) and said.step == 1 and len(said):
            low, high = said[0], said[-1]
        low, high = _bound(said, "ge", low), _bound(said, "le", high)
    return replace(info, low=low, high=high)


def _bound(said: object, name: str, otherwise: float | None) -> float | None:
    value = getattr(said, name, None)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _shown(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None) if value.tzinfo is not None else value
        return local.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _is_json(value: object) -> bool:
    """Whether JSON gives the same back, but for the outermost container."""
    plain = list(value) if isinstance(value, tuple | set) else value
    try:
        return bool(json.loads(json.dumps(plain, allow_nan=False)) == plain)
    except (TypeError, ValueError, RecursionError):
        return False


def _json(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple | set) else value, ensure_ascii=False)
