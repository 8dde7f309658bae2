"""Notebooks in another language than Python: a real bash kernel, as a task and by papermill's engine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import pytest
from bash_kernel.install import kernel_json

from ppacer_nb.errors import InvalidParameters, NotebookError
from ppacer_nb.kernels.inspect import check_parameters, inspect_notebook
from ppacer_nb.model.attempt import BodyStarted
from tests.kernels.corpus import code, notebook
from tests.kernels.lab import Lab, Trial, assert_gone


@pytest.fixture
def lab(bash_lab: Lab) -> Iterator[Lab]:
    yield bash_lab
    bash_lab.clear()


@pytest.fixture(scope="module")
def bash_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab where a bash kernel is installed, and one of a language that papermill does not know."""
    folder = tmp_path_factory.mktemp("jupyter")
    for name in ("bash", "tongue"):
        spec = {
            "display_name": name,
            "language": name,
            "argv": kernel_json["argv"],
            "env": kernel_json["env"],
        }
        (folder / "kernels" / name).mkdir(parents=True)
        (folder / "kernels" / name / "kernel.json").write_text(json.dumps(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))  # of the runner too, which starts now
        lab = Lab(tmp_path_factory.mktemp("lab"), slots=1)
        yield lab
        lab.close()


def write(lab: Lab, *cells: Any, kernel: str = "bash") -> Path:
    """Write a notebook that names its kernel, but not the language, as it need not."""
    document = notebook(cells, kernel)
    del document.metadata.kernelspec["language"]
    path = lab.folder / "task.ipynb"
    nbformat.write(document, path)
    return path


def said(trial: Trial) -> list[str]:
    return [line.message for line in trial.lines]


def worker(trial: Trial) -> str:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return started.worker


def test_a_notebook_in_bash_runs_with_parameters(lab: Lab) -> None:
    path = write(
        lab,
        code("city=''; n=0; yes=''; many=(); day=''; nothing=x", "parameters"),
        'echo "$city|$n|$yes|${many[1]}|$day|$nothing|"; pwd',
    )
    given = {"city": "Łó'd\"ź $HOME", "n": -3, "yes": True, "many": ["a", "b c"], "day": date(2026, 11, 23)}
    trial = lab.notebook(path, given | {"nothing": None})
    assert trial.value == str(trial.path)
    assert said(trial) == ["Łó'd\"ź $HOME|-3|true|b c|2026-11-23||", str(lab.folder)]
    assert trial.progress == [(1, 3), (2, 3), (3, 3)]
    assert trial.document.metadata.language_info.name == "bash"


def test_an_attempt_says_that_its_kernel_was_started_and_not_forked(lab: Lab) -> None:
    trial = lab.notebook(write(lab, "echo $PPID"))
    assert worker(trial) == f"kernel, pid {said(trial)[0]}"


def test_a_kernel_is_started_ahead_for_the_next_attempt(lab: Lab) -> None:
    path = write(lab, "cut -d ' ' -f 22 /proc/$PPID/stat")  # when the kernel's process began, in ticks
    lab.notebook(path)
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    second = lab.notebook(path)
    assert int(said(second)[0]) / os.sysconf("SC_CLK_TCK") < before


def test_a_kernel_that_is_asked_for_decides_on_the_language(lab: Lab) -> None:
    path = write(lab, code("x=0", "parameters"), 'echo "$x"', kernel="python3")
    assert said(lab.notebook(path, {"x": 5}, kernel_name="bash")) == ["5"]


