"""Stores that are damaged, and what comes over of them: real files with real damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from ppacer_nb.cli import main
from ppacer_nb.errors import StoreError, StoreLocked
from ppacer_nb.model.attempt import LogLine
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.store.codec import source_rows, version_row
from ppacer_nb.store.recovering import recover
from ppacer_nb.store.schema import MIGRATIONS
from ppacer_nb.store.store import Store
from ppacer_nb.store.wal import wal_of
from ppacer_nb.testing import dag_spec
from tests.store.events import T0, run_event

IN_MAIN_FILE, IN_LOG = 3_000, 2_000

KILLED = """
import os, signal, sys
from pathlib import Path
from ppacer_nb.store.store import Store
from tests.store.test_recovering import IN_LOG, IN_MAIN_FILE, fill

store = Store(Path(sys.argv[1]))
fill(store, IN_MAIN_FILE, IN_LOG)
os.kill(os.getpid(), signal.SIGKILL)
"""


def fill(store: Store, first: int, count: int) -> None:
    for number in range(first, first + count):
        store.log.events([run_event(f"d/{number}")])
        line = LogLine(T0, "STDOUT", os.urandom(200).hex())
        store.log.line(AttemptKey("d/1", "a", 1), line)
        if number % 50 == 0:
            store.log.flush()
    store.log.flush()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A main file and a log, as a process that was killed leaves them."""
    path = tmp_path_factory.mktemp("whole") / "ppacer.duckdb"
    with Store(path) as store:
        fill(store, 0, IN_MAIN_FILE)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    return path.read_bytes(), wal_of(path).read_bytes()


@pytest.fixture
def path(tmp_path: Path, whole: tuple[bytes, bytes]) -> Path:
    path = tmp_path / "ppacer.duckdb"
    path.write_bytes(whole[0])
    wal_of(path).write_bytes(whole[1])
    return path


