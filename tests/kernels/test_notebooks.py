# ruff: noqa: E501 (cells of notebooks)
"""Notebooks in real kernels: parameters, progress, endings, and the file that is left."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ppacer_nb.model.attempt import Succeeded
from ppacer_nb.model.placeholders import Placeholder, Secret, UpstreamResult
from ppacer_nb.values import dump
from tests.kernels.lab import DAY, Lab, write_notebook

PLAIN = {
    "text": 'it\'s "so"\\ \n\tŁódź \U0001f600',
    "nothing": None,
    "yes": True,
    "number": -3,
    "ratio": 0.1,
    "nested": {"a b": [1, None, {"c": "d'"}], "": []},
    "infinite": float("inf"),
    "when": datetime(2026, 11, 23, 6, 15, tzinfo=timezone(timedelta(hours=1))),
    "day": date(2026, 11, 23),
    "price": Decimal("0.10"),
    "scalar": np.float64(2.5),
    "pair": (1, "two"),
    "raw": b"\x00\xff",
    "some": {1, 2},
    "keys": {1: "one"},
}


def test_parameters_arrive_as_they_were_given_whatever_their_type(lab: Lab) -> None:
    names = [*PLAIN, "nan", "frame", "city", "logical", "rows", "other"]
    path = write_notebook(
        lab.folder / "types.ipynb",
        "# parameters\n" + "\n".join(f"{name} = None" for name in names),
        f"import pickle; pickle.dump({{name: globals()[name] for name in {names!r}}}, open('types.pkl', 'wb'))",
    )
    frame = pd.DataFrame({"a": [1.5, None]})
    given = PLAIN | {
        "nan": float("nan"),
        "frame": frame,
        "city": Placeholder("params", "city"),
        "logical": Placeholder("logical_date"),
        "rows": UpstreamResult("rows"),
        "other": [UpstreamResult("count"), "x"],
    }
    trial = lab.notebook(path, given, inputs={"rows": dump(frame, path), "count": dump(7, path)})
    assert trial.value == str(trial.path)
    got = pickle.loads((lab.folder / "types.pkl").read_bytes())
    assert {name: got[name] for name in PLAIN} == PLAIN
    assert {name: type(got[name]) for name in PLAIN} == {name: type(PLAIN[name]) for name in PLAIN}
    assert got["nan"] != got["nan"]
    pd.testing.assert_frame_equal(got["frame"], frame)
    pd.testing.assert_frame_equal(got["rows"], frame)
    assert (got["city"], got["logical"], got["other"]) == ("Łódź", DAY, [7, "x"])
    injected = next(c for c in trial.document.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert "number = -3" in injected.source
    assert "date.fromisoformat('2026-11-23')" in injected.source


def test_a_secret_parameter_is_read_in_the_kernel_and_a_missing_one_is_named(lab: Lab) -> None:
    path = write_notebook(lab.folder / "secret.ipynb", "# parameters\nhome = ''", "print(len(home) > 1)")
    trial = lab.notebook(path, {"home": Secret("HOME")})
    assert trial.log == [("STDOUT", "True")]
    missing = lab.notebook(path, {"home": Secret("LAB_NO_SECRET")})
    assert missing.error.kind == "TaskFailed"
    assert missing.error.message.startswith("the secret 'LAB_NO_SECRET' is not set")


def test_progress_counts_the_code_cells_that_run(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "progress.ipynb", "%md # Title", "a = 1", "", "# parameters\nx = 1", "print(a, x)"
    )
    trial = lab.notebook(path, {"x": 2})
    assert trial.progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert trial.log == [("STDOUT", "1 2")]
    assert trial.document.metadata.ppacer.state == "success"
    assert trial.document.metadata.language_info.name == "python"
    assert not [cell for cell in trial.document.cells if "papermill" in cell.metadata]


def test_a_failing_cell_is_named_and_what_follows_is_left_as_not_run(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "failing.ipynb",
        "print('kept')",
        "def f():\n    raise KeyError('k')\nf()",
        "print('never')",
    )
    trial = lab.notebook(path)
    assert (trial.error.kind, trial.error.message) == ("TaskFailed", "KeyError: 'k' in cell 2 of 3")
    assert "raise KeyError('k')" in trial.error.traceback
    banner, first, second, third = trial.document.cells
    assert "This attempt failed" in banner.source
    assert "in cell 2 of 3" in banner.source
    assert first.execution_count == 1
    assert first.outputs[0].text == "kept\n"
    assert second.outputs[0].ename == "KeyError"
    assert (third.execution_count, third.outputs) == (None, [])
    assert "execution" not in third.metadata
    assert trial.document.metadata.ppacer.state == "failed"


@pytest.mark.parametrize("leave", ["import sys; sys.exit(0)", "raise SystemExit", "exit()"])
def test_leaving_early_and_well_is_a_success_that_says_so(lab: Lab, leave: str) -> None:
    path = write_notebook(lab.folder / "early.ipynb", "a = 1", leave, "print('never')")
    trial = lab.notebook(path)
    assert isinstance(trial.outcome, Succeeded), trial.outcome
    assert trial.log == [("INFO", "the notebook ended early and well: it asked to exit in cell 2 of 3")]
    assert trial.document.cells[-1].execution_count is None
    assert trial.document.metadata.ppacer.state == "success"


def test_leaving_with_another_code_is_a_failure(lab: Lab) -> None:
    path = write_notebook(lab.folder / "exit2.ipynb", "import sys; sys.exit(2)", "print('never')")
    assert lab.notebook(path).error.message == "called sys.exit(2) in cell 1 of 2"
    path = write_notebook(lab.folder / "exit_text.ipynb", "import sys; sys.exit('no rows')")
    assert lab.notebook(path).error.message == "called sys.exit(no rows) in cell 1 of 1"


def test_a_kernel_that_dies_says_in_which_cell(lab: Lab) -> None:
    path = write_notebook(lab.folder / "dies.ipynb", "a = 1", "import os; os._exit(9)")
    trial = lab.notebook(path)
    assert trial.error.kind == "KernelDied"
    assert trial.error.message == "the kernel died in cell 2 of 2: its process ended with exit code 9"


def test_a_stopped_notebook_runs_no_further_cell_though_one_swallows_the_interrupt(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "swallow.ipynb",
        "import time\ntry:\n    print('in', flush=True)\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    pass",
        "print('never')",
    )
    trial = lab.start_notebook(path)
    lab.until_said(trial, "in")
    lab.stop(trial, timed_out=True, reason="too long")
    lab.finish(trial)
    assert trial.error.kind == "TaskTimeout"
    assert trial.document.cells[-1].execution_count is None
    assert (trial.ended.result().at - trial.lines[0].at).total_seconds() < 1.5  # no grace period was needed


def test_input_is_refused(lab: Lab) -> None:
    path = write_notebook(lab.folder / "input.ipynb", "input('name? ')")
    assert "StdinNotImplementedError" in lab.notebook(path).error.message


def test_a_notebook_that_is_gone_or_broken_when_it_runs_is_named(lab: Lab) -> None:
    gone = lab.notebook(lab.folder / "gone.ipynb")
    assert gone.error.kind == "NotebookError"
    assert "gone.ipynb cannot be read" in gone.error.message
    (lab.folder / "broken.ipynb").write_text("{")
    broken = lab.notebook(lab.folder / "broken.ipynb")
    assert broken.error.kind == "NotebookError"
    assert "broken.ipynb cannot be read" in broken.error.message
    strange = lab.notebook(write_notebook(lab.folder / "strange.ipynb", "1", kernel="no-such-kernel"))
    assert "no-such-kernel" in strange.error.message


def test_a_report_is_made_of_what_the_notebook_shows(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "report.ipynb",
        "%md # Sales of the day",
        "# parameters\ntotal = 0",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "print(f'{total} sold')",
    )
    trial = lab.notebook(path, {"total": 12}, export=("html",))
    assert isinstance(trial.outcome, Succeeded)
    report = trial.outcome.files.report
    assert report == trial.job.file(".html")
    html = report.read_text()
    assert "Sales of the day" in html
    assert "12 sold" in html
    assert "data:image/png;base64," in html
    assert "plt.plot" not in html


def test_old_notebooks_without_cell_ids_run_too(lab: Lab) -> None:
    path = lab.folder / "old.ipynb"
    path.write_text(
        '{"cells": [{"cell_type": "code", "execution_count": null, "metadata": {"tags": ["parameters"]},'
        ' "outputs": [], "source": ["x = 1"]}, {"cell_type": "code", "execution_count": null, "metadata": {},'
        ' "outputs": [], "source": ["print(x)"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}'
    )
    trial = lab.notebook(path, {"x": 5})
    assert trial.log == [("STDOUT", "5")]
    assert trial.document.nbformat_minor >= 5


def test_the_files_are_written_whole(lab: Lab) -> None:
    path = write_notebook(lab.folder / "whole.ipynb", "1")
    trial = lab.notebook(path)
    assert [p for p in trial.path.parent.iterdir() if p.name.endswith(".tmp")] == []
    started = datetime.fromisoformat(trial.document.metadata.ppacer.started_at)
    ended = datetime.fromisoformat(trial.document.metadata.ppacer.ended_at)
    assert started < ended < datetime.now(UTC)
    assert Path(trial.value) == trial.path


def test_a_kernel_that_was_started_ahead_has_run_nothing_that_a_notebook_can_see(
    lab: Lab, tmp_path: Path
) -> None:
    path = write_notebook(tmp_path / "look.ipynb", "print(In, Out, 'ppacer_nb' in globals())")
    for _ in range(2):  # the second time the kernel was started while the first one ran
        trial = lab.notebook(path)
        assert trial.output == "['', \"print(In, Out, 'ppacer_nb' in globals())\"] {} False\n"
        assert trial.document.cells[0].execution_count == 1
