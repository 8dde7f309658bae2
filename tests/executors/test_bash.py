"""Shell commands: their output, their endings, and that nothing of them is left."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from ppacer_nb.errors import TaskFailed
from ppacer_nb.executors.bash import run_bash
from tests.kernels.lab import Lab, Trial, assert_gone, work_of


def test_stdout_is_returned_stripped_and_both_streams_are_passed_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_bash("echo; echo one; echo two >&2; printf 'three \\n\\n'") == "one\nthree"
    out, err = capsys.readouterr()
    assert out == "\none\nthree \n\n"
    assert err == "two\n"


def test_a_failure_says_the_exit_code_and_the_last_words() -> None:
    with pytest.raises(TaskFailed, match=r"^the command ended with exit code 3: no such table$"):
        run_bash("echo trying >&2; echo no such table >&2; exit 3")
    with pytest.raises(TaskFailed, match=r"^the command ended with exit code 1$"):
        run_bash("false")
    with pytest.raises(TaskFailed, match=r"^the command ended with signal SIGTERM$"):
        run_bash("kill -TERM $$")


def test_variables_are_set_besides_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "outer")
    assert run_bash('echo "$OUTER $INNER $NUMBER"', {"INNER": "a b", "NUMBER": 3}) == "outer a b 3"  # type: ignore[dict-item]


def test_a_command_can_write_much_to_both_streams_and_bytes_that_are_no_text() -> None:
    text = run_bash("head -c 300000 /dev/zero | tr '\\0' e >&2; head -c 300000 /dev/zero | tr '\\0' o")
    assert text == "o" * 300_000
    assert run_bash("printf '\\377'") == "\ufffd"


def test_a_command_has_no_input() -> None:
    assert run_bash("cat") == ""


def test_what_a_command_leaves_in_the_background_does_not_hold_up_its_result() -> None:
    pid = int(run_bash("sleep 1000 >/dev/null 2>&1 & echo $!"))
    psutil.Process(pid).kill()


def test_a_timeout_in_a_kernel_ends_the_command_with_all_it_started(tmp_path: Path) -> None:
    lab = Lab(tmp_path, slots=1)
    try:
        command = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; echo oops >&2; sleep 1000"
        trial = lab.submit(work_of(run_bash, (command,), {}))
        lab.until(trial, lambda t: len(t.lines) == 3)
        pids = [int(line.message) for line in trial.lines if line.level == "STDOUT"]
        processes = [psutil.Process(pid) for pid in pids]
        lab.stop(trial, timed_out=True, reason="too long")
        lab.finish(trial)
        assert trial.error.kind == "TaskTimeout"
        assert ended_within(trial, 1.5)
        assert_gone(*processes)
        failed = lab.finish(lab.submit(work_of(run_bash, ("exit 4",), {})))
        assert (failed.error.kind, failed.error.message) == (
            "TaskFailed",
            "the command ended with exit code 4",
        )
    finally:
        lab.close()


def ended_within(trial: Trial, seconds: float) -> bool:
    return (trial.ended.result().at - trial.lines[-1].at).total_seconds() < seconds


def test_a_runner_that_is_killed_takes_the_command_with_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path, slots=1)
    try:
        trial = lab.submit(work_of(run_bash, ("echo $$; sleep 1000",), {}))
        lab.until(trial, lambda t: t.lines)
        command = psutil.Process(int(trial.lines[0].message))
        family = [command, *command.children()]
        psutil.Process().children()[0].kill()
        lab.finish(trial)
        assert_gone(*family)
    finally:
        lab.close()
