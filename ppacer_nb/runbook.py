"""Executing a notebook for the DAGs that it defines, without a notebook server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from ppacer_nb.authoring import registry
from ppacer_nb.authoring.dag import DAG
from ppacer_nb.errors import DefinitionError, NotebookError
from ppacer_nb.model.dag import did_you_mean

_COMMAND = re.compile(r"^\s*(?:\w+\s*=\s*)?%%?ppacer\b", re.MULTILINE)
_LOADING = re.compile(r"^\s*%(?:re)?load_ext\s+ppacer_nb\s*$", re.MULTILINE)


def dags_of(notebook: Path) -> list[DAG]:
    """Execute the code cells of `notebook` in this process, in its folder, and return the DAGs they define.

    Cells with a ``%ppacer`` command are left out: whoever asked for the DAGs decides what becomes of them.
    What the others show is not shown.

    Raises
    ------
    NotebookError
        If it is missing or broken, or a cell raises; the sentence says which.
    """
    path = notebook.expanduser().absolute()
    cells = _code_cells(path)
    registry.forget_all()
    shell: Any = InteractiveShell.instance()
    with _working_directory(path.parent):
        for number, source in enumerate(cells, 1):
            if _COMMAND.search(source):
                continue
            with capture_output():
                result = shell.run_cell(_LOADING.sub("", source), store_history=False)
            error = result.error_before_exec or result.error_in_exec
            if error is not None:
                raise NotebookError(
                    f"code cell {number} of {notebook} raised {type(error).__name__}: {error}"
                ) from error
    return registry.defined_dags()


def choose(dags: list[DAG], dag_id: str | None, notebook: Path) -> DAG:
    """Return the DAG of that id, or without one the only DAG there is.

    Raises
    ------
    DefinitionError
        If there is none, or several and no id.
    """
    by_id = {dag.id: dag for dag in dags}
    if dag_id is None and len(dags) == 1:
        return dags[0]
    if dag_id in by_id:
        return by_id[dag_id]
    if not dags:
        raise DefinitionError(f"{notebook} defines no DAG.")
    if dag_id is None:
        raise DefinitionError(f"{notebook} defines {', '.join(by_id)}: choose one with --dag.")
    raise DefinitionError(
        f"{notebook} defines no DAG {dag_id!r}{did_you_mean(dag_id, by_id)}: there are {', '.join(by_id)}."
    )


def _code_cells(path: Path) -> list[str]:
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise NotebookError(f"there is no notebook {path}.") from None
    except Exception as error:  # nbformat and json raise many kinds for a broken file
        raise NotebookError(f"{path} cannot be read as a notebook: {error}") from None
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@contextmanager
def _working_directory(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
