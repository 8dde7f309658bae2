"""A store of an older schema brought up to date: all or nothing, with a copy of the old file beside it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

from ppacer_nb.errors import StoreError, StoreVersion
from ppacer_nb.store.database import Database, explained, first_line
from ppacer_nb.store.schema import MIGRATIONS, SCHEMA


def open_migrated(path: Path | None) -> Database:
    """Open a database and bring its schema up to date.

    An older store is first copied to ``PATH.schema2-backup`` (of schema 2), whole or not at all. A migration
    that fails leaves the store as it was.

    Raises
    ------
    StoreVersion
        If a newer ppacer_nb wrote it.
    StoreError
        If it cannot be opened, is no store, or there is no room for the copy.
    """
    database = Database(path)
    try:
        found = _schema_of(database, path)
        if path is not None and 0 < found < SCHEMA:
            with database.cursor() as cursor:
                cursor.execute("CHECKPOINT").fetchall()  # so that one file is all there is
            # Closed, as the lock on a file is lost when its process closes it a second time.
            database.close()
            _back_up(path, found)
            database = Database(path)
            found = _schema_of(database, path)
        _migrate(database, path, found)
    except duckdb.Error as error:
        database.close()
        raise explained(path, error) from error
    except BaseException:
        database.close()
        raise
    return database


def backup_of(path: Path, schema: int) -> Path:
    """Return where the copy of a store is kept as it was with that schema."""
    return path.with_name(f"{path.name}.schema{schema}-backup")


def _back_up(path: Path, schema: int) -> None:
    backup = backup_of(path, schema)
    unfinished = backup.with_name(f"{backup.name}.tmp")
    try:
        shutil.copyfile(path, unfinished)
        _sync(unfinished)
        unfinished.replace(backup)
        _sync(backup.parent)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise StoreError(
            f"{path} is of an older ppacer_nb, and cannot be brought up to date as there can be no copy of "
            f"it first in {backup.name} ({error.strerror}): make room there. It was left as it is."
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _migrate(database: Database, path: Path | None, found: int) -> None:
    if found > SCHEMA:
        raise StoreVersion(
            f"{path} has schema {found}, which this version of ppacer_nb does not know (it writes {SCHEMA}): "
            "upgrade ppacer_nb, or use another store."
        )
    if found == SCHEMA:
        return
    with database.cursor() as cursor:
        cursor.begin()
        try:
            for statements in MIGRATIONS[found:]:
                cursor.execute(statements).fetchall()
            cursor.execute("UPDATE ppacer_schema SET number = ?", [SCHEMA]).fetchall()
            cursor.commit()
        except duckdb.Error as error:
            with suppress(duckdb.Error):  # a commit that failed has left nothing to roll back
                cursor.rollback()
            raise StoreError(
                f"{path} could not be brought from schema {found} to {SCHEMA}, and was left as it was: "
                f"{first_line(error)}"
            ) from error


def _schema_of(database: Database, path: Path | None) -> int:
    """Return the schema's number, 0 for a file that is still empty."""
    with database.cursor() as cursor:
        names = cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        tables = {name for (name,) in names}
        if "ppacer_schema" not in tables:
            if tables:
                raise StoreError(
                    f"{path} is a DuckDB file, but no run history (it has the table {min(tables)!r}): "
                    "give another path."
                )
            cursor.execute("CREATE TABLE ppacer_schema AS SELECT 0 AS number").fetchall()
        numbers = cursor.execute("SELECT number FROM ppacer_schema").fetchall()
    if len(numbers) != 1:
        raise StoreError(f"{path} is damaged: its table ppacer_schema has {len(numbers)} rows and not one.")
    return int(numbers[0][0])
