"""A run in a notebook, in a real kernel."""

from __future__ import annotations

from pathlib import Path

from nbclient import NotebookClient
from nbformat import v4

from ppacer_nb.authoring.live import live_graph
from tests.faces import sales_dag

RUN = """
from tests.faces import failing_dag
state = failing_dag().run().state
"""


def test_the_graph_below_the_cell_ends_in_the_states_of_the_run() -> None:
    notebook = v4.new_notebook(cells=[v4.new_code_cell(RUN)])
    NotebookClient(notebook, kernel_name="python3").execute(cwd=str(Path(__file__).parents[2]))
    (shown,) = [output for output in notebook.cells[0].outputs if output.output_type == "display_data"]
    assert "✓ success  total" in shown.data["text/plain"]
    assert "✗ failed   explode" in shown.data["text/plain"]
    assert "ppacer-state-failed" in shown.data["text/html"]


def test_outside_a_notebook_nothing_is_shown() -> None:
    assert live_graph(sales_dag().spec) is None
