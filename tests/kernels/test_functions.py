"""Functions in real kernels: what goes in, what comes out, what is seen of them, and how they fail."""

from __future__ import annotations

import linecache
import os
import pickle
import threading
from typing import Any

import pandas as pd
import psutil
import pytest

from ppacer_nb.model.attempt import BodyStarted, Message
from ppacer_nb.model.context import TaskContext
from ppacer_nb.model.placeholders import Placeholder, Secret, UpstreamResult
from ppacer_nb.values import dump
from tests.kernels.lab import DAY, Lab, assert_gone, work_of


def test_values_of_any_kind_go_in_and_come_out(lab: Lab) -> None:
    class Local:  # known to no module, so it travels whole
        def __init__(self, text: str) -> None:
            self.text = text

    offset = 40

    def echo(number: int, frame: Any, *, thing: Any, day: Any, city: str, nothing: None = None) -> Any:
        return number + offset, frame * 2, thing.text, day, city, nothing

    frame = pd.DataFrame({"a": [1, 2]})
    work = work_of(
        echo,
        (2, UpstreamResult("rows")),
        {"thing": Local('it\'s "so"\n'), "day": Placeholder("logical_date"), "city": "Łódź"},
    )
    trial = lab.finish(lab.submit(work, {"rows": dump(frame, lab.folder / "rows.pkl")}))
    number, doubled, text, day, city, nothing = trial.value
    assert (number, text, day, city, nothing) == (42, 'it\'s "so"\n', DAY, "Łódź", None)
    pd.testing.assert_frame_equal(doubled, frame * 2)


def test_a_large_result_lies_in_a_file_and_not_in_the_event(lab: Lab) -> None:
    def make() -> bytes:
        return b"x" * 100_000

    trial = lab.call(make)
    assert trial.stored.data is None
    assert trial.stored.path == trial.job.file(".value.pkl")
    assert trial.value == b"x" * 100_000
    assert len(pickle.dumps(trial.outcome)) < 2_000


def test_a_coroutine_is_awaited(lab: Lab) -> None:
    async def later() -> str:
        import asyncio

        await asyncio.sleep(0)
        return "done"

    trial = lab.call(later)
    assert trial.value == "done"
    assert "await call()" in [line for cell in trial.document.cells for line in cell.source.splitlines()]


def test_the_context_logs_with_attributes_and_sends_messages(lab: Lab) -> None:
    def talk(context: TaskContext) -> str:
        context.logger.info("loading %s", "rows", extra={"rows": 3})
        context.logger.debug("not of interest")
        context.notify("half way there")
        return f"{context.run.dag_id} {context.attempt}"

    trial = lab.call(talk)
    assert trial.value == "lab 1"
    (line,) = trial.lines
    assert (line.level, line.message, line.attributes) == ("INFO", "loading rows", {"rows": "3"})
    assert [r.text for r in trial.reports if isinstance(r, Message)] == ["half way there"]


