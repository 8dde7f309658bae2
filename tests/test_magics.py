"""``%ppacer`` in a real IPython shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import Widget
from traitlets.config import Config

from ppacer_nb.authoring import registry
from ppacer_nb.magics import PpacerMagics
from ppacer_nb.model.events import ScheduleEvent
from ppacer_nb.session import current
from ppacer_nb.status import ScheduleEventKind
from ppacer_nb.store.store import Store
from tests.faces import Shell, begun, failing_dag, may_go_on, sales_dag, waiting_dag
from tests.kernels.lab import write_notebook


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", "analysis.ipynb")
    registry.forget_all()
    current.cache_clear()
    InteractiveShell.clear_instance()
    # Without a history, whose file is gone when the process ends.
    ip: Any = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    found = Shell(ip)
    found.run("%load_ext ppacer_nb")
    yield found
    found.run("%ppacer stop --wait 0")
    assert not _magics(found)._session.is_running
    Widget.close_all()
    registry.forget_all()
    current.cache_clear()
    InteractiveShell.clear_instance()


def finished_run(shell: Shell, dag_id: str) -> str:
    """Trigger a DAG, wait until the run has ended, and return its id."""
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    run_id, end = scheduler.trigger_run(dag_id)
    end.result(timeout=30)
    scheduler.flush()
    return run_id


def _magics(shell: Shell) -> PpacerMagics:
    magics: PpacerMagics = shell.shell.magics_manager.registry["PpacerMagics"]
    return magics


def test_start_says_what_is_scheduled_and_for_how_long(shell: Shell) -> None:
    sales_dag(schedule="15 6 * * 1-5", description="sales of the day")
    shown = shell.run("%ppacer start")
    assert "as long as this kernel lives" in shown
    assert "sales" in shown
    assert "15 6 * * 1-5" in shown
    assert "sales of the day" in shown
    assert Path(".ppacer/ppacer.duckdb").exists()
    assert Path(".ppacer/.gitignore").read_text() == "*\n"


def test_a_comment_may_follow_a_command(shell: Shell) -> None:
    assert "as long as this kernel lives" in shell.run("%ppacer start   # scheduling begins; it's at once")


def test_a_second_start_in_the_kernel_is_harmless(shell: Shell) -> None:
    shell.run("%ppacer start")
    assert "runs in this kernel already" in shell.run("%ppacer start")


def test_a_run_can_be_triggered_and_looked_at(shell: Shell) -> None:
    sales_dag()
    shell.run("%ppacer start")
    assert "Run sales/manual-" in shell.run("%ppacer trigger sales -p city=Lodz")
    run_id = finished_run(shell, "sales")
    assert run_id in shell.run("%ppacer runs")
    page = shell.run(f"%ppacer show {run_id}")
    assert "✓ success" in page
    assert "rows" in page
    assert "Gdansk" in page
    assert "reading" in shell.run("%ppacer logs sales")
    assert "reading" in shell.run(f"%ppacer logs {run_id} rows -n 5")


def test_show_draws_the_graph_with_states(shell: Shell) -> None:
    sales_dag()
    shell.run("%ppacer start")
    finished_run(shell, "sales")
    html = shell.html("%ppacer show sales")
    assert "<svg" in html
    assert "success" in html


def test_a_failure_is_shown_with_its_traceback(shell: Shell) -> None:
    failing_dag()
    shell.run("%ppacer start")
    finished_run(shell, "failing")
    page = shell.run("%ppacer show failing")
    assert "✗ failed" in page
    assert "ValueError: no good: 1" in page
    assert 'raise ValueError(f"no good: {number}")' in page


def test_a_definition_in_a_later_cell_reaches_the_scheduler(shell: Shell) -> None:
    shell.run("%ppacer start")
    shown = shell.run("from tests.faces import sales_dag\nd = sales_dag('late')")
    assert "late is scheduled now" in shown
    assert "late" in shell.run("%ppacer dags")
    shown = shell.run("d = sales_dag('late', description='better')")
    assert "late has a new version" in shown


def test_a_dag_can_be_triggered_in_the_cell_that_defines_it(shell: Shell) -> None:
    shell.run("%ppacer start")
    shell.run("from ppacer_nb import DAG")
    shown = shell.run("with DAG('now') as dag: pass\n%ppacer trigger now")
    assert "now is scheduled now" in shown
    assert "Run now/manual-" in shown


def test_a_definition_that_the_scheduler_refuses_is_explained_once(shell: Shell) -> None:
    shell.run("%ppacer start")
    cell = (
        "from ppacer_nb import DAG, task\n"
        "@task(pool='db')\ndef load(): pass\n"
        "with DAG('pooled'):\n    load()\n"
    )
    assert "--pool db=SLOTS" in shell.run(cell)
    assert "pool" not in shell.run("1")


def test_pools_are_given_at_the_start(shell: Shell) -> None:
    shell.run("%ppacer start --pool db=2")
    cell = (
        "from ppacer_nb import DAG, task\n"
        "@task(pool='db')\ndef load(): pass\n"
        "with DAG('pooled'):\n    load()\n"
    )
    assert "pooled is scheduled now" in shell.run(cell)
    status = shell.run("%ppacer status")
    assert "slots taken" in status
    assert "0 of 2" in status


def test_sql_shows_a_table_and_keeps_rows(shell: Shell) -> None:
    sales_dag()
    shell.run("%ppacer start")
    finished_run(shell, "sales")
    shown = shell.run("%ppacer sql SELECT dag_id, state FROM dag_runs")
    assert "sales" in shown
    assert "1 row" in shown
    kept = "r = %ppacer sql SELECT task_id FROM task_runs ORDER BY task_id\nprint(r.columns, r.rows)"
    assert shell.run(kept) == "['task_id'] [('rows',), ('total',)]\n"
    assert "total" in shell.run("%%ppacer sql\nSELECT task_id\nFROM task_runs\nWHERE task_id = 'total'")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("%ppacer strat", "did you mean 'start'?"),
        ("%ppacer trigger nothing", "No DAG 'nothing'"),
        ("%ppacer trigger saels", "did you mean 'sales'?"),
        ("%ppacer trigger sales -p town=x", "no parameter 'town'"),
        ("%ppacer trigger sales -p city", "is not of the form NAME=VALUE"),
        ("%ppacer trigger sales --date tomorrow", "is not an ISO date"),
        ("%ppacer show sales/x", "No run 'sales/x'"),
        ("%ppacer restart sales", "DAG 'sales' has not run yet"),
        ("%ppacer restart", "the following arguments are required: RUN"),
        ("%ppacer clear sales", "the following arguments are required: TASK"),
        ("%ppacer mark sales rows skipped", "invalid choice: 'skipped'"),
        ("%ppacer pause saels", "did you mean 'sales'?"),
        ("%ppacer unpause sales", "DAG 'sales' is not paused"),
        ("%ppacer backfill sales 2026-11-01", "%ppacer backfill sales FROM TO"),
        ("%ppacer backfill sales cancel", "no backfill of DAG 'sales' is under way"),
        ("%ppacer backfill sales 2026-11-01 2026-11-02", "DAG 'sales' has no schedule"),
        ("%ppacer backfill sales 2026-11-02 2026-11-01", "ends before it begins"),
        ("%ppacer backfill sales yesterday today", "is 'yesterday': give a date"),
        ("%ppacer backfill saels 2026-11-01 2026-11-02", "did you mean 'sales'?"),
        ("%ppacer catchup sales some", "invalid choice: 'some'"),
        ("%ppacer catchup sales all", "DAG 'sales' has no missed points"),
        ("%ppacer runs -n 0", "too few"),
        ("%ppacer sql DROP TABLE events", "only one SELECT"),
        ("%ppacer sql SELECT nothing FROM dag_runs", "nothing"),
        ("%ppacer sql", "Give a query"),
        ("%ppacer stop --wait soon", "not a duration"),
        ("%%ppacer runs\nx", "Only sql takes a whole cell"),
        ("%ppacer start --pool db", "NAME=SLOTS"),
        ('%ppacer trigger "sales', "No closing quotation"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(shell: Shell, command: str, sentence: str) -> None:
    if not command.startswith("%ppacer start"):
        sales_dag()
        shell.run("%ppacer start")
    assert sentence.lower() in shell.run(command).lower()


def test_before_a_start_there_is_nothing_to_show(shell: Shell) -> None:
    assert "%ppacer start" in shell.run("%ppacer status")
    assert "%ppacer start" in shell.run("%ppacer dashboard")


def test_after_a_stop_the_history_can_still_be_read(shell: Shell) -> None:
    sales_dag()
    shell.run("%ppacer start")
    run_id = finished_run(shell, "sales")
    assert "has stopped" in shell.run("%ppacer stop")
    assert run_id in shell.run("%ppacer runs")
    assert "No scheduler is running" in shell.run("%ppacer status")
    assert "no scheduler is running" in shell.run("%ppacer trigger sales").lower()


def test_after_a_stop_the_dashboard_shows_the_history_and_leaves_the_store_to_the_next_scheduler(
    shell: Shell,
) -> None:
    sales_dag()
    shell.run("%ppacer start")
    run_id = finished_run(shell, "sales")
    shell.run("%ppacer dashboard")
    shell.run("%ppacer stop")
    shown = shell.run("%ppacer dashboard")
    assert "No scheduler is running" in shown
    assert run_id in shown
    assert "No scheduler is running" not in shell.run("%ppacer start")
    assert "No scheduler is running" not in shell.run("%ppacer dashboard")


def test_the_dashboard_of_one_dag_or_one_run_is_shown_alone(shell: Shell) -> None:
    sales_dag(schedule="15 6 * * 1-5")
    failing_dag()
    shell.run("%ppacer start")
    run_id = finished_run(shell, "failing")
    finished_run(shell, "sales")
    shown = shell.run(f"%ppacer dashboard --run {run_id}")
    assert "no good: 1" in shown
    assert "sales" not in shown
    assert "at 06:15, Monday to Friday" in shell.run("%ppacer dashboard --dag sales")
    assert "did you mean 'sales'" in shell.run("%ppacer dashboard --dag salse")
    assert "did you mean" in shell.run(f"%ppacer dashboard --run {run_id}Z")
    assert "not allowed with" in shell.run(f"%ppacer dashboard --dag sales --run {run_id}")


def test_help_names_every_command(shell: Shell) -> None:
    shown = shell.run("%ppacer help")
    for command in _magics(shell)._commands:
        assert command in shown
    assert "--workers" in shell.run("%ppacer help start")
    assert "%%ppacer sql" in shown


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%ppacer st", ["start", "stop", "status"]),
        ("%ppacer trigger s", ["sales"]),
        ("%ppacer show sales/", None),
        ("%ppacer logs sales t", ["total"]),
        ("%ppacer trigger sales --", ["--date"]),
        ("%ppacer help tr", ["trigger"]),
        ("%ppacer restart sales/", None),
        ("%ppacer clear sales rows ", ["total"]),
        ("%ppacer mark sales to", ["total"]),
        ("%ppacer mark sales total ", ["failed", "success"]),
        ("%ppacer cancel sales r", ["rows"]),
        ("%ppacer pause ", ["sales"]),
        ("%ppacer dashboard --", ["--dag", "--run"]),
        ("%ppacer dashboard --dag ", ["sales"]),
        ("%ppacer dashboard --run sales/", None),
        ("x = 1\n%ppacer trigger s", ["sales"]),
    ],
)
def test_tab_completes_commands_dags_runs_and_tasks(
    shell: Shell, line: str, expected: list[str] | None
) -> None:
    sales_dag()
    shell.run("%ppacer start")
    run_id = finished_run(shell, "sales")
    with provisionalcompleter():
        found = [c.text for c in shell.shell.Completer.completions(line, len(line))]
    assert sorted(found) == sorted([run_id] if expected is None else expected)


@pytest.fixture
def failed(shell: Shell) -> str:
    """A run whose last task failed."""
    failing_dag()
    shell.run("%ppacer start --executor thread")
    return finished_run(shell, "failing")


def wait_for_end(shell: Shell, run_id: str) -> str:
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    state = scheduler.end_of(run_id).result(30)
    scheduler.flush()
    return state.value


def asked(shell: Shell) -> list[str]:
    """All that was asked of runs and DAGs, as the history keeps it."""
    query = """SELECT reason FROM run_events WHERE restarts > 0 UNION SELECT reason FROM dag_events
               UNION SELECT reason FROM task_events WHERE attempt = 0"""
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    return sorted(reason for (reason,) in scheduler.history.sql(query).rows if reason)


def test_a_failed_run_is_restarted(shell: Shell, failed: str) -> None:
    assert f"Run {failed} goes on" in shell.run("%ppacer restart failing")
    assert wait_for_end(shell, failed) == "failed"
    page = shell.run("%ppacer show failing")
    assert "gone on once after its end" in page
    assert page.count("no good: 1") >= 2
    assert asked(shell)[-1] == "restarted by analysis.ipynb"


def test_tasks_are_run_again(shell: Shell, failed: str) -> None:
    assert "total of run" in shell.run(f"%ppacer clear {failed} total")
    wait_for_end(shell, failed)
    shown = shell.run("%ppacer sql SELECT task_id FROM task_runs WHERE attempt = 2 ORDER BY task_id")
    assert "explode" in shown
    assert "total" in shown
    assert "2 rows" in shown
    assert "has no task 'totl'" in shell.run(f"%ppacer clear {failed} totl")


def test_a_failure_is_taken_for_a_success(shell: Shell, failed: str) -> None:
    assert "Task explode of run" in shell.run("%ppacer mark failing explode success")
    assert wait_for_end(shell, failed) == "success"
    assert "clear a task to run it again" in shell.run("%ppacer restart failing")
    assert "is success already" in shell.run("%ppacer mark failing explode success")
    assert asked(shell) == ["explode marked success by analysis.ipynb"]


def test_a_task_of_a_run_is_cancelled(shell: Shell) -> None:
    waiting_dag()
    shell.run("%ppacer start --executor thread")
    shell.run("%ppacer trigger waiting")
    run_id = begun.get(timeout=20)
    assert f"Task after of run {run_id} is being cancelled" in shell.run("%ppacer cancel waiting after")
    assert "has ended, its state is cancelled" in shell.run("%ppacer cancel waiting after")
    may_go_on.set()
    assert wait_for_end(shell, run_id) == "failed"
    assert "No unfinished run" in shell.run("%ppacer cancel waiting after")
    assert asked(shell) == ["cancelled by analysis.ipynb"]


def test_a_dag_is_paused_and_unpaused(shell: Shell) -> None:
    sales_dag(schedule="15 6 * * 1-5")
    shell.run("%ppacer start")
    assert "sales is paused" in shell.run("%ppacer pause sales")
    for command in ("dags", "status"):
        assert "paused" in shell.run(f"%ppacer {command}")
    assert "paused already" in shell.run("%ppacer pause sales")
    assert finished_run(shell, "sales")
    with provisionalcompleter():
        line = "%ppacer unpause "
        assert [c.text for c in shell.shell.Completer.completions(line, len(line))] == ["sales"]
    shown = shell.run("%ppacer unpause sales")
    assert "sales is scheduled again: next " in shown
    assert "paused" not in shell.run("%ppacer dags")
    assert asked(shell) == ["paused by analysis.ipynb", "unpaused by analysis.ipynb"]


def was_scheduled(dag_id: str, missed: int) -> None:
    """Leave a history in which a scheduler served a point of a daily DAG, and missed that many after it."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    point = today - timedelta(days=missed)
    with Store(Path(".ppacer/ppacer.duckdb")) as store:
        store.log.events([ScheduleEvent(dag_id, ScheduleEventKind.REGULAR, point, point, 1, point)])


