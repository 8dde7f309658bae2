"""The notebooks that attempts become: a function as cells, a notebook with its parameters filled in."""

from __future__ import annotations

import logging
import math
import pickle
import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
from nbformat import NotebookNode
from papermill.exceptions import PapermillException
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from papermill.translators import papermill_translators

from ppacer_nb import values
from ppacer_nb.calling import resolver
from ppacer_nb.errors import NotebookError, TaskFailed
from ppacer_nb.kernels.inspect import language_of
from ppacer_nb.kernels.order import FunctionOrder, NotebookOrder, Order
from ppacer_nb.model.attempt import Held
from ppacer_nb.model.placeholders import Secret, UpstreamResult, fill
from ppacer_nb.model.run_info import RunInfo

_BACKTICKS = re.compile(r"`+")
_ENDINGS = {
    "failed": "failed",
    "cancelled": "was cancelled",
    "interrupted": "was interrupted",
    "skipped": "was skipped",
}
_MAYBE_PLAIN = frozenset({"NoneType", "bool", "int", "float", "str", "list", "dict", "date", "datetime"})


def function_notebook(order: Order, what: FunctionOrder) -> NotebookNode:
    """Return the notebook that calls a function: its source to read, its arguments, the call.

    Everything that it needs lies in a file beside it, so that a person can run it again.
    """
    inputs = order.file(".inputs.pkl")
    # One cell, as each costs a round through the kernel.
    code = [
        "from ppacer_nb.kernels.inside import load_call",
        "",
        f"call = load_call({str(inputs)!r})",
        "display(call)",
        "await call()" if what.is_async else "call()",
    ]
    cells = [
        _cell("markdown", _title(order)),
        _cell("markdown", _fenced(what.source)),
        _cell("code", "\n".join(code), execution_count=None, outputs=[]),
    ]
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        "language_info": {"name": "python"},
    }
    notebook: NotebookNode = nbformat.from_dict(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    )
    return notebook