def test_output_and_log_records_come_live_in_order_and_with_their_time(lab: Lab) -> None:
    def talk(context: TaskContext) -> None:
        import logging
        import sys
        import time

        print("first")
        logging.getLogger("mine").warning("second", extra={"step": 2})
        print("third", file=sys.stderr)
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logging.exception("fourth")
        print("last", end="")
        context.notify("all is said")  # "last" lacks its newline, so that no line says it yet
        time.sleep(1000)

    trial = lab.start(talk)
    lab.until(trial, lambda t: [r for r in t.reports if isinstance(r, Message)])
    lab.stop(trial)
    lab.finish(trial)
    first, second, third, fourth, last = trial.lines[:5]
    assert (first.level, first.message) == ("STDOUT", "first")
    assert (second.level, second.message, second.attributes) == ("WARNING", "second", {"step": "2"})
    assert (third.level, third.message) == ("STDERR", "third")
    assert fourth.level == "ERROR"
    assert fourth.message.startswith("fourth\nTraceback")
    assert "ZeroDivisionError" in fourth.message
    assert (last.level, last.message) == ("STDOUT", "last")
    (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
    assert all(started.at <= line.at <= trial.ended.result().at for line in trial.lines)


def test_a_function_is_one_step_so_that_nothing_is_said_of_its_progress(lab: Lab) -> None:
    def nothing() -> None: ...

    assert lab.call(nothing).progress == []


def test_the_notebook_says_running_before_anything_is_heard_of_the_function(lab: Lab) -> None:
    def wait() -> None:
        import time

        time.sleep(1000)

    trial = lab.start(wait)
    lab.until(trial, lambda t: t.reports)
    assert isinstance(trial.reports[0], BodyStarted)
    assert trial.document.metadata.ppacer.state == "running"
    lab.stop(trial)
    lab.finish(trial)


def test_a_flush_waits_for_the_iopub_thread_only_if_there_is_something_to_send(lab: Lab) -> None:
    def flush() -> tuple[bool, bool]:
        import sys
        from threading import Event, Thread

        from IPython.core.getipython import get_ipython

        sys.stdout.flush()
        gate = Event()
        shell: Any = get_ipython()
        shell.kernel.iopub_thread.schedule(gate.wait)  # it does nothing else meanwhile
        silent = Thread(target=sys.stdout.flush)
        silent.start()
        silent.join(5)
        print("text")
        speaking = Thread(target=sys.stdout.flush)
        speaking.start()
        speaking.join(0.2)
        waits = silent.is_alive(), speaking.is_alive()
        gate.set()
        silent.join()
        speaking.join()
        return waits

    trial = lab.call(flush)
    assert trial.value == (False, True)
    assert trial.output == "text\n"


def test_log_records_of_threads_and_forked_processes_do_no_harm(lab: Lab) -> None:
    def talk() -> int:
        import logging
        import os
        import threading

        thread = threading.Thread(target=lambda: logging.info("of a thread"))
        thread.start()
        thread.join()
        child = os.fork()
        if not child:
            logging.info("of a fork")
            os._exit(5)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    trial = lab.call(talk)
    assert trial.value == 5
    assert ("INFO", "of a thread") in trial.log


def test_a_megabyte_of_output_is_cut_in_the_log_and_kept_in_the_notebook(lab: Lab) -> None:
    def flood() -> None:
        print("x" * 1_000_000)
        for number in range(20_000):
            print(f"line {number}")

    trial = lab.call(flood)
    assert trial.value is None
    assert len(trial.lines) <= 10_001
    assert trial.lines[-1].level == "WARNING"
    assert "executed notebook" in trial.lines[-1].message
    assert "x" * 1_000_000 in trial.output
    assert "line 19999\n" in trial.output
    took = trial.ended.result().at - trial.lines[0].at
    assert took.total_seconds() < 5


def test_a_progress_bar_leaves_its_last_state(lab: Lab) -> None:
    def draw() -> None:
        import sys

        for percent in range(0, 101, 10):
            sys.stderr.write(f"\r{percent:3}%|{'#' * (percent // 10)}")
            sys.stderr.flush()
        sys.stderr.write("\n")
        print("a\rb\r\nc")

    trial = lab.call(draw)
    assert sorted(trial.log) == [("STDERR", "100%|##########"), ("STDOUT", "b"), ("STDOUT", "c")]
    assert " 90%" not in trial.output
    assert "100%|##########" in trial.output


def test_a_result_that_cannot_be_pickled_is_named(lab: Lab) -> None:
    def make() -> Any:
        import threading

        return threading.Lock()

    trial = lab.call(make)
    assert trial.error.kind == "ValueNotPicklable"
    assert "'lock' cannot be handed on" in trial.error.message


@pytest.mark.parametrize("code", [0, 3])
def test_sys_exit_in_a_function_is_a_failure(lab: Lab, code: int) -> None:
    def leave() -> None:
        import sys

        sys.exit(code)

    trial = lab.call(leave)
    assert trial.error.kind == "TaskFailed"
    assert trial.error.message == f"called sys.exit({code}): return instead"


def test_an_exception_is_told_with_the_users_own_frames(lab: Lab) -> None:
    def inner(value: int) -> float:
        return value / 0

    def outer() -> float:
        return inner(5)

    trial = lab.call(outer)
    assert trial.error.kind == "TaskFailed"
    assert trial.error.message == "ZeroDivisionError: division by zero"
    assert "\x1b" not in trial.error.traceback
    assert "return value / 0" in trial.error.traceback
    assert "return inner(5)" in trial.error.traceback
    assert "__call__" not in trial.error.traceback  # our own frame is no news to anybody
    assert trial.document.metadata.ppacer.state == "failed"
    assert "division by zero" in trial.document.cells[0].source
    assert "ZeroDivisionError" in str(trial.document.cells[-1].outputs)


def test_the_traceback_of_a_function_from_a_notebook_shows_its_cell(lab: Lab) -> None:
    text = "def halve(value):\n    half = value / 0\n    return half\n"
    name = "/tmp/ipykernel_1/a_cell.py"  # as ipykernel names them; there is no such file
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, Any] = {}
    exec(compile(text, name, "exec"), scope)
    trial = lab.call(scope["halve"], 5)
    assert trial.error.message == "ZeroDivisionError: division by zero"
    assert "half = value / 0" in trial.error.traceback
    assert "Could not get source" not in trial.error.traceback


def test_an_endless_message_is_shortened(lab: Lab) -> None:
    def fail() -> None:
        raise ValueError("x" * 1_000_000)

    trial = lab.call(fail)
    assert trial.error.message.startswith("ValueError: xxx")
    assert len(trial.error.message) < 5_000
    assert len(trial.error.traceback) < 200_000


