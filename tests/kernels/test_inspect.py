"""What is known of a notebook before it runs, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppacer_nb.errors import InvalidParameters, NotebookError
from ppacer_nb.kernels.inspect import check_parameters, inspect_notebook
from tests.kernels.lab import write_notebook


def test_parameters_are_found_with_defaults_types_and_comments(tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "a.ipynb",
        "# parameters\nday: str = '2026'  # of the report\nrows = [\n    1,\n    2,\n]\n"
        "limit: int = 3\nx = y = 1\na, b = 1, 2",
        "print(day)",
    )
    info = inspect_notebook(path)
    assert info.kernel_name == "python3"
    assert info.language == "python"
    assert info.parameters is not None
    assert list(info.parameters) == ["day", "rows", "limit", "x", "y", "a", "b"]
    day = info.parameters["day"]
    assert (day.type_name, day.default, day.help) == ("str", "'2026'", "of the report")
    assert info.parameters["limit"].type_name == "int"
    assert "print(day)" in info.source
    check_parameters(info, ["day", "rows", "b"])


def test_an_unknown_parameter_is_refused_by_name(tmp_path: Path) -> None:
    info = inspect_notebook(write_notebook(tmp_path / "a.ipynb", "# parameters\ncity = ''"))
    with pytest.raises(InvalidParameters, match=r"a\.ipynb has no parameter 'cty' \(did you mean 'city'\?\)"):
        check_parameters(info, ["cty"])


def test_parameters_without_a_cell_for_them_are_refused(tmp_path: Path) -> None:
    info = inspect_notebook(write_notebook(tmp_path / "a.ipynb", "city = ''"))
    check_parameters(info, [])
    with pytest.raises(InvalidParameters, match="tag the cell that sets their defaults 'parameters'"):
        check_parameters(info, ["city"])


def test_a_missing_notebook_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write_notebook(tmp_path / "report.ipynb", "1")
    with pytest.raises(NotebookError, match=r"did you mean 'report\.ipynb'\?"):
        inspect_notebook(tmp_path / "reprot.ipynb")
    with pytest.raises(NotebookError, match=r"there is no notebook .*nowhere/x\.ipynb\.$"):
        inspect_notebook(tmp_path / "nowhere" / "x.ipynb")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"nbformat": 4}', '{"cells": 1, "metadata": {}, "nbformat": 4}', "\xff"]
)
def test_what_is_no_notebook_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.ipynb"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(NotebookError, match=r"bad\.ipynb cannot be read as a notebook") as raised:
        inspect_notebook(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_folder_is_no_notebook(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="cannot be read as a notebook"):
        inspect_notebook(tmp_path)


def test_a_kernel_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "1", kernel="julia-9")
    with pytest.raises(NotebookError, match=r"kernel 'julia-9', which is not installed: there are .*python3"):
        inspect_notebook(path)
    assert inspect_notebook(path, "python3").kernel_name == "python3"


def test_a_parameters_cell_that_is_no_python_is_refused(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "# parameters\nx = = 1")
    with pytest.raises(NotebookError, match=r"the parameters cell of a\.ipynb is no Python"):
        inspect_notebook(path)


def test_magics_in_the_parameters_cell_are_no_obstacle(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "# parameters\n%matplotlib inline\n!ls\nx = 1")
    info = inspect_notebook(path)
    assert list(info.parameters or {}) == ["x"]