def flip(path: Path, at: float) -> None:
    """Turn some bytes around, that part of the way into the file."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + 32] = bytes(byte ^ 255 for byte in data[start : start + 32])
    path.write_bytes(data)


def rows(path: Path) -> dict[str, int]:
    with Store(path) as store:
        return {
            table: store.history.sql(f"SELECT count(*) FROM {table}").rows[0][0]
            for table in ("events", "task_logs")
        }


def test_what_a_killed_process_leaves_opens_with_all_that_was_confirmed(path: Path) -> None:
    assert rows(path) == {"events": IN_MAIN_FILE + IN_LOG, "task_logs": IN_MAIN_FILE + IN_LOG}


def test_a_log_that_was_torn_opens_with_what_comes_before_in_order(path: Path) -> None:
    os.truncate(wal_of(path), wal_of(path).stat().st_size // 2)
    with Store(path) as store:
        seqs = [seq for (seq,) in store.history.sql("SELECT seq FROM events ORDER BY seq", limit=9999).rows]
    assert IN_MAIN_FILE < len(seqs) < IN_MAIN_FILE + IN_LOG
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("at", [0.0, 0.5, 0.9])
def test_a_damaged_log_is_refused_and_what_comes_before_the_damage_is_saved(path: Path, at: float) -> None:
    flip(wal_of(path), at)
    before = path.read_bytes(), wal_of(path).read_bytes()
    with pytest.raises(StoreError, match=r"`ppacer recover .*ppacer.duckdb` saves what can be read"):
        Store(path)
    recovery = recover(path)
    assert (path.read_bytes(), wal_of(path).read_bytes()) == before
    assert recovery.lost_log_bytes > 0
    found = rows(recovery.path)
    assert found == {table.name: table.rows for table in recovery.tables if table.rows}
    assert IN_MAIN_FILE <= found["events"] < IN_MAIN_FILE + IN_LOG
    assert (found["events"] > IN_MAIN_FILE) is (at > 0)


def test_a_block_that_is_damaged_costs_its_rows_and_not_the_rest(path: Path) -> None:
    Store(path).close()  # all is in the main file now
    assert not wal_of(path).exists()
    flip(path, 0.6)
    with Store(path) as store, pytest.raises(StoreError, match="ppacer recover"):
        store.history.sql("SELECT sum(length(message)) FROM task_logs")
    with Store(path) as store, pytest.raises(StoreError, match="ppacer recover"):
        store.history.logs("d/1", limit=100_000)
    recovery = recover(path)
    events, lines, *_ = recovery.tables
    assert (events.rows, events.lost) == (IN_MAIN_FILE + IN_LOG, 0)
    assert lines.lost is not None
    assert lines.lost > 0
    assert lines.rows + lines.lost == IN_MAIN_FILE + IN_LOG
    assert "checksum" in lines.problem
    with Store(recovery.path) as store:
        assert store.history.run("d/4999") is not None


def test_versions_come_over_with_the_sources_of_their_tasks(path: Path) -> None:
    dag = dag_spec("d", "a")
    task = replace(dag.tasks["a"], work=replace(dag.tasks["a"].work, source="def a(): ..."))
    dag = replace(dag, tasks={"a": task})
    with Store(path) as store:
        for row in source_rows(dag).values():
            store.log.row("task_sources", row)
        store.log.row("dag_versions", version_row(dag, T0))
    with Store(recover(path).path) as store:
        assert store.history.sources("d", dag.version) == {task.source_hash: "def a(): ..."}


def test_a_table_that_an_older_store_does_not_have_is_not_told_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "ppacer.duckdb"
    older = next(n for n, statements in enumerate(MIGRATIONS) if "CREATE TABLE task_sources" in statements)
    with duckdb.connect(str(path)) as connection:
        connection.execute(";".join(MIGRATIONS[:older]))
    names = [table.name for table in recover(path).tables]
    assert names == ["events", "task_logs", "dag_versions", "notifications"]


def test_a_file_that_was_cut_short_gives_what_is_left_of_it(path: Path) -> None:
    Store(path).close()
    os.truncate(path, path.stat().st_size * 6 // 10)
    recovery = recover(path)
    for table in recovery.tables[:2]:
        assert table.lost is not None
        assert table.rows + table.lost == IN_MAIN_FILE + IN_LOG
    assert sum(table.rows for table in recovery.tables) > 0
    assert sum(table.lost or 0 for table in recovery.tables) > 0


def test_a_file_without_its_beginning_is_beyond_saving_and_leaves_nothing_behind(path: Path) -> None:
    flip(path, 0.0)
    wal_of(path).unlink()
    with pytest.raises(StoreError, match="ppacer recover"):
        Store(path)
    with pytest.raises(StoreError, match=r"nothing of .* can be read .*go back to a copy"):
        recover(path)
    assert [file.name for file in path.parent.iterdir()] == ["ppacer.duckdb"]


def test_a_store_that_is_in_use_and_a_target_that_is_there_are_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no file"):
        recover(path.with_name("none.duckdb"))
    held = "import sys; from pathlib import Path; from ppacer_nb.store.store import Store"
    code = f"{held}; s = Store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked, match=f"held by process {holder.pid}"):
            recover(path)
        holder.stdin.close()
        holder.wait(20)
    recover(path)
    with pytest.raises(StoreError, match="is there already"):
        recover(path)


def test_the_command_says_what_came_over_and_what_did_not(path: Path) -> None:
    flip(wal_of(path), 0.5)
    result = CliRunner().invoke(main, ["recover", str(path)])
    assert result.exit_code == 0, result.output
    assert "events: 3," in result.output or "events: 4," in result.output
    assert "bytes of DuckDB's log cannot be read: the newest of the history is lost" in result.output
    assert f"--store {path.with_name('ppacer.recovered.duckdb')}" in result.output
    again = CliRunner().invoke(main, ["recover", str(path)])
    assert again.exit_code == 1
    assert "is there already" in again.output