def test_a_kernel_that_ends_by_itself_is_noticed_at_once(lab: Lab) -> None:
    def leave() -> None:
        import os

        os._exit(7)

    def kill() -> None:
        import os
        import signal

        print("about to go", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def crash() -> None:
        import ctypes

        ctypes.string_at(0)

    trials = [lab.start(function) for function in (leave, kill, crash)]
    for trial, how in zip(trials, ("exit code 7", "killed by SIGKILL", "SIGSEGV"), strict=True):
        lab.finish(trial)
        assert trial.error.kind == "KernelDied"
        assert how in trial.error.message
        (started,) = (report for report in trial.reports if isinstance(report, BodyStarted))
        assert (trial.ended.result().at - started.at).total_seconds() < 3
        assert trial.document.metadata.ppacer.state == "failed"


def test_a_timeout_interrupts_and_keeps_the_output(lab: Lab) -> None:
    def spin() -> None:
        print("spinning", flush=True)
        while True:
            pass

    def sleep() -> None:
        import time

        print("sleeping", flush=True)
        time.sleep(1000)

    for function, said in ((spin, "spinning"), (sleep, "sleeping")):
        trial = lab.start(function)
        lab.until_said(trial, said)
        lab.stop(trial, timed_out=True, reason="took longer than its timeout of 1 s")
        lab.finish(trial)
        assert (trial.error.kind, trial.error.message) == (
            "TaskTimeout",
            "took longer than its timeout of 1 s",
        )
        assert said in trial.output
        assert trial.document.metadata.ppacer.state == "failed"
        assert "its timeout of 1 s" in trial.document.cells[0].source.replace("\\", "")


def test_code_that_swallows_the_interrupt_is_killed(lab: Lab) -> None:
    def stubborn() -> None:
        import time

        words = ["here"]
        while True:
            try:  # around the first word too: it is heard before `print` has returned
                while words:
                    print(words.pop(), flush=True)
                time.sleep(1000)
            except KeyboardInterrupt:
                words.append("no")

    trial = lab.start(stubborn)
    lab.until_said(trial, "here")
    lab.stop(trial, timed_out=True, reason="too long")
    lab.finish(trial)
    assert (trial.error.kind, trial.error.message) == ("TaskTimeout", "too long")
    assert trial.output == "here\nno\n"


def test_what_a_task_leaves_behind_is_gone_after_it(lab: Lab) -> None:
    def leave() -> list[int]:
        import subprocess

        plain = subprocess.Popen(["sleep", "1000"])
        daemon = subprocess.Popen(
            ["sh", "-c", "setsid sleep 1000 & echo $!"], stdout=subprocess.PIPE, text=True
        )
        assert daemon.stdout is not None
        return [plain.pid, int(daemon.stdout.readline())]

    trial = lab.call(leave)
    assert_gone(*(psutil.Process(pid) for pid in trial.value if psutil.pid_exists(pid)))


def test_a_secret_is_in_no_file_and_a_missing_one_is_named(lab: Lab) -> None:
    os.environ["LAB_SECRET"] = "h0rse-b4ttery"
    fresh = Lab(lab.folder / "secrets", slots=1)  # its runner is started with the secret in its environment
    try:

        def use(password: str, *, more: Any) -> int:
            return len(password) + len(more["x"])

        trial = fresh.call(use, Secret("LAB_SECRET"), more={"x": Secret("LAB_SECRET")})
        missing = fresh.call(use, Secret("LAB_NO_SECRET"), more={"x": ""})
    finally:
        del os.environ["LAB_SECRET"]
        fresh.close()
    assert trial.value == 26
    files = [path for path in (lab.folder / "secrets").rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert not [path for path in files if b"h0rse-b4ttery" in path.read_bytes()]
    assert "use(secret('LAB_SECRET')" in str(trial.document)
    assert missing.error.kind == "TaskFailed"
    assert "the secret 'LAB_NO_SECRET' is not set" in missing.error.message


def test_a_function_of_a_module_is_found_by_the_schedulers_import_path(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lab.folder / "modules"
    folder.mkdir()
    (folder / "lab_module.py").write_text("def answer():\n    return __file__\n")
    monkeypatch.syspath_prepend(str(folder))
    import lab_module  # type: ignore[import-not-found]

    assert lab.call(lab_module.answer).value == str(folder / "lab_module.py")


def test_the_working_directory_and_the_environment_are_the_schedulers(lab: Lab) -> None:
    def where() -> tuple[str, str]:
        import os

        return os.getcwd(), os.environ["HOME"]

    assert lab.call(where).value == (str(lab.folder), os.environ["HOME"])


def test_nothing_touches_the_signal_handlers_of_the_users_process(lab: Lab) -> None:
    import signal

    def nothing() -> None: ...

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM)]
    lab.call(nothing)
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM)]
    assert after == before
    assert threading.main_thread().is_alive()
