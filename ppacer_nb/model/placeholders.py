"""What a task can be given before it is known: results of other tasks, facts of the run, secrets.

`UpstreamResult`, `Placeholder` and `Secret` stand anywhere inside the arguments of a task, also within
lists, tuples, sets and dicts. `references` finds them when the DAG is defined; `fill` replaces them when the
task runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ppacer_nb.errors import InvalidPlaceholder
from ppacer_nb.model.run_info import RunInfo

FIELDS = ("logical_date", "dag_id", "run_id", "attempt")
# As repr writes a text; what it would not have written is no mark of ours.
_ESCAPE = r"\\(?:[\\'nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"
_QUOTED = rf"""'(?:[^'\\]|{_ESCAPE})*'|"(?:[^"\\]|{_ESCAPE})*\""""
_IN_TEXT = re.compile(rf"\{{\{{run\.(\w+)(?:\[({_QUOTED})\])?(?::([^{{}}]*))?\}}\}}")


@dataclass(frozen=True, slots=True)
class UpstreamResult:
    """What another task of the DAG returned."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A fact of the run: one of `FIELDS`, or ``params`` with the name of a parameter.

    In an f-string it becomes a mark such as ``{{run.logical_date:%Y-%m-%d}}``, which is filled, with its
    format, when the task runs.
    """

    field: str
    param: str | None = None

    def of(self, run: RunInfo) -> Any:
        """Return what this stands for in `run`."""
        return run.params[self.param] if self.param is not None else getattr(run, self.field)

    def __format__(self, spec: str) -> str:
        return f"{{{{{self!r}{':' if spec else ''}{spec}}}}}"

    def __str__(self) -> str:
        return format(self)

    def __repr__(self) -> str:
        return f"run.{self.field}" + (f"[{self.param!r}]" if self.param is not None else "")

    def __bool__(self) -> NoReturn:
        raise InvalidPlaceholder(
            f"{self!r} is known only when the task runs: pass it to a task and decide there, "
            "not while the DAG is defined."
        )


@dataclass(frozen=True, slots=True)
class Secret:
    """An environment variable, read where the task runs and written nowhere."""

    name: str

    def __format__(self, spec: str) -> NoReturn:
        raise InvalidPlaceholder(
            f"secret({self.name!r}) cannot be part of a text, which would be stored: "
            "pass it as an argument of its own."
        )

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"secret({self.name!r})"


Reference = UpstreamResult | Placeholder | Secret


class _Params:
    """``run.params["name"]``."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Placeholder:
        if not isinstance(name, str):
            raise InvalidPlaceholder(f"run.params[{name!r}]: the name of a parameter is a text.")
        return Placeholder("params", name)

    def __repr__(self) -> str:
        return "run.params"


class Run:
    """The placeholders of a run, as `ppacer_nb.run`: filled when a task runs."""

    __slots__ = ()

    @property
    def logical_date(self) -> Any:
        """The schedule point that the run stands for, as an aware datetime in the DAG's timezone."""
        return Placeholder("logical_date")

    @property
    def dag_id(self) -> Any:
        """The DAG's id."""
        return Placeholder("dag_id")

    @property
    def run_id(self) -> Any:
        """The run's id, unique in the store."""
        return Placeholder("run_id")

    @property
    def attempt(self) -> Any:
        """The number of the attempt, from 1."""
        return Placeholder("attempt")

    @property
    def params(self) -> _Params:
        """The run's parameters: ``run.params["city"]``."""
        return _Params()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"a run has no {name!r}: there are {', '.join(f'run.{field}' for field in FIELDS)} "
            "and run.params[...]"
        )

    def __repr__(self) -> str:
        return "run"


def references(value: Any) -> Iterator[Reference]:
    """Yield every reference within `value`, in order, with repetitions."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, str):
        yield from (_parse(match)[0] for match in _IN_TEXT.finditer(value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from references(item)


def fill(value: Any, resolve: Callable[[Reference], Any]) -> Any:
    """Return `value` with every reference replaced by what `resolve` returns for it.

    Containers that hold no reference are passed on as they are, not copied.
    """
    if isinstance(value, Reference):
        return resolve(value)
    if isinstance(value, str):
        return _fill_text(value, resolve) if "{{run." in value else value
    if (
        not isinstance(value, Mapping | list | tuple | set | frozenset)
        or next(references(value), None) is None
    ):
        return value
    if isinstance(value, Mapping):
        return {fill(key, resolve): fill(item, resolve) for key, item in value.items()}
    items = (fill(item, resolve) for item in value)
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _fill_text(text: str, resolve: Callable[[Reference], Any]) -> str:
    def replacement(match: re.Match[str]) -> str:
        placeholder, spec = _parse(match)
        return format(resolve(placeholder), spec)

    return _IN_TEXT.sub(replacement, text)


def _parse(match: re.Match[str]) -> tuple[Placeholder, str]:
    field, quoted, spec = match.groups()
    return Placeholder(field, quoted and ast.literal_eval(quoted)), spec or ""
