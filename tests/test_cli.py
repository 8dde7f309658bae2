"""``ppacer`` on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result

from ppacer_nb.authoring import registry
from ppacer_nb.cli import main
from ppacer_nb.session import Session
from tests.faces import failing_dag, sales_dag

DEFINITIONS = """
%load_ext ppacer_nb
from ppacer_nb import DAG, task

@task(executor="thread")
def greet(city):
    print("hello", city)
    if city == "nowhere":
        raise ValueError("no such city")
    return city.upper()
"""
DAG_CELL = """
from ppacer_nb import run
with DAG("greetings", params={"city": "Lodz"}) as dag:
    greet(run.params["city"])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    registry.forget_all()
    yield tmp_path
    registry.forget_all()


def write_notebook(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    nbformat.write(notebook, path)
    return path


def ppacer(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_run_executes_a_notebooks_dag_and_exits_by_its_result(folder: Path) -> None:
    notebook = write_notebook(folder / "dags.ipynb", DEFINITIONS, DAG_CELL, "%ppacer start")
    result = ppacer("run", str(notebook))
    assert result.exit_code == 0, result.output
    assert "✓ greet" in result.output
    assert "'LODZ'" in result.output
    result = ppacer("run", str(notebook), "-p", "city=nowhere")
    assert result.exit_code == 1
    assert "no such city" in result.output


def test_what_run_did_is_in_the_history_beside_the_notebook(folder: Path) -> None:
    notebook = write_notebook(folder / "dags.ipynb", DEFINITIONS, DAG_CELL)
    assert ppacer("run", str(notebook)).exit_code == 0
    assert "greetings/manual-" in ppacer("runs").output
    assert "'LODZ'" in ppacer("show").output
    assert "hello Lodz" in ppacer("logs", "greetings", "greet").output
    assert "greetings" in ppacer("sql", "SELECT dag_id FROM dag_runs").output


def test_a_notebook_with_several_dags_needs_a_choice(folder: Path) -> None:
    second = DAG_CELL.replace("greetings", "farewells")
    notebook = write_notebook(folder / "dags.ipynb", DEFINITIONS, DAG_CELL, second)
    result = ppacer("run", str(notebook))
    assert result.exit_code == 1
    assert "defines greetings, farewells: choose one with --dag" in result.output
    assert ppacer("run", str(notebook), "--dag", "farewells").exit_code == 0
    assert "did you mean 'farewells'?" in ppacer("run", str(notebook), "--dag", "farewels").output


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([], "defines no DAG"),
        (["1 / 0"], "code cell 1 of"),
        (["x = 1", "with"], "code cell 2 of"),
    ],
)
def test_a_notebook_that_gives_no_dag_is_explained(folder: Path, cells: list[str], sentence: str) -> None:
    result = ppacer("run", str(write_notebook(folder / "dags.ipynb", *cells)))
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_missing_or_broken_notebook_is_explained(folder: Path) -> None:
    assert "there is no notebook" in ppacer("run", "nothing.ipynb").output
    (folder / "broken.ipynb").write_text("{")
    assert "cannot be read as a notebook" in ppacer("run", "broken.ipynb").output


def test_without_a_history_the_commands_say_so(folder: Path) -> None:
    for command in (["runs"], ["show"], ["logs"], ["sql", "SELECT 1"]):
        result = ppacer(*command)
        assert result.exit_code == 1
        assert "no run history" in result.output


def test_while_a_scheduler_holds_the_store_it_is_asked(folder: Path) -> None:
    store = folder / "held.duckdb"
    session = Session()
    scheduler = session.start(store=store)
    try:
        scheduler.register(sales_dag().spec)
        scheduler.register(failing_dag().spec)
        ends = [scheduler.trigger_run(dag_id)[1] for dag_id in ("sales", "failing")]
        for end in ends:
            end.result(timeout=30)
        scheduler.flush()
        shown = ppacer("runs", "--store", str(store)).output
        assert "sales/manual-" in shown
        assert "✗ failed" in shown
        assert "ValueError: no good: 1" in ppacer("show", "failing", "--store", str(store)).output
        assert "reading" in ppacer("logs", "sales", "--store", str(store)).output
        assert "2" in ppacer("sql", "--store", str(store), "SELECT count(*) FROM dag_runs").output
        assert "did you mean 'sales'?" in ppacer("runs", "--store", str(store), "saels").output
    finally:
        scheduler.stop(wait=timedelta(0))
    assert "sales/manual-" in ppacer("runs", "--store", str(store)).output


def test_the_scheduler_file_is_private_and_goes_with_it(folder: Path) -> None:
    scheduler = Session().start(store=folder / "s" / "held.duckdb")
    address = folder / "s" / "scheduler.json"
    assert os.stat(address).st_mode & 0o777 == 0o600
    scheduler.stop(wait=timedelta(0))
    assert not address.exists()


def test_the_page_needs_a_history_to_show(folder: Path) -> None:
    result = CliRunner().invoke(main, ["ui", "--no-browser"])
    assert result.exit_code == 1
    assert f"there is no run history at {folder / '.ppacer' / 'ppacer.duckdb'}" in result.output


def test_without_voila_the_page_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppacer_nb.ui.find_spec", lambda _: None)
    result = CliRunner().invoke(main, ["ui"])
    assert result.exit_code == 1
    assert "pip install 'ppacer-nb[ui]'" in result.output
