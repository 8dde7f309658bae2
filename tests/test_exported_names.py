from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"duckdb", "papermill", "nbclient", "jupyter_client", "ipywidgets", "anywidget", "IPython", "tornado"}


@pytest.mark.parametrize(
    ("module", "may_load"),
    [
        ("ppacer_nb", set()),
        ("ppacer_nb.authoring.tasks", set()),
        ("ppacer_nb.engine.coordinator", set()),
        ("ppacer_nb.scheduler.service", {"duckdb"}),
        ("ppacer_nb.testing", {"duckdb"}),
    ],
)
def test_importing_a_floor_loads_nothing_heavy_that_it_does_not_need(module: str, may_load: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(result.stdout.split()) <= may_load