def filled_notebook(order: Order, what: NotebookOrder) -> NotebookNode:
    """Return a notebook with a cell of `what`'s parameters below its own.

    Plain values are written as literals, by papermill; in Python, dates as such, secrets as a look into the
    environment, and everything else as the loading of a file that is written here.

    Raises
    ------
    NotebookError
        If the notebook cannot be read any more, or its kernel is not installed any more.
    TaskFailed
        If another language than Python is to receive what it cannot be given.
    """
    try:
        notebook: NotebookNode = load_notebook_node(str(what.path))
    except Exception as error:  # as in inspect: many kinds for a missing or broken file
        raise NotebookError(f"{what.path} cannot be read: {type(error).__name__}: {error}") from None
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)  # a "pending" that papermill would have updated, and we do not
    parameters: dict[str, Any] = pickle.loads(what.parameters)
    if not parameters:
        return notebook
    kernel_name = what.kernel_name or notebook.metadata.get("kernelspec", {}).get("name", "python3")
    language = language_of(kernel_name, what.path)
    resolve = resolver(order.run, order.inputs)
    plain, code = {}, []
    for name, given in parameters.items():
        if isinstance(given, Secret):
            code.append(_secret_line(name, given, language))
        elif language == "python" and (file := _file_of(order, name, given)):
            code.append(_load_line(name, file))
        elif language != "python":
            plain[name] = _foreign(name, fill(given, resolve), kernel_name, language)
        elif is_plain(value := fill(given, resolve)):
            plain[name] = value
        else:
            code.append(_python_line(order, name, value))
    logging.getLogger("papermill").setLevel(logging.ERROR)
    notebook = parameterize_notebook(notebook, plain, kernel_name=kernel_name, language=language)
    injected = next(c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", []))
    injected.source = "\n".join([injected.source.rstrip(), *code]) + "\n"
    return notebook


def failure_banner(state: str, why: str) -> str:
    """Say, in Markdown for the top of an executed notebook, why it did not succeed."""
    head, *rest = _literal(why).splitlines() or [""]
    return "\n".join([f"> **This attempt {_ENDINGS[state]}.** {head}", *(f"> {line}" for line in rest)])


def held_banner(held: Held, run: RunInfo) -> str:
    """Say, in the same way, how to look into the kernel of a failed attempt, and how to go on."""
    return (
        f"> **Its kernel is held until {held.until:%Y-%m-%d %H:%M} UTC.** Look into it with\n"
        f"> `jupyter console --existing {held.connection_file}`, mend the notebook, and go on from the cell\n"
        f"> that failed with `%ppacer resume {run.run_id} {run.task_id}`."
    )


def with_banners(notebook: NotebookNode, banners: Iterable[str]) -> NotebookNode:
    """Return the notebook with a cell at its top for each of the banners."""
    cells = [nbformat.v4.new_markdown_cell(text, metadata={"tags": ["ppacer-banner"]}) for text in banners]
    return NotebookNode({**notebook, "cells": [*cells, *notebook.cells]})


def is_plain(value: Any) -> bool:
    """Return whether a literal says all there is to `value`, in any language."""
    if value is None or type(value) in (bool, int, str):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    return False


def _cell(kind: str, source: str, **rest: Any) -> dict[str, Any]:
    """Return a cell; nbformat's own functions for that validate each, half a millisecond a notebook."""
    return {"cell_type": kind, "id": uuid4().hex[:8], "metadata": {}, "source": source, **rest}


def _secret_line(name: str, secret: Secret, language: str) -> str:
    if language != "python":
        raise TaskFailed(f"parameter {name!r}: a notebook in {language} reads the environment by itself.")
    return f"from ppacer_nb.kernels.inside import read_secret\n\n{name} = read_secret({secret.name!r})"


def _python_line(order: Order, name: str, value: Any) -> str:
    if type(value) in (datetime, date):
        kind = type(value).__name__
        return f"from datetime import {kind}\n{name} = {kind}.fromisoformat({value.isoformat()!r})"
    path = order.file(f".{name}.pkl")
    values.write_whole(path, values.pickle_value(value))
    return _load_line(name, path)


def _file_of(order: Order, name: str, given: Any) -> Path | None:
    """Return a file with another task's result, if that is no plain value: only the kernel unpickles it."""
    if not isinstance(given, UpstreamResult) or given.task_id not in order.inputs:
        return None
    value = order.inputs[given.task_id]
    if value.type_name in _MAYBE_PLAIN:
        return None
    if value.path is not None:
        return value.path
    path = order.file(f".{name}.pkl")
    values.write_whole(path, value.data or b"")
    return path


def _load_line(name: str, path: Path) -> str:
    return f"from ppacer_nb.kernels.inside import load_value\n{name} = load_value({str(path)!r})"


def _foreign(name: str, value: Any, kernel_name: str, language: str) -> Any:
    """Return what another language than Python is given as `value`: a date as text, plain values as such."""
    if isinstance(value, date):
        return value.isoformat()
    try:
        if is_plain(value):
            papermill_translators.find_translator(kernel_name, language).translate(value)
            return value
        hint = "pass text, numbers, lists, or the path of a file"
    except NotImplementedError:  # of a type that the language lacks, or papermill
        hint = "pass text or numbers, or the path of a file"
    except PapermillException:
        hint = "papermill knows no parameters in that language"
    raise TaskFailed(
        f"parameter {name!r} is a {type(value).__qualname__}, which a notebook in {language} cannot be "
        f"given: {hint}."
    )


def _title(order: Order) -> str:
    run = order.run
    parts = [
        f"# {_literal(run.task_id)}",
        f"Attempt {run.attempt} in run `{run.run_id}`, for the logical date {run.logical_date.isoformat()}.",
    ]
    return "\n\n".join(parts)


def _fenced(source: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{source.rstrip()}\n{fence}"


def _literal(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+.!|~-])", r"\\\1", text)
