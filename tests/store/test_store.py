from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import duckdb
import pytest

from ppacer_nb.errors import StoreError, StoreLocked, StoreVersion
from ppacer_nb.status import RunState
from ppacer_nb.store.codec import event_row
from ppacer_nb.store.migrating import backup_of
from ppacer_nb.store.schema import MIGRATIONS, SCHEMA
from ppacer_nb.store.store import Store
from tests.store.events import run_event
from tests.store.full_disk import full_disk

HOLD = """
import sys
from pathlib import Path
from ppacer_nb.store.store import Store
store = Store(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ppacer.duckdb"


def test_a_store_is_made_with_its_folder_and_found_again(path: Path) -> None:
    with Store(path) as store:
        store.log.events([run_event()])
        assert repr(store) == f"Store({path})"
    with Store(path) as store:
        assert [run.run_id for run in store.history.runs()] == ["d/1"]
        store.log.events([run_event("d/2")])
    with Store(path) as store:
        assert store.history.sql("SELECT seq FROM events ORDER BY seq").rows == [(1,), (2,)]


def test_a_store_in_memory_is_its_own() -> None:
    with Store(None) as one, Store(None) as two:
        one.log.events([run_event()])
        one.log.flush()
        assert (len(one.history.runs()), len(two.history.runs())) == (1, 0)
        assert repr(one) == "Store(in memory)"


def test_another_process_that_holds_the_file_is_named_by_its_pid(path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked, match=rf"held by process {holder.pid}: only one process"):
            Store(path)
        holder.stdin.close()
        holder.wait(20)
    with Store(path) as store:
        assert store.history.runs() == []


def test_this_process_opens_a_file_once_by_whatever_name(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    with Store(path):
        link.symlink_to(path.parent)
        names = [path, Path(os.path.relpath(path)), link / path.name, path.parent / ".." / "deep" / path.name]
        for name in names:
            with pytest.raises(StoreLocked, match="this process already has"):
                Store(name)
    with Store(link / path.name):
        pass


def test_a_store_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with Store(path):
        pass
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"UPDATE ppacer_schema SET number = {SCHEMA + 1}")
    with pytest.raises(StoreVersion, match=rf"has schema {SCHEMA + 1}, .*\(it writes {SCHEMA}\): upgrade"):
        Store(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"UPDATE ppacer_schema SET number = {SCHEMA}")
    with Store(path):
        pass


def test_a_duckdb_file_of_somebody_else_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE sales (i INTEGER)")
    with pytest.raises(StoreError, match=r"no run history .it has the table 'sales'.: give another path"):
        Store(path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("sales",)]


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 10_000)
    with pytest.raises(StoreError, match="cannot be opened as a run history"):
        Store(path)
    assert path.read_bytes() == b"garbage" * 10_000


def test_a_file_cut_short_is_refused(path: Path) -> None:
    with Store(path) as store:
        store.log.events([run_event(f"d/{n}") for n in range(1000)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError):
        Store(path)


def test_a_schema_without_its_number_is_refused(path: Path) -> None:
    with Store(path):
        pass
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM ppacer_schema")
    with pytest.raises(StoreError, match="ppacer_schema"):
        Store(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened as a run history"):
        Store(tmp_path / "file" / "ppacer.duckdb")


def test_a_refused_file_can_be_tried_again(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("garbage" * 10_000)
    for _ in range(2):
        with pytest.raises(StoreError, match="cannot be opened"):
            Store(path)
    path.unlink()
    with Store(path):
        pass


def test_closing_while_others_read_is_in_order_and_they_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.duckdb")
    told: list[str] = []
    reading = threading.Event()

    def read() -> None:
        try:
            while True:
                store.history.counts()
                reading.set()
        except StoreError as error:
            told.append(str(error))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    reading.wait()
    store.close()
    for thread in threads:
        thread.join()
    assert len(told) == 4
    assert all("the run history cannot be read" in text for text in told)
    Store(tmp_path / "a.duckdb").close()


def test_closing_ends_a_query_that_takes_long(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.duckdb")
    told: list[str] = []

    def read() -> None:
        try:
            store.history.sql("SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b")
        except StoreError as error:
            told.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    while not store._database._reading:
        pass
    store.close()
    thread.join()
    assert len(told) == 1


def make_old(path: Path) -> None:
    """Make a store of schema 1 with a run in it."""
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE ppacer_schema AS SELECT 1 AS number")
        connection.execute(MIGRATIONS[0])
        row = event_row(1, run_event(state=RunState.QUEUED))
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def schema_and_runs(path: Path) -> list[tuple[int, str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("SELECT number, run_id FROM ppacer_schema, events").fetchall()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_migration_keeps_the_old_file_whole_beside_the_new_one(path: Path) -> None:
    make_old(path)
    old = path.read_bytes()
    with Store(path):
        pass
    assert names(path.parent) == ["ppacer.duckdb", "ppacer.duckdb.schema1-backup"]
    assert backup_of(path, 1).read_bytes() == old
    assert schema_and_runs(path) == [(SCHEMA, "d/1")]
    with Store(path):
        assert path.exists()
    assert backup_of(path, 1).read_bytes() == old


def test_a_new_store_has_no_backup(path: Path) -> None:
    with Store(path):
        pass
    assert names(path.parent) == ["ppacer.duckdb"]


def test_a_migration_without_room_for_the_backup_is_refused_and_changes_nothing(path: Path) -> None:
    make_old(path)
    old = path.read_bytes()
    with full_disk(len(old) // 2), pytest.raises(StoreError, match=r"schema1-backup .*make room there"):
        Store(path)
    assert (names(path.parent), path.read_bytes()) == (["ppacer.duckdb"], old)
    with Store(path) as store:
        assert len(store.history.runs()) == 1


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(path)
    broken = (*MIGRATIONS[:-1], "DROP VIEW dag_runs; SELECT * FROM nothing")
    with monkeypatch.context() as patched:
        patched.setattr("ppacer_nb.store.migrating.MIGRATIONS", broken)
        with pytest.raises(
            StoreError, match=rf"from schema 1 to {SCHEMA}, and was left as it was: .*nothing"
        ):
            Store(path)
    assert schema_and_runs(path) == schema_and_runs(backup_of(path, 1)) == [(1, "d/1")]
    with Store(path) as store:
        assert len(store.history.runs()) == 1


def test_a_store_of_an_older_schema_is_brought_up_to_date_with_what_it_holds(path: Path) -> None:
    make_old(path)
    with Store(path) as store:
        assert [run.run_id for run in store.history.runs()] == ["d/1"]
        assert store.history.sql("SELECT held_until FROM task_runs").rows == []
        assert store.history.sql("SELECT restarts, duration FROM dag_runs").rows == [(0, None)]
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT number FROM ppacer_schema").fetchall() == [(SCHEMA,)]