def test_points_missed_while_no_scheduler_ran_are_told_of_and_caught_up(shell: Shell) -> None:
    for dag_id, missed in (("sales", 4), ("other", 2)):
        sales_dag(dag_id, schedule="every 1d")
        was_scheduled(dag_id, missed)
    shown = shell.run("%ppacer start")
    assert re.search(r"sales: 4 points missed from \S.* to \S.* while no scheduler ran", shown)
    assert "other: 2 points missed from" in shown
    assert "%ppacer catchup sales last|all|none" in shown
    for line, expected in (("sal", ["sales"]), ("sales ", ["all", "last", "none"])):
        with provisionalcompleter():
            whole = f"%ppacer catchup {line}"
            found = [c.text for c in shell.shell.Completer.completions(whole, len(whole))]
            assert sorted(found) == expected
    assert "1 run of sales of " in shell.run("%ppacer catchup sales last")
    assert "2 runs of other from " in shell.run("%ppacer catchup other all")
    assert "missed from" not in shell.run("%ppacer status")
    assert "has no missed points" in shell.run("%ppacer catchup sales all")
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    runs = "SELECT dag_id, count(*) FROM dag_runs WHERE run_type = 'catchup' GROUP BY 1 ORDER BY 1"
    assert scheduler.history.sql(runs).rows == [("other", 2), ("sales", 1)]


