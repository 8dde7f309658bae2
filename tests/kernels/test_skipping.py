"""Attempts in real kernels that find there is nothing to do, and short circuits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from ppacer_nb.errors import Skip
from ppacer_nb.model.attempt import Files, Skipped
from ppacer_nb.model.task import TaskOptions
from tests.kernels.lab import Lab, write_notebook


def test_a_function_that_skips_says_why_in_its_end_its_log_and_its_notebook(lab: Lab) -> None:
    def load() -> None:
        from ppacer_nb import Skip

        print("looking")
        raise Skip("no new *rows*")

    trial = lab.call(load)
    assert trial.outcome == Skipped("no new *rows*", Files(notebook=trial.path))
    assert trial.log == [("STDOUT", "looking"), ("INFO", "skipped: no new *rows*")]
    document = trial.document
    assert document.metadata["ppacer"]["state"] == "skipped"
    assert document.metadata["ppacer"]["error"] == "no new *rows*"
    assert document.cells[0].source == r"> **This attempt was skipped.** no new \*rows\*"
    assert "skipped: no new *rows*" in trial.output
    assert "Traceback" not in str(document)


def test_a_cell_that_skips_ends_its_notebook_and_later_cells_do_not_run(lab: Lab, tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "report.ipynb",
        "from ppacer_nb import Skip",
        "raise Skip('closed today')",
        "print('later')",
    )
    trial = lab.notebook(path)
    assert trial.outcome == Skipped("closed today", Files(notebook=trial.path))
    first, second, third = (cell for cell in trial.document.cells if cell.cell_type == "code")
    assert (first.execution_count, second.execution_count, third.execution_count) == (1, 2, None)
    assert trial.progress == [(1, 3), (2, 3)]
    assert trial.document.metadata["ppacer"]["state"] == "skipped"


def test_a_skip_in_a_cell_that_may_raise_ends_the_notebook_all_the_same(lab: Lab, tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "report.ipynb", "from ppacer_nb import Skip\nraise Skip('closed')", "print('later')"
    )
    text = path.read_text()
    path.write_text(text.replace('"metadata": {}', '"metadata": {"tags": ["raises-exception"]}', 1))
    assert "raises-exception" in path.read_text()
    trial = lab.notebook(path)
    assert isinstance(trial.outcome, Skipped)
    assert "later" not in trial.output


def test_a_notebook_that_skips_makes_no_report_and_holds_no_kernel(lab: Lab, tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "report.ipynb", "import ppacer_nb\nraise ppacer_nb.Skip")
    trial = lab.notebook(path, export=("html",), hold=timedelta(minutes=5))
    assert trial.outcome == Skipped("no reason given", Files(notebook=trial.path))
    assert not trial.job.file(".html").exists()


def test_what_is_a_skip_is_known_by_its_class_and_not_by_its_name(lab: Lab) -> None:
    class NoRows(Skip):
        pass

    def by_subclass() -> None:
        raise NoRows("none")

    def by_name() -> None:
        class Skip(Exception):
            pass

        raise Skip("mine")

    assert isinstance(lab.call(by_subclass).outcome, Skipped)
    assert lab.call(by_name).error.message == "Skip: mine"


def test_a_skip_that_is_caught_is_none(lab: Lab) -> None:
    def load() -> str:
        from ppacer_nb import Skip

        try:
            raise Skip("not really")
        except Skip:
            return "done"

    trial = lab.call(load)
    assert trial.value == "done"
    assert trial.log == []


def test_a_coroutine_skips_likewise(lab: Lab) -> None:
    async def later() -> None:
        from ppacer_nb import Skip

        raise Skip("not today")

    trial = lab.call(later)
    assert trial.outcome == Skipped("not today", Files(notebook=trial.path))


@pytest.mark.parametrize(("result", "is_falsy"), [([], True), (0, True), (None, True), ([0], False)])
def test_a_short_circuit_says_whether_its_result_is_falsy(lab: Lab, result: object, is_falsy: bool) -> None:
    def check(given: object) -> object:
        return given

    trial = lab.finish(lab.start(check, result, options=TaskOptions(short_circuit=True)))
    assert trial.stored.is_falsy is is_falsy
    assert lab.call(check, result).stored.is_falsy is False


def test_a_short_circuit_whose_result_is_neither_fails_and_says_so(lab: Lab) -> None:
    def check() -> object:
        return pd.DataFrame({"a": [1, 2]})

    trial = lab.finish(lab.start(check, options=TaskOptions(short_circuit=True)))
    assert "truth value of a DataFrame is ambiguous" in trial.error.message
