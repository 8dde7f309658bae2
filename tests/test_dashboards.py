"""Dashboards that name no scheduler: they find the one that ``%ppacer`` speaks to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from ipywidgets import Widget

import ppacer_nb
from ppacer_nb.authoring import registry
from ppacer_nb.errors import InvalidOption, NotFound, NotRunning
from ppacer_nb.session import Session, current
from tests.faces import failing_dag, sales_dag

#: A scheduler in a process of its own, on the store in the working directory, that has run one DAG.
ELSEWHERE = """
import sys
from ppacer_nb.session import current
from tests.faces import sales_dag
sales_dag()
scheduler = current().start()
current().register()
run_id, end = scheduler.trigger_run("sales")
end.result(20)
scheduler.flush()
print(run_id, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    registry.forget_all()
    current.cache_clear()
    yield
    Widget.close_all()
    if (scheduler := current().scheduler) is not None:
        scheduler.stop(wait=timedelta(0))
    current.cache_clear()
    registry.forget_all()


def finished_run(session: Session, dag_id: str) -> str:
    assert session.scheduler is not None
    run_id, end = session.scheduler.trigger_run(dag_id)
    end.result(timeout=20)
    session.scheduler.flush()
    return run_id


def test_they_show_the_scheduler_of_this_process_with_what_is_defined_by_now() -> None:
    current().start()
    sales = sales_dag()
    assert [dag["id"] for dag in ppacer_nb.dashboard().dags] == ["sales"]
    run_id = finished_run(current(), "sales")
    failing = failing_dag().dashboard()
    assert (failing.parts, failing.dag["id"]) == (["dag"], "failing")
    assert sales.dashboard().dag["id"] == "sales"
    shown = ppacer_nb.run_view(run_id)
    assert (shown.parts, shown.run["id"], shown.run["state"]) == (["run"], run_id, "success")
    assert ppacer_nb.run_view("sales").run["id"] == run_id
    assert ppacer_nb.run_view().selection["run_id"] is None


def test_they_follow_the_scheduler_of_another_process(tmp_path: Path) -> None:
    root = Path(ppacer_nb.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{ELSEWHERE}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        shown = ppacer_nb.run_view(run_id)
        assert shown.run["state"] == "success"
        assert not shown.scheduler["here"]
        shown.close()
        process.communicate("")


def test_without_a_scheduler_they_show_what_it_has_left() -> None:
    scheduler = current().start()
    sales_dag()
    current().register()
    run_id = finished_run(current(), "sales")
    scheduler.stop(wait=timedelta(0))
    assert ppacer_nb.run_view("sales").run["id"] == run_id
    assert not ppacer_nb.dashboard().scheduler["running"]
    current().start()  # they have not kept the store


def test_what_is_not_there_is_said_with_what_may_be_meant() -> None:
    with pytest.raises(NotRunning, match="%ppacer start"):
        ppacer_nb.dashboard()
    current().start()
    sales_dag()
    run_id = ppacer_nb.dashboard().api.trigger("sales")
    with pytest.raises(NotFound, match=f"did you mean '{run_id}'"):
        ppacer_nb.run_view(run_id.replace("manual", "manuel"))
    with pytest.raises(NotFound, match="did you mean 'sales'"):
        ppacer_nb.run_view("sale")


def test_a_dag_that_the_scheduler_refuses_is_said_where_it_should_be_shown() -> None:
    current().start()

    @ppacer_nb.task(pool="db")
    def load() -> None:
        pass

    with ppacer_nb.DAG("pooled") as dag:
        load()
    with pytest.raises(InvalidOption, match="db"):
        dag.dashboard()


def test_a_plain_terminal_gets_text(tmp_path: Path) -> None:
    scheduler = current().start()
    sales_dag()
    current().register()
    run_id = finished_run(current(), "sales")
    scheduler.stop(wait=timedelta(0))
    code = "import ppacer_nb\nppacer_nb.run_view()"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    shown = subprocess.run(
        command, input=code, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60
    ).stdout
    assert run_id in shown
    assert "✓ success" in shown


def test_a_table_of_runs_is_shown_as_it_was_asked_for() -> None:
    session = current()
    session.start()
    for define in (sales_dag, failing_dag):
        define()
    ppacer_nb.dashboard().close()
    for dag_id in ("sales", "failing"):
        finished_run(session, dag_id)
    assert [row["dag"] for row in ppacer_nb.runs_table().found["rows"]] == ["failing", "sales"]
    assert [row["dag"] for row in ppacer_nb.runs_table(state="failed").found["rows"]] == ["failing"]
    assert [row["dag"] for row in ppacer_nb.runs_table("sales").found["rows"]] == ["sales"]
    with pytest.raises(NotFound, match="did you mean 'sales'"):
        ppacer_nb.runs_table("salse")
    with pytest.raises(InvalidOption, match="never 'sick'"):
        ppacer_nb.runs_table(state="sick")