def test_a_failing_command_is_a_failure_that_names_its_cell(lab: Lab) -> None:
    trial = lab.notebook(write(lab, "echo kept", "echo this too; (exit 3)", "echo never"))
    assert trial.error.kind == "TaskFailed"
    assert trial.error.message.endswith("3 in cell 2 of 3")
    assert said(trial) == ["kept", "this too"]
    assert trial.document.metadata.ppacer.state == "failed"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"a": 1},
            "parameter 'rows' is a dict, which a notebook in bash cannot be given: pass text or numbers",
        ),
        ([{"a": 1}], "parameter 'rows' is a list, which a notebook in bash cannot be given: pass text or"),
        (1j, "parameter 'rows' is a complex, which a notebook in bash cannot be given: pass text, numbers,"),
    ],
)
def test_parameters_of_types_that_bash_lacks_are_refused_by_name(lab: Lab, value: Any, message: str) -> None:
    trial = lab.notebook(write(lab, code("rows=''", "parameters"), "echo $rows"), {"rows": value})
    assert trial.error.message.startswith(message)


def test_parameters_in_a_language_that_papermill_does_not_know_are_refused(lab: Lab) -> None:
    path = write(lab, code("x=0", "parameters"), "echo ran", kernel="tongue")
    assert lab.notebook(path, {"x": 1}).error.message == (
        "parameter 'x' is a int, which a notebook in tongue cannot be given: papermill knows no parameters "
        "in that language."
    )
    assert said(lab.notebook(path)) == ["ran"]


def test_a_timeout_stops_a_notebook_in_bash_with_all_that_it_started(lab: Lab) -> None:
    path = write(lab, "sleep 1000 & setsid sleep 1000 & echo pids $PPID $$; sleep 1000", "echo never")
    trial = lab.start_notebook(path)
    lab.until(trial, lambda t: said(t) and said(t)[-1].startswith("pids"))
    kernel, shell = map(psutil.Process, map(int, said(trial)[-1].split()[1:]))
    keeper = kernel.parent()
    assert keeper is not None
    processes = keeper.children(recursive=True)  # with what has left the kernel
    assert {kernel, shell} < set(processes)
    lab.stop(trial, timed_out=True, reason="too long")
    lab.finish(trial)
    assert (trial.error.kind, trial.error.message) == ("TaskTimeout", "too long")
    assert_gone(*processes)
    assert "never" not in trial.output


def test_what_is_known_of_a_notebook_in_bash_before_it_runs(lab: Lab) -> None:
    info = inspect_notebook(write(lab, code("x=0", "parameters"), "echo $x"))
    assert (info.kernel_name, info.language, info.parameters) == ("bash", "bash", None)
    check_parameters(info, ["x"])
    with pytest.raises(InvalidParameters, match="has no cell for its parameters"):
        check_parameters(inspect_notebook(write(lab, "echo")), ["x"])
    assert inspect_notebook(write(lab, code("x=0", "parameters"), kernel="tongue")).parameters is None


def test_papermills_engine_runs_a_notebook_in_bash_as_papermill_does(lab: Lab) -> None:
    document = notebook(
        [code("x=0", "parameters"), "echo $x", "echo err >&2", "(exit 3)", "echo"], "bash", "bash"
    )
    path = lab.folder / "bash.ipynb"
    nbformat.write(document, path)
    results = []
    for engine in (None, "ppacer"):
        target = lab.folder / "out.ipynb"
        with pytest.raises(papermill.PapermillExecutionError) as raised:
            papermill.execute_notebook(path, target, {"x": 7}, engine_name=engine, progress_bar=False)
        done = nbformat.read(target, as_version=4)
        cells = [
            (c.source, c.get("outputs"), c.metadata.get("papermill", {}).get("status")) for c in done.cells
        ]
        results.append((str(raised.value), cells, done.metadata.language_info))
    assert results[0] == results[1]


def test_a_kernel_that_is_not_installed_any_more_is_named(lab: Lab) -> None:
    path = write(lab, code("x=0", "parameters"), kernel="no-such-kernel")
    assert "kernel 'no-such-kernel', which is not installed" in lab.notebook(path, {"x": 1}).error.message
    with pytest.raises(NotebookError, match="no-such-kernel"):
        inspect_notebook(path)
