"""What the tasks of a DAG say of its parameters: the signatures of functions, the cells of notebooks."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ppacer_nb.errors import NotebookError
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.params import ParamInfo, ParamUse, annotation_of, param_info
from ppacer_nb.model.placeholders import Placeholder
from ppacer_nb.model.task import FunctionWork, NotebookWork, TaskSpec


def params_of(dag: DagSpec) -> list[ParamInfo]:
    """Return how a form asks for each parameter of a DAG, in their order. Reads its notebooks."""
    uses: dict[str, list[ParamUse]] = {name: [] for name in dag.params}
    for task in dag.tasks.values():
        for name, use in _uses(task):
            uses[name].append(use)
    return [param_info(name, default, uses[name], dag.timezone) for name, default in dag.params.items()]


def _uses(task: TaskSpec) -> Iterator[tuple[str, ParamUse]]:
    work = task.work
    if isinstance(work, NotebookWork):
        given = work.parameters
        known = _of_notebook(work) if _names(given) else {}
    else:
        given, known = _arguments(work), {}
        if _names(given):
            annotations = _annotations(work.function)
            known = {name: (annotations.get(name), "") for name in given}
    for name, param in _names(given).items():
        annotation, help = known.get(name, (None, ""))
        yield param, ParamUse(task.id, annotation, help)


def _names(given: Mapping[str, Any]) -> dict[str, str]:
    """Return, by what a task calls them, the parameters of the DAG that it receives as they are."""
    return {
        name: value.param
        for name, value in given.items()
        if isinstance(value, Placeholder) and value.param is not None
    }


def _of_notebook(work: NotebookWork) -> dict[str, tuple[Any, str]]:
    # Not at the top: it brings papermill, and many DAGs have no notebooks.
    from ppacer_nb.kernels.inspect import inspect_notebook

    try:
        parameters = inspect_notebook(work.path, work.kernel_name).parameters or {}
    except NotebookError:  # it has gone since; its task will say so when it runs
        return {}
    return {name: (annotation_of(info.type_name), info.help) for name, info in parameters.items()}


def _arguments(work: FunctionWork) -> Mapping[str, Any]:
    try:
        return inspect.signature(work.function).bind_partial(*work.args, **work.kwargs).arguments
    except (TypeError, ValueError):  # a builtin without a signature
        return {}


def _annotations(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # names in annotations can be anything, and need not exist
        return {}
