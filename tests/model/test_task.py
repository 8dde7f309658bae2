from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from ppacer_nb.model.placeholders import Placeholder, UpstreamResult
from ppacer_nb.model.task import LONGEST_RETRY_WAIT, FunctionWork, NotebookWork, TaskOptions, TaskSpec


def test_the_first_wait_is_the_delay_and_each_further_one_longer() -> None:
    options = TaskOptions(retry_delay=timedelta(seconds=10), retry_backoff=1.5)
    assert [options.retry_wait(n).total_seconds() for n in (1, 2, 3)] == [10, 15, 22.5]


@example(timedelta(0), 2.0, 5000)
@given(st.timedeltas(min_value=timedelta(0)), st.floats(1, 1e300), st.integers(1, 10_000))
def test_a_wait_is_never_over_a_year_and_nothing_times_anything_is_nothing(
    delay: timedelta, backoff: float, failures: int
) -> None:
    wait = TaskOptions(retry_delay=delay, retry_backoff=backoff).retry_wait(failures)
    assert timedelta(0) <= wait <= LONGEST_RETRY_WAIT
    assert bool(wait) == bool(delay)


def test_whose_results_a_task_receives() -> None:
    work = FunctionWork(
        print,
        b"",
        "print",
        "",
        args=([UpstreamResult("a"), {"k": (UpstreamResult("b"),)}],),
        kwargs={"day": Placeholder("logical_date"), "again": UpstreamResult("a")},
    )
    assert TaskSpec("t", work, upstreams=("a", "b", "c")).data_upstreams == {"a", "b"}


def test_a_notebook_is_named_by_its_file() -> None:
    work = NotebookWork(Path("/x/report.ipynb"), "", {"rows": UpstreamResult("a")})
    task = TaskSpec("t", work)
    assert (task.kind, work.name) == ("notebook", "report.ipynb")
    assert task.data_upstreams == {"a"}


def test_functions_are_functions() -> None:
    assert TaskSpec("t", FunctionWork(print, b"", "print", "")).kind == "function"


def test_no_wait_grows_over_the_longest_that_was_given() -> None:
    options = TaskOptions(
        retry_delay=timedelta(seconds=10), retry_backoff=2, retry_max_delay=timedelta(seconds=30)
    )
    assert [options.retry_wait(n).total_seconds() for n in (1, 2, 3, 4, 5000)] == [10, 20, 30, 30, 30]


def test_jitter_spreads_a_wait_evenly_around_it_also_the_longest() -> None:
    options = TaskOptions(
        retry_delay=timedelta(seconds=10),
        retry_backoff=2,
        retry_max_delay=timedelta(seconds=20),
        retry_jitter=0.2,
    )
    assert [options.retry_wait(1, lot).total_seconds() for lot in (0, 0.5, 1)] == [8, 10, 12]
    assert [options.retry_wait(9, lot).total_seconds() for lot in (0, 0.5, 1)] == [16, 20, 24]


def test_the_longest_wait_has_no_end_to_overflow() -> None:
    options = TaskOptions(
        retry_delay=timedelta(days=300), retry_backoff=10, retry_max_delay=timedelta.max, retry_jitter=1.0
    )
    assert options.retry_wait(9, 1.0) == timedelta(days=730)


def test_the_settings_of_a_task_leave_out_what_is_as_usual() -> None:
    work = NotebookWork(Path("/n/report.ipynb"), "", {"day": 1})
    assert TaskSpec("t", work).settings == ("notebook report.ipynb", "after nothing", "inputs ({'day': 1},)")
    work = NotebookWork(Path("/n/report.ipynb"), "", {}, ("html",), "ir")
    options = TaskOptions(retries=2, notify=frozenset({"success", "failure", "retry"}))
    assert TaskSpec("t", work, options, ("a", "b")).settings == (
        *("notebook report.ipynb", "after a, b", "inputs ({},)", "export html", "kernel ir"),
        *("retries 2", "notify failure, retry, success"),
    )
    assert TaskSpec("t", work, TaskOptions(notify=frozenset())).settings[-1] == "notify nothing"