def test_missed_points_are_let_go_for_good(shell: Shell) -> None:
    sales_dag(schedule="every 1d")
    was_scheduled("sales", missed=1)
    assert "sales: 1 point missed, " in shell.run("%ppacer start")
    assert "The missed points of sales stay skipped" in shell.run("%ppacer catchup sales none")
    for command in ("stop", "status", "start"):
        assert "point missed" not in shell.run(f"%ppacer {command}")


def test_a_backfill_is_previewed_begun_and_followed(shell: Shell) -> None:
    sales_dag(schedule="0 6 * * *")
    shell.run("%ppacer start --executor thread")
    asked = "%ppacer backfill sales 2025-11-01 2025-11-05"
    shown = shell.run(f"{asked} --dry-run city=Lodz --concurrency 2")
    assert "The backfill of sales would make 5 runs, 2 at a time" in shown
    shown = shell.run(f"{asked} --concurrency=2 city=Lodz")
    assert "The backfill of sales begins: 5 runs, 2 at a time" in shown
    assert re.search(r"\d of 5", shown)
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    for day in range(1, 6):
        assert wait_for_end(shell, f"sales/backfill-2025110{day}T060000Z") == "success"
    assert "5 of 5" in shell.run("%ppacer backfill")
    assert {run.params["city"] for run in scheduler.history.runs()} == {"Lodz"}
    shown = shell.run(f"{asked} city=Lodz")
    assert "There is nothing to run for sales" in shown
    assert "left out: succeeded" in shown


