from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ppacer_nb.executors.capture import Capture, task_logger
from ppacer_nb.model.attempt import LogLine


@contextlib.contextmanager
def installed() -> Iterator[Capture]:
    # No fixture: pytest puts in its own streams anew before it calls the test.
    capture = Capture()
    capture.install()
    try:
        yield capture
    finally:
        capture.remove()


def lines_of(body: Callable[[], object]) -> list[tuple[str, str]]:
    """Run `body` captured, in a thread of its own; return what came of it."""
    with installed() as capture:
        return lines_by(capture, body)


def lines_by(capture: Capture, body: Callable[[], object]) -> list[tuple[str, str]]:
    lines: list[LogLine] = []

    def work() -> None:
        with capture.redirect(lines.append):
            body()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return [(line.level, line.message) for line in lines]


def test_output_comes_line_by_line_with_its_stream() -> None:
    def body() -> None:
        print("one\ntwo")
        print("err", file=sys.stderr)
        sys.stdout.write("no newline")

    assert lines_of(body) == [
        ("STDOUT", "one"),
        ("STDOUT", "two"),
        ("STDERR", "err"),
        ("STDOUT", "no newline"),
    ]


def test_pieces_become_one_line() -> None:
    def body() -> None:
        print("a", end="")
        sys.stdout.flush()
        sys.stdout.writelines(["b", "c\n", "d"])
        print("e", "f", sep="\n\n")

    assert [text for _, text in lines_of(body)] == ["abc", "de", "", "f"]


def test_a_megabyte_in_pieces_of_one_character_takes_no_time_to_speak_of() -> None:
    def body() -> None:
        for _ in range(1_000_000):
            sys.stdout.write("x")

    began = time.process_time()
    ((_, text),) = lines_of(body)
    assert len(text) == 1_000_000
    assert time.process_time() - began < 10  # quadratic, it takes minutes


def test_what_other_threads_write_goes_where_it_went_before(capfd: pytest.CaptureFixture[str]) -> None:
    with installed() as capture:
        captured = lines_by(capture, lines_of_another_thread)
        print("of the main thread")
        print("and its errors", file=sys.stderr)
    assert captured == []
    out, err = capfd.readouterr()
    assert (out, err) == ("of another\nof the main thread\n", "and its errors\n")


def lines_of_another_thread() -> None:
    thread = threading.Thread(target=lambda: print("of another"))
    thread.start()
    thread.join()


class Terminal(io.StringIO):
    encoding = "koi8-r"
    colours = 256

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 77


def test_the_streams_look_to_others_as_they_did_before() -> None:
    terminal = Terminal()
    with contextlib.redirect_stdout(terminal):
        capture = Capture()
        capture.install()
        seen: Any = sys.stdout
        assert seen is not terminal
        assert (seen.encoding, seen.isatty(), seen.fileno(), seen.colours) == ("koi8-r", True, 77, 256)
        seen.writelines(["a", "b"])
        assert seen.write("c") == 1
        seen.flush()
        capture.remove()
        assert sys.stdout is terminal
    assert terminal.getvalue() == "abc"


def test_logging_comes_with_level_traceback_and_attributes() -> None:
    lines: list[LogLine] = []
    log = logging.getLogger("some.library")
    with installed() as capture, capture.redirect(lines.append):
        log.warning("loaded %d", 5, extra={"day": "Monday"})
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("it broke")
    first, second = lines
    assert (first.level, first.message, first.attributes) == ("WARNING", "loaded 5", {"day": "Monday"})
    assert second.level == "ERROR"
    assert "ValueError: no" in second.message


def test_the_tasks_own_logger_takes_info_and_disturbs_no_other_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = task_logger("ppacer_nb.task.test")

    def body() -> None:
        logger.info("hello")
        logger.debug("not this")

    assert lines_of(body) == [("INFO", "hello")]
    assert caplog.records == []


def test_a_log_call_that_is_wrong_is_told_and_does_not_fail_the_task() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise KeyError("no text")

    def body() -> None:
        task_logger("ppacer_nb.task.wrong").info("%d rows", "many")
        task_logger("ppacer_nb.task.wrong").info("x", extra={"of": Hostile()})
        print("still here")

    lines = lines_of(body)
    assert lines[-1] == ("STDOUT", "still here")
    assert ("STDERR", "--- Logging error ---") in lines


def test_two_captures_at_once_hear_everything_once_and_leave_nothing() -> None:
    def body() -> None:
        print("said")
        logging.getLogger("some.library").warning("logged")

    said = [("STDOUT", "said"), ("WARNING", "logged")]
    with installed() as first:
        with installed() as second:
            assert lines_by(first, body) == lines_by(second, body) == said
        assert lines_by(first, body) == said


def test_captures_may_end_in_any_order() -> None:
    before = sys.stdout, sys.stderr, list(logging.getLogger().handlers)
    first, second = Capture(), Capture()
    first.install()
    second.install()
    first.remove()
    assert lines_by(second, lambda: print("said")) == [("STDOUT", "said")]
    second.remove()
    assert (sys.stdout, sys.stderr, list(logging.getLogger().handlers)) == before


def test_a_stream_that_somebody_put_in_between_is_left_alone() -> None:
    before = sys.stdout
    capture = Capture()
    capture.install()
    theirs = io.StringIO()
    ours, sys.stdout = sys.stdout, theirs
    capture.remove()
    assert sys.stdout is theirs
    sys.stdout = ours
    print("goes through")
    sys.stdout = before


def test_a_logger_without_any_handler_still_warns_on_stderr_as_python_does(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with installed():
        logging.getLogger("some.library").warning("of the user's own")
        logging.getLogger("some.library").info("not shown")
    assert capfd.readouterr().err == "of the user's own\n"


def test_what_coroutines_write_is_the_tasks() -> None:
    async def say() -> None:
        await asyncio.gather(asyncio.create_task(asyncio.to_thread(print, "in a thread")))
        print("in a coroutine")

    assert lines_of(lambda: asyncio.run(say())) == [
        ("STDOUT", "in a thread"),
        ("STDOUT", "in a coroutine"),
    ]


def test_streams_that_others_have_put_in_place_since_are_captured_too() -> None:
    others = io.StringIO()
    with installed() as capture:
        covered = sys.stdout
        with contextlib.redirect_stdout(others):
            assert lines_by(capture, lambda: print("task")) == [("STDOUT", "task")]
            print("cell")
        assert sys.stdout is covered
        assert lines_by(capture, lambda: print("task again")) == [("STDOUT", "task again")]
    assert others.getvalue() == "cell\n"
