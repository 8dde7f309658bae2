"""Kernels that stay when their notebook has failed: looking into them, mending, going on, letting go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from ppacer_nb import DAG, notebook, task
from ppacer_nb.errors import SchedulerError
from ppacer_nb.model.history import begun
from ppacer_nb.scheduler.service import Scheduler, SchedulerOptions
from tests.kernels.lab import LIMIT, Lab, Trial, assert_gone, runners, write_notebook

HOLD = timedelta(minutes=10)
CELLS = (
    "# parameters\nfactor = 1",
    "computed = [1, 2, 3]\nprint('computed')",
    "scaled = [c * factor for c in computed]\nscaled",
    "total = sum(scaled) / len(missing)",
    "print('total', total)",
)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, slots=1)
    yield lab
    lab.clear()
    lab.close()


def failed(lab: Lab, *cells: str, hold: timedelta = HOLD, parameters: Any = None) -> Trial:
    path = write_notebook(lab.folder / "report.ipynb", *(cells or CELLS))
    trial = lab.start_notebook(path, {"factor": 10} if parameters is None else parameters, hold=hold)
    lab.finish(trial)
    assert trial.error.kind == "TaskFailed"
    return trial


def mend(lab: Lab, before: str, after: str) -> None:
    """Edit the notebook as a person would."""
    path = lab.folder / "report.ipynb"
    document = nbformat.read(path, as_version=4)
    for cell in document.cells:
        cell.source = cell.source.replace(before, after)
    nbformat.write(document, path)


def kernel_of(trial: Trial) -> psutil.Process:
    return psutil.Process(int(trial.worker.rpartition(" ")[2]))


def ask(connection_file: Path, code: str) -> str:
    """Execute code in a kernel, as another program would; return what it printed."""
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    said: list[str] = []
    try:
        client.wait_for_ready(timeout=20)
        client.execute_interactive(
            code, timeout=20, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
    finally:
        client.stop_channels()
    return "".join(said)


def test_a_failed_notebook_goes_on_from_its_failed_cell_with_what_was_computed(lab: Lab) -> None:
    first = failed(lab)
    assert "cell 5 of 6" in first.error.message
    assert first.held.until - datetime.now(UTC) > timedelta(minutes=9)
    kernel = kernel_of(first)
    mend(lab, "len(missing)", "len(computed)")
    second = lab.finish(lab.resume(first))
    assert second.value.endswith(".2.ipynb")
    assert kernel_of(second) == kernel
    assert second.worker.startswith(
        "kernel of attempt 1, kept cells 1-4, runs cells 5-6; the notebook was changed since, pid"
    )
    outputs = [o for cell in second.document.cells for o in cell.get("outputs", [])]
    assert [o.get("text") or o.data["text/plain"] for o in outputs] == [
        "computed\n",
        "[10, 20, 30]",
        "total 20.0\n",
    ]
    assert second.progress == [(5, 6), (6, 6)]
    banner = second.document.cells[0].source
    assert "went on from attempt 1" in banner
    assert "-total = sum(scaled) / len(missing)\n+total = sum(scaled) / len(computed)" in banner
    assert f"`jupyter console --existing {first.held.connection_file}`" in first.document.cells[1].source
    assert_gone(kernel)


def test_what_was_mended_in_the_kernel_itself_counts_too(lab: Lab) -> None:
    first = failed(lab)
    assert ask(first.held.connection_file, "missing = scaled; print(factor, computed)") == "10 [1, 2, 3]\n"
    second = lab.finish(lab.resume(first))
    assert second.output == "computed\ntotal 20.0\n"
    assert "nothing was changed since" in second.worker
    assert "diff" not in second.document.cells[0].source


def test_jupyter_console_attaches_to_a_held_kernel(lab: Lab) -> None:
    first = failed(lab)
    console = subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter_console",
            "--simple-prompt",
            "--existing",
            first.held.connection_file,
        ],
        input="print('factor is', factor)\nmissing = [0] * 6\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert "factor is 10" in console.stdout
    assert lab.finish(lab.resume(first)).output.endswith("total 10.0\n")


def test_a_cell_above_that_was_changed_or_added_runs_too_and_others_do_not(lab: Lab) -> None:
    first = failed(
        lab, "# parameters\nfactor = 1", "print('once')", "def half(x): return x / 0", "half(factor)"
    )
    mend(lab, "x / 0", "x / 2")
    path = lab.folder / "report.ipynb"
    document = nbformat.read(path, as_version=4)
    document.cells.insert(2, nbformat.v4.new_code_cell("print('new')"))
    nbformat.write(document, path)
    second = lab.finish(lab.resume(first))
    assert second.output == "once\nnew\n"
    assert second.progress == [(4, 6), (5, 6), (6, 6)]
    assert second.document.cells[-1].outputs[0].data["text/plain"] == "5.0"


def test_a_notebook_that_fails_again_is_held_again(lab: Lab) -> None:
    first = failed(lab)
    second = lab.finish(lab.resume(first))
    assert second.held.connection_file == first.held.connection_file
    mend(lab, "missing", "computed")
    mend(lab, "print('total', total)", "1 / 0")
    third = lab.finish(lab.resume(second))
    assert "cell 6 of 6" in third.error.message
    mend(lab, "1 / 0", "print('total', total)")
    fourth = lab.finish(lab.resume(third))
    assert fourth.progress == [(6, 6)]
    assert fourth.output == "computed\ntotal 20.0\n"


def test_other_parameters_and_a_broken_notebook_are_refused_and_the_kernel_stays(lab: Lab) -> None:
    first = failed(lab)
    second = lab.finish(lab.resume(first, parameters={"factor": 11}))
    assert "parameters are not those" in second.error.message
    (lab.folder / "report.ipynb").rename(lab.folder / "elsewhere.ipynb")
    third = lab.finish(lab.resume(second))
    assert third.error.kind == "NotebookError"
    (lab.folder / "elsewhere.ipynb").rename(lab.folder / "report.ipynb")
    job = first.job
    mend(lab, "missing", "computed")
    lab.finish(fourth := lab.resume(third, parameters=job.task.work.parameters))  # type: ignore[union-attr]
    assert fourth.output == "computed\ntotal 20.0\n"


def test_a_parameter_from_a_file_is_not_loaded_again(lab: Lab) -> None:
    first = failed(
        lab,
        "# parameters\nrows = None",
        "rows = sorted(rows) + [4]",
        "1 / len(limits)",
        "print(rows)",
        parameters={"rows": {1, 2}},
    )
    ask(first.held.connection_file, "limits = [0]")
    assert lab.finish(lab.resume(first)).output == "[1, 2, 4]\n"


def test_a_notebook_that_timed_out_is_held_if_an_interrupt_ended_its_cell(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "report.ipynb",
        "n = 0",
        "import time\nprint('waits', flush=True)\nwhile not n: time.sleep(0.1)",
    )
    first = lab.start_notebook(path, hold=HOLD)
    lab.until_said(first, "waits")
    lab.stop(first, timed_out=True, reason="took too long")
    lab.finish(first)
    assert first.error.kind == "TaskTimeout"
    ask(first.held.connection_file, "n = 1")
    second = lab.finish(lab.resume(first))
    assert second.progress == [(2, 2)]
    assert second.output == "waits\n"


def test_a_held_kernel_goes_when_its_time_is_over(one: Lab) -> None:
    others = runners()
    first = failed(one, hold=timedelta(milliseconds=300))
    kernel = kernel_of(first)
    one.wait(first.released)
    assert_gone(kernel)
    second = one.finish(one.resume(first))
    assert "held no more" in second.error.message
    assert len(set(runners()) - set(others)) == 1


def test_a_kernel_that_is_kept_for_resuming_does_not_go_when_its_time_is_over(lab: Lab) -> None:
    mend_later = failed(lab, hold=timedelta(milliseconds=300))
    lab.executor.keep(mend_later.job.key)
    other = failed(lab, hold=timedelta(milliseconds=400))
    lab.wait(other.released)
    assert not mend_later.released.done()
    mend(lab, "missing", "computed")
    assert lab.finish(lab.resume(mend_later)).output == "computed\ntotal 20.0\n"


def test_a_held_kernel_is_released_on_request_or_when_it_ends(lab: Lab) -> None:
    first, second = failed(lab), failed(lab)
    kernels = [kernel_of(first), kernel_of(second)]
    lab.executor.release(first.job.key)
    lab.wait(first.released)
    kernels[1].kill()
    lab.wait(second.released)
    assert_gone(*kernels)


def test_a_runner_that_holds_a_kernel_takes_no_other_work_and_its_death_is_told(one: Lab) -> None:
    others = set(runners())
    first = failed(one)
    (holder,) = set(runners()) - others
    other = failed(one)
    assert kernel_of(first).is_running()
    assert len(set(runners()) - others) == 2
    holder.kill()
    one.wait(first.released)
    assert not other.released.done()


def test_closing_ends_held_kernels(tmp_path: Path) -> None:
    others = psutil.Process().children()
    lab = Lab(tmp_path, slots=1)
    kernel = kernel_of(failed(lab))
    lab.close()
    assert_gone(kernel)
    assert psutil.Process().children() == others


def test_widgets_of_kept_cells_are_still_in_the_executed_notebook(lab: Lab) -> None:
    first = failed(
        lab,
        "import ipywidgets\nipywidgets.IntSlider(value=7)",
        "1 / len(missing)",
        "print('end')",
        parameters={},
    )
    ask(first.held.connection_file, "missing = [1]")
    document = lab.finish(lab.resume(first)).document
    (state,) = document.metadata.widgets.values()
    assert 7 in [model.state.get("value") for model in state.state.values()]


def test_a_run_that_has_failed_goes_on_and_what_is_downstream_runs_then(tmp_path: Path) -> None:
    write_notebook(tmp_path / "report.ipynb", *CELLS)
    with DAG("sales") as dag:
        dag_report = notebook(tmp_path / "report.ipynb", parameters={"factor": 10}, hold_on_failure="10m")
        dag_report >> task(id="publish")(lambda: "published")()
    options = SchedulerOptions(tmp_path / "ppacer.duckdb", tmp_path / "runs", max_workers=1)
    scheduler = Scheduler(options)
    try:
        scheduler.register(dag.spec, scheduled=False)
        run_id, end = scheduler.trigger_run("sales")
        assert end.result(LIMIT) == "failed"
        (held,) = scheduler.info().held
        assert (held.run_id, held.task_id, held.attempt) == (run_id, "report", 1)
        with pytest.raises(SchedulerError, match="no kernel is held for task 'publish'"):
            scheduler.resume(run_id, "publish")
        ask(held.connection_file, "missing = computed")
        scheduler.resume(run_id, "report", by="Ola")
        assert scheduler.end_of(run_id).result(LIMIT) == "success"
        attempts = [(a.task_id, a.attempt, a.state.value) for a in begun(scheduler.history.attempts(run_id))]
        assert attempts == [("report", 1, "failed"), ("report", 2, "success"), ("publish", 1, "success")]
        queued = scheduler.history.sql("SELECT reason FROM run_events WHERE state = 'queued' ORDER BY seq")
        assert [reason for (reason,) in queued.rows] == ["", "report resumed by Ola"]
        assert scheduler.info().held == []
    finally:
        scheduler.stop(wait=timedelta(0))


def test_an_output_of_a_kept_cell_can_still_be_updated(lab: Lab) -> None:
    first = failed(
        lab,
        "from IPython.display import display\nshown = display('before', display_id='here')",
        "1 / len(missing)",
        "shown.update('after')",
        parameters={},
    )
    ask(first.held.connection_file, "missing = [1]")
    document = lab.finish(lab.resume(first)).document
    outputs = [output for cell in document.cells for output in cell.get("outputs", [])]
    assert [output.data["text/plain"] for output in outputs] == ["'after'", "1.0"]
