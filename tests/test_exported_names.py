"""What `ppacer_nb` shows to the world, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys

import ppacer_nb

HEAVY = ("duckdb", "ipywidgets", "anywidget", "papermill", "nbclient", "jupyter_client", "nbconvert")


def test_everything_public_is_exported_and_sorted() -> None:
    assert ppacer_nb.__all__ == sorted(ppacer_nb.__all__)
    assert all(hasattr(ppacer_nb, name) for name in ppacer_nb.__all__)


def test_the_exported_names_are_the_agreed_ones() -> None:
    assert set(ppacer_nb.__all__) == {
        *("DAG", "task", "notebook", "bash", "run", "secret", "TaskContext", "Skip"),
        *("Schedule", "cron", "every", "daily", "weekly", "monthly", "yearly", "hourly", "every_minute"),
        *("dashboard", "run_view", "runs_table"),
    }


def test_an_import_loads_nothing_heavy() -> None:
    code = f"import sys, ppacer_nb; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
