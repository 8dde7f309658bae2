"""What tests of the faces share: a DAG of threads, a real IPython shell."""

from __future__ import annotations

import threading
from queue import Queue
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output

from ppacer_nb import DAG, TaskContext, task


@task(executor="thread")
def rows(count: int = 2) -> list[int]:
    print("reading")
    return list(range(count))


@task(executor="thread")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task(executor="thread")
def explode(number: int) -> None:
    raise ValueError(f"no good: {number}")


def sales_dag(id: str = "sales", **options: Any) -> DAG:
    """Return a DAG of two tasks that succeeds."""
    with DAG(id, params={"city": "Gdansk"}, **options) as dag:
        total(rows())
    return dag


def failing_dag() -> DAG:
    """Return a DAG whose last task raises."""
    with DAG("failing") as dag:
        explode(total(rows()))
    return dag


begun: Queue[str] = Queue()  #: ids of runs of `waiting_dag` whose first task has begun
may_go_on = threading.Event()


@task(executor="thread")
def first(context: TaskContext) -> None:
    from tests import faces  # its queue and event cannot be sent to a kernel, and need not be

    faces.begun.put(context.run.run_id)
    assert faces.may_go_on.wait(20)


@task(executor="thread")
def after() -> None:
    pass


def waiting_dag(**options: Any) -> DAG:
    """Return a DAG whose first task waits until it `may_go_on`, and the second one for the first."""
    may_go_on.clear()
    while not begun.empty():  # of a DAG that another test left
        begun.get()
    with DAG("waiting", **options) as dag:
        first() >> after()
    return dag


class Shell:
    """A real IPython shell, and what a cell in it shows."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell: Any = shell

    def run(self, cell: str) -> str:
        """Run a cell and return all that it shows, as text."""
        with capture_output() as captured:
            result = self.shell.run_cell(cell)
        if result.error_in_exec is not None:
            raise result.error_in_exec
        return captured.stdout + "\n".join(_text(output) for output in captured.outputs)

    def html(self, cell: str) -> str:
        """Run a cell and return the HTML of all that it displays."""
        with capture_output() as captured:
            self.shell.run_cell(cell)
        return "".join(str(output.data.get("text/html", "")) for output in captured.outputs)


def _text(output: RichOutput) -> str:
    return str(output.data.get("text/plain", ""))
