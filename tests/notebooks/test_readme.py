"""The README's example runs as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat import NotebookNode

README = Path(__file__).parents[2] / "README.md"
REPORT = ("rows = []\ntotal = 0", 'print(f"{total} in {len(rows)} cities")')
AFTERWARDS = """
import queue

session = get_ipython().magics_manager.registry["PpacerMagics"]._session
changes = queue.SimpleQueue()
session.scheduler.subscribe(changes.put)
while not all(run.state.is_terminal for run in session.scheduler.history.runs()):
    changes.get()
session.scheduler.flush()
%ppacer show
%ppacer logs
%ppacer stop
"""


@pytest.mark.notebooks
def test_the_program_in_the_readme_runs_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 3, "the example, what to type then, and the test"
    program, typed, tested = blocks
    write(tmp_path / "sales_report.ipynb", *REPORT)
    outputs = executed(tmp_path, program, typed, AFTERWARDS, tested)
    assert "<svg" in outputs[0], "the graph is drawn under the cell"
    assert "Scheduling lasts as long as this kernel lives" in outputs[1]
    assert "begins" in outputs[1]
    assert "200 in 2 cities" in outputs[2]
    (report,) = tmp_path.glob(".ppacer/runs/daily_sales/*/sales_report.1.html")
    assert "200 in 2 cities" in report.read_text()


def write(path: Path, parameters: str, *cells: str) -> None:
    """Write a notebook with a cell of parameters."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in (parameters, *cells)])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def executed(folder: Path, *cells: str) -> list[str]:
    """Execute cells in a kernel in `folder`; return all that each of them shows."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return ["".join(_shown(output) for output in cell.outputs) for cell in notebook.cells]


def _shown(output: NotebookNode) -> str:
    return str(output.get("text", "")) + "".join(str(part) for part in output.get("data", {}).values())
