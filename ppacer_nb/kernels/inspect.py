"""What a notebook is, before it runs: its kernel, its source, its parameters."""

from __future__ import annotations

import ast
import difflib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from papermill.exceptions import PapermillException
from papermill.translators import papermill_translators

from ppacer_nb.errors import InvalidParameters, NotebookError
from ppacer_nb.model.cells import join_cells
from ppacer_nb.model.dag import did_you_mean


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """A parameter, as the notebook's ``parameters`` cell says it."""

    name: str
    type_name: str  #: "" where the cell does not say it
    default: str  #: as it is written
    help: str  #: the comment behind it


@dataclass(frozen=True, slots=True)
class NotebookInfo:
    """A notebook that can be a task."""

    path: Path
    source: str  #: all code, for telling versions apart: the code cells by `join_cells`
    kernel_name: str
    language: str
    has_parameters_cell: bool
    parameters: (
        Mapping[str, ParameterInfo] | None
    )  #: None: not known, in a language that papermill cannot read


def inspect_notebook(path: Path, kernel_name: str | None = None) -> NotebookInfo:
    """Read a notebook without executing it.

    Raises
    ------
    NotebookError
        If it is missing or broken, or the kernel that it names (or `kernel_name`) is not installed.
    """
    notebook = _read(path)
    named = notebook.metadata.get("kernelspec", {}).get("name")
    kernel_name = kernel_name or named or "python3"
    language = language_of(kernel_name, path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parameters_cell = next((c for c in code if "parameters" in c.metadata.get("tags", [])), None)
    return NotebookInfo(
        path=path,
        source=join_cells(cell.source for cell in code),
        kernel_name=kernel_name,
        language=language,
        has_parameters_cell=parameters_cell is not None,
        parameters={}
        if parameters_cell is None
        else _parameters(path, parameters_cell, kernel_name, language),
    )


def check_parameters(info: NotebookInfo, names: Iterable[str]) -> None:
    """Raise InvalidParameters if the notebook cannot take parameters of these `names`."""
    names = list(names)
    if names and not info.has_parameters_cell:
        raise InvalidParameters(
            f"{info.path.name} has no cell for its parameters: tag the cell that sets their defaults "
            "'parameters' (in JupyterLab: Property Inspector, Cell Tags)."
        )
    for name in names:
        if info.parameters is not None and name not in info.parameters:
            known = ", ".join(info.parameters) or "none"
            raise InvalidParameters(
                f"{info.path.name} has no parameter {name!r}{did_you_mean(name, info.parameters)}: its "
                f"parameters cell sets {known}."
            )


def language_of(kernel_name: str, path: Path) -> str:
    """Return the language of an installed kernel; what the notebook at `path` says of it may be missing.

    Raises
    ------
    NotebookError
        If it is not installed.
    """
    manager = KernelSpecManager()
    try:
        return str(manager.get_kernel_spec(kernel_name).language)
    except NoSuchKernel:
        installed = sorted(manager.find_kernel_specs())
        raise NotebookError(
            f"{path.name} asks for the kernel {kernel_name!r}, which is not installed: there are "
            f"{', '.join(installed) or 'none'}."
        ) from None


def _read(path: Path) -> Any:
    if not path.exists():
        near = [f.name for f in path.parent.glob("*.ipynb")] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, near, n=1)
        raise NotebookError(
            f"there is no notebook {path}" + (f" (did you mean {close[0]!r}?)." if close else ".")
        )
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat, json and jsonschema raise many kinds for a broken file
        first = (str(error).splitlines() or [""])[0]
        raise NotebookError(f"{path} cannot be read as a notebook: {type(error).__name__}: {first}") from None
    return notebook


def _parameters(path: Path, cell: Any, kernel_name: str, language: str) -> dict[str, ParameterInfo] | None:
    # papermill logs a warning for what it cannot read; an unknown name is an error of ours anyway
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        read = papermill_translators.find_translator(kernel_name, language).inspect(cell)
    except (
        NotImplementedError,
        PapermillException,
    ):  # it can write parameters in that language, or not even that
        return None
    found = {p.name: ParameterInfo(p.name, _typed(p.inferred_type_name), p.default, p.help) for p in read}
    if language == "python":
        # papermill reads line by line, and misses values of several lines
        return {
            name: found.get(name, ParameterInfo(name, "", "", "")) for name in _assigned(path, cell.source)
        }
    return found or None


def _assigned(path: Path, source: str) -> list[str]:
    """Return the names that the cell sets."""
    try:
        # Magics and shell lines become calls, as IPython has it.
        statements = ast.parse(TransformerManager().transform_cell(source)).body
    except SyntaxError as error:
        raise NotebookError(f"the parameters cell of {path.name} is no Python: {error}.") from None
    names = []
    for statement in statements:
        match statement:
            case ast.Assign(targets=targets):
                pass
            case ast.AnnAssign(target=target):
                targets = [target]
            case _:
                continue
        nodes = [node for target in targets for node in ast.walk(target)]
        names += [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return names


def _typed(inferred: str) -> str:
    return "" if inferred == "None" else inferred
