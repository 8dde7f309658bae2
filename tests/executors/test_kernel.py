"""The kernel executor: slots, stops, runners that die, and what is left when everything ends."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ppacer_nb import DAG, run, task
from ppacer_nb.model.attempt import BodyStarted, Cancelled, Failed
from tests.kernels.lab import Lab, Trial, assert_gone, runners, write_notebook

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, slots=2)
    yield lab
    lab.close()


def wait_here() -> None:
    import time

    print("waiting", flush=True)
    time.sleep(1000)


def nothing() -> None: ...


def running(lab: Lab) -> Trial:
    trial = lab.start(wait_here)
    lab.until_said(trial, "waiting")
    return trial


def kernel_of(trial: Trial) -> psutil.Process:
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    return psutil.Process(int(started.worker.rpartition(" ")[2]))


def folder_of(kernel: psutil.Process) -> Path:
    """Return the folder of its sockets."""
    sockets = [str(connection.laddr) for connection in kernel.net_connections("unix")]
    (folder,) = {Path(path).parent for path in sockets if path.startswith("/")}
    return folder


def test_no_more_attempts_run_at_once_than_there_are_slots_and_runners_are_used_again(lab: Lab) -> None:
    def meet(folder: str) -> int:
        import os
        from pathlib import Path

        mark = Path(folder) / str(os.getpid())
        mark.touch()
        count = len(list(Path(folder).iterdir()))
        mark.unlink()
        return count

    folder = lab.folder / "marks"
    folder.mkdir()
    trials = [lab.start(meet, str(folder)) for _ in range(6)]
    counts = [lab.finish(trial).value for trial in trials]
    assert max(counts) <= 2
    assert len(runners()) == 2


def test_an_attempt_is_cancelled_while_it_waits_while_its_kernel_starts_and_while_it_runs(lab: Lab) -> None:
    first, second, third = running(lab), lab.start(nothing), lab.start(nothing)
    lab.stop(third, reason="not wanted")
    assert third.outcome == Cancelled("not wanted")
    assert third.reports == []
    lab.stop(second)
    lab.finish(second)
    assert isinstance(second.outcome, Cancelled)
    assert not [report for report in second.reports if isinstance(report, BodyStarted)]
    lab.stop(first)
    lab.finish(first)
    assert isinstance(first.outcome, Cancelled)
    assert first.outcome.files.notebook == first.path
    assert first.document.metadata.ppacer.state == "cancelled"
    assert "was cancelled" in first.document.cells[0].source
    again = [lab.start(nothing) for _ in range(2)]
    assert [lab.finish(trial).value for trial in again] == [None, None]


def test_an_attempt_that_times_out_while_it_waits_says_so(lab: Lab) -> None:
    trials = [lab.start(nothing) for _ in range(3)]
    lab.stop(trials[2], timed_out=True, reason="too long")
    assert trials[2].error.kind == "TaskTimeout"


def test_a_stop_that_comes_late_hits_nobody_else(lab: Lab) -> None:
    trial = lab.call(nothing)
    after = lab.start(nothing)
    lab.stop(trial)
    assert lab.finish(after).value is None


def test_a_runner_that_is_killed_ends_its_attempt_at_once_and_its_kernel_with_it(lab: Lab) -> None:
    trial = running(lab)
    kernel = kernel_of(trial)
    folder = folder_of(kernel)
    (runner,) = runners()
    runner.kill()
    lab.finish(trial)
    assert not folder.exists()
    assert trial.error.kind == "KernelDied"
    assert "the runner of this attempt died: its process was killed by SIGKILL" in trial.error.message
    assert_gone(kernel)
    assert trial.document.metadata.ppacer.state == "failed"
    assert lab.call(nothing).value is None


def test_an_idle_runner_that_is_gone_is_replaced(lab: Lab) -> None:
    lab.call(nothing)
    (runner,) = runners()
    runner.kill()
    psutil.wait_procs([runner])  # the executor has not heard of it yet
    trial = lab.call(nothing)
    assert isinstance(trial.outcome, Failed) or trial.value is None
    assert lab.call(nothing).value is None


def test_closing_cancels_what_runs_and_waits_keeps_its_output_and_leaves_no_process(lab: Lab) -> None:
    first, second = running(lab), running(lab)
    third = lab.start(nothing)
    family = psutil.Process().children(recursive=True)
    # The fork server; two runners; of each the kernel, a spare one if it is ready yet, and their keepers.
    assert 1 + 2 + 2 * 2 <= len(family) <= 1 + 2 + 2 * 4
    begin = asyncio.run(_now())
    lab.wait(lab.executor.close())
    assert asyncio.run(_now()) - begin < 3
    assert_gone(*family)
    for trial in (first, second, third):
        assert isinstance(trial.outcome, Cancelled)
        assert trial.outcome.reason == "the scheduler was stopped"
    assert first.output == "waiting\n"
    assert first.document.metadata.ppacer.state == "cancelled"


async def _now() -> float:
    return asyncio.get_running_loop().time()


def test_closing_ends_a_runner_that_is_just_starting(tmp_path: Path) -> None:
    lab = Lab(tmp_path, slots=1)
    trial = lab.start(nothing)
    lab.close()
    assert isinstance(trial.outcome, Cancelled)
    assert trial.outcome.reason == "the scheduler was stopped"
    assert psutil.Process().children() == []


def test_nothing_outlives_the_schedulers_process_and_the_notebook_says_interrupted(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.executors.test_kernel import leave_daemons
        from tests.kernels.lab import Lab
        lab = Lab(Path(sys.argv[1]), slots=2)
        trials = [lab.start(leave_daemons), lab.start(leave_daemons)]
        for trial in trials:
            lab.until_said(trial, "waiting")
        print("ready", flush=True)
        lab.finish(trials[0])
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as scheduler:
        assert scheduler.stdout is not None
        assert scheduler.stdout.readline() == "ready\n"
        daemons = [psutil.Process(int(path.name)) for path in (tmp_path / "pids").iterdir()]
        family = {*psutil.Process(scheduler.pid).children(recursive=True), *daemons}
        assert len(family) >= 1 + 2 + 2 * 4  # the fork server, runners, kernels, their keepers, daemons
        scheduler.kill()
    assert_gone(*family)
    import nbformat

    states = [nbformat.read(path, 4).metadata.ppacer.state for path in (tmp_path / "runs").rglob("*.ipynb")]
    assert states == ["interrupted", "interrupted"]


def leave_daemons() -> None:
    import subprocess
    import time
    from pathlib import Path

    folder = Path("pids")
    folder.mkdir(exist_ok=True)
    plain = subprocess.Popen(["sleep", "1000"])
    line = subprocess.run(
        ["sh", "-c", "setsid sleep 1000 >/dev/null & echo $!"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for pid in (plain.pid, int(line)):
        (folder / str(pid)).touch()
    print("waiting", flush=True)
    time.sleep(1000)


def test_what_a_runner_or_its_libraries_print_does_not_harm_its_answers(lab: Lab) -> None:
    noisy = lab.folder / "noisy"
    noisy.mkdir()
    # Imported by every process that can import it; the runner is one of them.
    (noisy / "sitecustomize.py").write_text("import atexit, sys\nprint('hello from a library')\n")
    path = write_notebook(lab.folder / "a.ipynb", "print('fine')")
    os.environ["PYTHONPATH"], before = str(noisy), os.environ.get("PYTHONPATH")
    try:
        trial = lab.notebook(path)
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    assert ("STDOUT", "fine") in trial.log


def test_a_kernel_is_reached_over_sockets_in_a_private_folder_that_goes_with_it(lab: Lab) -> None:
    trial = running(lab)
    kernel = kernel_of(trial)
    connection = folder_of(kernel) / "kernel.json"
    assert stat.S_IMODE(connection.parent.stat().st_mode) & 0o777 == 0o700
    assert '"transport": "ipc"' in connection.read_text()
    sockets = [path for path in connection.parent.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]
    assert len(sockets) >= 4
    assert max(len(os.fsencode(path)) for path in sockets) < 107
    lab.stop(trial)
    lab.finish(trial)
    lab.wait(lab.executor.close())
    assert not connection.parent.exists()


def test_interrupting_the_process_group_of_the_scheduler_reaches_no_task(lab: Lab) -> None:
    trial = running(lab)
    (runner,) = runners()
    kernel = kernel_of(trial)
    assert os.getpgid(0) not in {os.getpgid(process.pid) for process in (runner, kernel)}
    os.kill(runner.pid, signal.SIGTERM)  # it takes its kernel with it, in order
    lab.finish(trial)
    assert_gone(runner, kernel)


def test_many_attempts_leave_no_open_files_in_a_runner(tmp_path: Path) -> None:
    lab = Lab(tmp_path, slots=1)
    try:
        lab.call(nothing)
        (runner,) = runners()
        lab.call(nothing)
        before = runner.num_fds()
        for _ in range(3):
            lab.call(nothing)
        assert runner.num_fds() <= before + 2
    finally:
        lab.close()


def test_a_dag_runs_in_kernels_from_end_to_end(tmp_path: Path) -> None:
    @task
    def rows(day: object) -> list[int]:
        print("of", day)
        return [1, 2, 3]

    @task
    def total(values: list[int]) -> int:
        return sum(values)

    with DAG("kernels") as dag:
        total(rows(run.logical_date))
    result = dag.run(executor="kernel")
    assert result.state == "success"
    assert result["total"].value == 6
    notebook = result["rows"].files.notebook
    assert notebook is not None
    assert notebook.exists()
