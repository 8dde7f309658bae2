"""What the schedulers of the campaigns run: DAGs of many kinds, whose bodies keep a journal of what they did.

A line of the journal is one write to a file opened with ``O_APPEND``: it is there once it is written, however
the process ends.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from ppacer_nb import DAG, Skip, TaskContext, every, task
from ppacer_nb.model.dag import DagSpec
from ppacer_nb.model.task import TaskOptions

#: The environment variable that tells bodies where their journal is.
JOURNAL = "PPACER_CAMPAIGN_JOURNAL"

#: What `charge` is: a task that must not begin twice by itself.
AT_MOST_ONCE: Mapping[str, Any] = (
    {"on_interrupt": "fail"} if "on_interrupt" in {field.name for field in fields(TaskOptions)} else {}
)

#: The states in which tasks may end where nobody interferes; those not named succeed.
ENDS: Mapping[str, frozenset[str]] = {
    "breaks": frozenset({"failed"}),
    "never": frozenset({"upstream_failed"}),
    "skips": frozenset({"skipped"}),
    "charge": frozenset({"success", "failed"}),
}

#: The DAG that people trigger.
BY_HAND = "by_hand"

#: The DAG of two tasks that a soak triggers.
SMALL = "small"

Handed = tuple[str, str, int]  # by which run, task and attempt


def note(what: str, context: TaskContext, saw: str = "") -> None:
    """Append a line to the journal."""
    run = context.run
    _append(
        Path(os.environ[JOURNAL]), f"{what} {run.run_id} {run.task_id} {run.attempt} {saw}".strip() + "\n"
    )


@contextmanager
def body(context: TaskContext, *handed: Handed) -> Iterator[None]:
    """Note that a body begins, with whose values, and that it ends; it takes up to a quarter second."""
    for run_id, task_id, _ in handed:
        assert run_id == context.run.run_id, f"{task_id} was run for {run_id}"
    note("start", context, ",".join(f"{task_id}={attempt}" for _, task_id, attempt in handed))
    time.sleep(random.Random(str(context.run.key)).choice((0, 0.01, 0.05, 0.1, 0.25)))
    yield
    note("end", context)


def _append(path: Path, text: str) -> int:
    """Append by one write; return how long the file is then."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _mine(context: TaskContext) -> Handed:
    return context.run.run_id, context.run.task_id, context.attempt


@task(executor="thread")
def extract(context: TaskContext) -> Handed:
    """Begins a DAG."""
    with body(context):
        print("extracting", context.attempt)
    return _mine(context)


@task(executor="thread")
def load(handed: Handed, context: TaskContext) -> Handed:
    """Goes on with one value."""
    with body(context, handed):
        context.logger.info("loading", extra={"of": handed[1]})
    return _mine(context)


@task(executor="thread")
def join(handed: Sequence[Handed], context: TaskContext) -> Handed:
    """Goes on with many values."""
    with body(context, *handed):
        pass
    return _mine(context)


@task(executor="thread", retries=2, retry_delay=0.3)
def flaky(context: TaskContext) -> Handed:
    """Fails twice in each run, however often it is interrupted."""
    with body(context):
        name = context.run.run_id.replace("/", " ")
        failures = _append(Path(os.environ[JOURNAL]).parent / "failures" / name, "x")
        if failures <= 2:
            raise RuntimeError(f"failure {failures}")
    return _mine(context)


@task(executor="thread")
def breaks(context: TaskContext) -> None:
    """Fails for good."""
    with body(context):
        raise RuntimeError("no")


@task(executor="thread")
def skips(context: TaskContext) -> None:
    """Has nothing to do."""
    with body(context):
        raise Skip("nothing to do")


@task(executor="thread")
def step(context: TaskContext) -> Handed:
    """Waits for others, but not for their values."""
    with body(context):
        pass
    return _mine(context)


@task(executor="thread")
def quick(context: TaskContext) -> int:
    """Ends at once, with a line in its log."""
    context.logger.info("quick", extra={"run": context.run.run_id})
    return context.attempt


@task(executor="thread")
def talkative(number: int, context: TaskContext) -> int:
    """Prints and logs, and ends."""
    for line in range(10):
        print(f"line {line} of attempt {number} " + "." * 60)
        context.logger.info("line %d", line, extra={"number": number})
    return number


@task(executor="kernel")
def in_kernel(number: int) -> list[int]:
    """A function in a kernel."""
    print("in a kernel", number)
    return list(range(1000))


def dags(name: str) -> list[DagSpec]:
    """Return the DAGs of one of the `LOADS`, the same at each call."""
    return [make().spec for make in LOADS[name]]


def _chain() -> DAG:
    with DAG("chain", every("1s"), catchup=True, max_active_runs=4) as dag:
        load.override(id="report")(load(extract()))
    return dag


def _fan() -> DAG:
    with DAG("fan", every("2s"), catchup=True, max_active_runs=3) as dag:
        rows = extract()
        join([load.override(id=f"part{number}")(rows) for number in range(5)])
    return dag


def _flaky() -> DAG:
    with DAG("flaky", every("2s"), catchup=True, max_active_runs=3) as dag:
        load(flaky())
    return dag


def _rules() -> DAG:
    with DAG("rules", every("3s"), max_active_runs=3) as dag:
        bad, good, nothing = breaks(), extract(), skips()
        bad >> step.override(id="on_failure", trigger_rule="one_failed")()
        [bad, good] >> step.override(id="in_any_case", trigger_rule="all_done")()
        [nothing, good] >> step.override(id="unless_failed", trigger_rule="none_failed")()
        bad >> step.override(id="never")()
    return dag


def _at_most_once() -> DAG:
    with DAG("at_most_once", every("1s"), catchup=True, max_active_runs=4) as dag:
        charge = step.override(id="charge", **AT_MOST_ONCE)()
        charge >> step.override(id="receipt", trigger_rule="all_done")()
    return dag


def _by_hand() -> DAG:
    with DAG(BY_HAND, params={"city": "Gdansk"}) as dag:
        parts = [load.override(id=f"part{number}")(extract()) for number in range(2)]
        join(parts) >> step.override(id="tidy", cleanup=True)()
    return dag


def _in_kernels() -> DAG:
    with DAG("in_kernels", every("3s"), catchup=True, max_active_runs=2) as dag:
        rows = extract.override(executor="kernel")()
        load.override(executor="kernel")(rows)
        load.override(id="beside")(rows)
    return dag


def _talk() -> DAG:
    with DAG("talk", every("1s")) as dag:
        number = quick()
        quick.override(id="last", trigger_rule="all_done")() << [
            talkative.override(id=f"part{n}")(number) for n in range(5)
        ]
    return dag


def _notebooks() -> DAG:
    with DAG("notebooks", every("2s")) as dag:
        talkative(quick()) >> in_kernel.override(id="a")(1) >> in_kernel.override(id="b")(2)
    return dag


def _small() -> DAG:
    with DAG(SMALL, max_active_runs=50) as dag:
        talkative(quick())
    return dag


_MIXED = (_chain, _fan, _flaky, _rules, _at_most_once, _by_hand)

#: What a scheduler may be given to do, by name.
LOADS: Mapping[str, Sequence[Callable[[], DAG]]] = {
    "threads": _MIXED,
    "threads and kernels": (*_MIXED, _in_kernels),
    "steady": (_talk, _notebooks, _small),
    "small": (_small,),
}