def test_a_backfill_is_paused_resumed_and_cancelled(shell: Shell) -> None:
    waiting_dag(schedule="0 6 * * *")
    shell.run("%ppacer start --executor thread")
    shell.run("%ppacer backfill waiting 2025-11-01 2025-11-05T12:00")
    run_id = begun.get(timeout=20)
    assert run_id == "waiting/backfill-20251101T060000Z"
    assert "0 of 5" in shell.run("%ppacer status")
    with provisionalcompleter():
        line = "%ppacer backfill waiting "
        found = [c.text for c in shell.shell.Completer.completions(line, len(line))]
        assert sorted(found) == ["cancel", "pause", "resume"]
    for wish, said in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert said in shell.run(f"%ppacer backfill waiting {wish}")
    may_go_on.set()
    assert wait_for_end(shell, run_id) == "cancelled"
    assert "Backfills" not in shell.run("%ppacer status")


@pytest.mark.timeout(60)
def test_a_failed_notebook_is_mended_and_resumed(shell: Shell) -> None:
    path = write_notebook(Path("report.ipynb"), "rows = [1, 2]", "total = sum(row)", "print(total)")
    shell.run("from ppacer_nb import DAG, notebook")
    shell.run("with DAG('sales') as dag: notebook('report.ipynb', hold_on_failure='5m')")
    shell.run("%ppacer start --preload colorsys,no_such_module")
    assert "No kernel is held" in shell.run("%ppacer resume")
    run_id = finished_run(shell, "sales")
    shown = shell.run("%ppacer show")
    assert "jupyter console --existing" in shown
    assert f"%ppacer resume {run_id} report" in shown
    status = shell.run("%ppacer status")
    assert "Held kernels" in status
    assert "no_such_module is not preloaded, and imported by each task that needs it: it cannot" in status
    with provisionalcompleter():
        line = f"%ppacer resume {run_id} r"
        assert [c.text for c in shell.shell.Completer.completions(line, len(line))] == ["report"]
    path.write_text(path.read_text().replace("sum(row)", "sum(rows)"))
    assert f"Task report of run {run_id} goes on" in shell.run("%ppacer resume")
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    assert scheduler.end_of(run_id).result(30) == "success"
    scheduler.flush()
    shown = shell.run("%ppacer show")
    assert "kernel of attempt 1, kept" in shown
    assert "jupyter console" not in shown
    assert "No kernel is held" in shell.run("%ppacer resume")


def test_what_changed_between_versions_is_said(shell: Shell) -> None:
    sales_dag()
    shell.run("%ppacer start --executor thread")
    run_id = finished_run(shell, "sales")
    assert "there is nothing to compare" in shell.run("%ppacer diff sales")
    sales_dag(schedule="15 6 * * *")
    shell.run("")
    listed = shell.run("%ppacer versions sales")
    scheduler = _magics(shell)._session.scheduler
    assert scheduler is not None
    new, old = (one.version for one in scheduler.history.versions("sales"))
    assert listed.index(new) < listed.index(old)
    shown = shell.run("%ppacer diff sales")
    assert f"from version {old} to {new}: the DAG itself changed." in shown
    assert "+schedule 15 6 * * *" in shown
    assert shell.run(f"%ppacer diff sales {run_id} {new[:6]}") == shown
    assert "nothing changed" in shell.run(f"%ppacer diff sales {new} {new}")
    assert f"it has had {new}, {old}" in shell.run("%ppacer diff sales nonsense")
    assert "did you mean 'sales'" in shell.run("%ppacer diff salse")
