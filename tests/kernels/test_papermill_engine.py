# ruff: noqa: E501 (cells of notebooks)
"""The papermill engine ``ppacer``: the same executed notebooks as papermill's own, sooner, and no lies."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from difflib import unified_diff
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import pytest
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from traitlets import Type

from ppacer_nb.kernels.channel import Client
from ppacer_nb.kernels.provisioner import shared_server
from tests.kernels.corpus import CORPUS, FILES, code, write

_PAPERMILL = (sys.executable, "-m", "papermill")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_CELL_FILE = re.compile(r"ipykernel_\d+([/\\])\d+\.py|(?<=<ipython-input-)\d+-[0-9a-f]+")
_TIME = re.compile(r"CPU times: .*?Wall time:|[\d.]+ (?:ns|[µμu]s|ms|s|min)\b")
_MODEL_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
# They count on from the threads of ipykernel, where a kernel that is no fork has one more: it watches a parent.
_THREAD = re.compile(r"\bThread-\d+")


class StockManager(AsyncKernelManager):
    """papermill's own, but for one thing: see `ppacer_nb.kernels.channel`. Without, it hangs now and then."""

    client_factory = Type(Client)


def executed(
    source: Path, engine: str | None, folder: Path, **options: Any
) -> tuple[Any, type[BaseException] | None]:
    """Run a notebook in a folder of its own; return the file that is left, and what was raised."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    raised = None
    target = folder / "out.ipynb"
    if engine is None:
        options["kernel_manager_class"] = StockManager
    try:
        papermill.execute_notebook(
            source, target, engine_name=engine, cwd=folder, progress_bar=False, **options
        )
    except Exception as error:
        raised = type(error)
    return nbformat.read(target, as_version=4), raised


def comparable(document: Any, source: Path, folder: Path) -> Any:
    """Return an executed notebook without what no two executions have in common."""
    known = {cell.get("id") for cell in nbformat.read(source, as_version=4).cells}
    document = json.loads(json.dumps(document))
    own = document["metadata"]["papermill"]
    for name in ("start_time", "end_time", "duration"):
        own[name] = own[name] is not None
    for number, cell in enumerate(document["cells"]):
        # papermill's own cells, and those of old notebooks, get random ids.
        cell["id"] = cell["id"] if cell["id"] in known else f"new {number}"
        for name in ("start_time", "end_time", "duration"):
            cell["metadata"].get("papermill", {})[name] = (
                cell["metadata"].get("papermill", {}).get(name) is not None
            )
        if "execution" in cell["metadata"]:  # times of messages
            cell["metadata"]["execution"] = sorted(cell["metadata"]["execution"])
        if "outputs" in cell:
            cell["outputs"] = [one for output in _joined(cell["outputs"]) for one in output]
    text = json.dumps(_with_models_named(document), sort_keys=True, ensure_ascii=False)
    return json.loads(_without_chance(text, folder))


def _with_models_named(document: Any) -> Any:
    """Name widgets' models by what they are, with all that they refer to: their ids are random."""
    text = json.dumps(document)
    models = (
        document["metadata"]
        .get("widgets", {})
        .get("application/vnd.jupyter.widget-state+json", {})
        .get("state", {})
    )

    def name(found: re.Match[str]) -> str:
        if found[0] not in models:
            return "ID"
        model = _MODEL_ID.sub(name, json.dumps(models[found[0]], sort_keys=True))
        return "MODEL " + hashlib.sha256(model.encode()).hexdigest()[:12]

    return json.loads(_MODEL_ID.sub(name, text))


def _joined(outputs: list[dict[str, Any]]) -> Any:
    """Join neighbouring texts of one stream, stdout first: IPython sends what it has five times a second."""
    for is_stream, group in groupby(outputs, lambda output: output["output_type"] == "stream"):
        if not is_stream:
            yield list(group)
            continue
        texts = {"stdout": "", "stderr": ""}
        for output in group:
            texts[output["name"]] += output["text"]
        yield [{"output_type": "stream", "name": n, "text": t} for n, t in texts.items() if t]


def _without_chance(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "FOLDER")
    text = _CELL_FILE.sub("CELL", _ADDRESS.sub("ADDRESS", _THREAD.sub("THREAD", text)))
    return _TIME.sub("TIME", text)


@pytest.mark.parametrize("name", CORPUS)
def test_an_executed_notebook_is_the_same_as_papermills_own(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", CORPUS[name])
    parameters = {"x": 5, "name": "ż\"'"} if name == "parameters" else {}
    results = []
    for engine in (None, "ppacer"):
        folder = tmp_path / str(engine)
        document, raised = executed(source, engine, folder, parameters=parameters)
        results.append((comparable(document, source, folder), raised))
    (stock, stock_raised), (ours, ours_raised) = results
    if ours != stock:
        pytest.fail(_difference(stock, ours), pytrace=False)
    assert ours_raised is stock_raised


def _difference(stock: Any, ours: Any) -> str:
    first, second = (
        json.dumps(d, indent=1, sort_keys=True, ensure_ascii=False).splitlines() for d in (stock, ours)
    )
    return "\n".join(
        line[:300] for line in unified_diff(first, second, "papermill's own", "ppacer", n=2, lineterm="")
    )


def with_ppacer(source: Path, target: Path | None, **options: Any) -> Any:
    return papermill.execute_notebook(source, target, engine_name="ppacer", progress_bar=False, **options)


def statuses(path: Path) -> list[tuple[str, bool | None]]:
    """Return status and exception of each cell, and of the notebook as the last."""
    document = nbformat.read(path, as_version=4)
    cells = [cell.metadata.papermill for cell in document.cells]
    own = document.metadata.papermill
    return [*((cell.status, cell.exception) for cell in cells), ("notebook", own.exception)]


def printed(document: Any) -> str:
    outputs = [output for cell in document.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


FAILED_IN_THE_SECOND = [("completed", False), ("failed", True), ("pending", None), ("notebook", True)]


def test_a_kernel_that_dies_is_noticed_at_once_and_no_cell_is_said_to_have_completed(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb",
        ["1", "import os\nprint('last words', flush=True)\nos.kill(os.getpid(), 9)", "print('never')"],
    )
    with pytest.raises(DeadKernelError, match=r"Kernel died: its process was killed by SIGKILL"):
        with_ppacer(source, tmp_path / "out.ipynb")
    assert statuses(tmp_path / "out.ipynb") == FAILED_IN_THE_SECOND
    document = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    cell = document.cells[1].metadata.papermill
    assert cell.duration < 0.9  # papermill's own engine asks once a second


def test_a_cell_that_takes_too_long_is_said_to_have_failed(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.ipynb", ["1", "print('so far', flush=True)\nimport time; time.sleep(1000)", "2"]
    )
    with pytest.raises(CellTimeoutError):
        with_ppacer(source, tmp_path / "out.ipynb", execution_timeout=1)
    assert statuses(tmp_path / "out.ipynb") == FAILED_IN_THE_SECOND
    assert printed(nbformat.read(tmp_path / "out.ipynb", as_version=4)) == "so far\n"


def test_a_kernel_that_does_not_start_leaves_all_cells_as_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "kernels" / "mute" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["sleep", "1000"], "display_name": "Mute", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    source, target = write(tmp_path / "in.ipynb", ["1", "2"]), tmp_path / "out.ipynb"
    not_run = [("pending", None), ("pending", None), ("notebook", True)]
    with pytest.raises(RuntimeError, match="the kernel did not start: no answer within 1 seconds"):
        with_ppacer(source, target, kernel_name="mute", start_timeout=1)
    assert statuses(target) == not_run
    target.unlink()
    with pytest.raises(NoSuchKernel):
        with_ppacer(source, target, kernel_name="no-such-kernel")
    assert statuses(target) == not_run


def test_output_that_no_notebook_can_hold_fails_its_cell(tmp_path: Path) -> None:
    bad = "from IPython.display import display\ndisplay({'application/x': {'a': 1}}, raw=True)"
    source = write(tmp_path / "in.ipynb", ["1", bad, "2"])
    with pytest.raises(nbformat.ValidationError):
        with_ppacer(source, tmp_path / "out.ipynb")
    document = json.loads((tmp_path / "out.ipynb").read_text())
    said = [cell["metadata"]["papermill"]["status"] for cell in document["cells"]]
    assert said == ["completed", "failed", "pending"]


def test_a_failing_cell_raises_what_papermill_raises(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["1", "1 / 0", "2"])
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        with_ppacer(source, tmp_path / "out.ipynb")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    start = """
        import os, subprocess, ipykernel
        child = subprocess.Popen(['sleep', '1000'])
        daemon = subprocess.Popen(['setsid', 'sleep', '1000'])
        print(os.path.dirname(ipykernel.get_connection_file()), os.getpid(), child.pid, daemon.pid, flush=True)
        """
    ending = {"well": "1", "dying": "os.kill(os.getpid(), 9)", "failing": "1 / 0", "late": "!sleep 1000"}
    counts = []
    for _ in range(2):
        for name, cell in ending.items():
            source, target = write(tmp_path / "in.ipynb", [start, cell]), tmp_path / f"{name}.ipynb"
            with nullcontext() if name == "well" else pytest.raises(Exception, match=r"."):
                with_ppacer(source, target, execution_timeout=2)
            folder, *pids = printed(nbformat.read(target, as_version=4)).split()[:4]
            assert not Path(folder).exists()
            assert [pid for pid in pids if psutil.pid_exists(int(pid))] == []
        counts.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
    assert counts[0] == counts[1]


def test_neither_kernel_nor_engine_opens_a_tcp_port(tmp_path: Path) -> None:
    count = "import psutil\nprint(len(psutil.Process().net_connections('inet')), len(psutil.Process({}).net_connections('inet')))"
    before = len(psutil.Process().net_connections("inet"))
    source = write(tmp_path / "in.ipynb", [count.format(os.getpid())])
    assert printed(with_ppacer(source, None)).split() == ["0", str(before)]


def test_notebooks_run_from_several_threads_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", [code("x = 0", "parameters"), "import os\nprint(x, os.getpid())"])
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(with_ppacer, source, tmp_path / f"{n}.ipynb", parameters={"x": n}) for n in range(8)
        ]
        said = [printed(run.result()).split() for run in runs]
    assert [x for x, _ in said] == [str(n) for n in range(8)]
    assert len({pid for _, pid in said}) == 8


def test_the_first_notebooks_of_a_process_share_one_fork_server_whatever_their_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: shared_server(), range(100)))) == 1


def test_a_fork_of_a_process_has_a_fork_server_of_its_own(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["print('in a fork')"])
    script = (
        "import multiprocessing, papermill\n"
        f"def run(n): return papermill.execute_notebook({str(source)!r}, None, engine_name='ppacer', progress_bar=False)\n"
        "run(0)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    print([cell.outputs[0].text for nb in pool.map(run, range(2)) for cell in nb.cells])\n"
        "run(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['in a fork\\n', 'in a fork\\n']\n", done.stderr


def test_a_notebook_runs_inside_a_running_event_loop(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["print('ran')"])

    async def run() -> Any:
        return with_ppacer(source, None)

    assert printed(asyncio.run(run())) == "ran\n"


def test_a_notebook_runs_from_a_cell_of_another(tmp_path: Path) -> None:
    inner = write(tmp_path / "inner.ipynb", ["print('in the inner one')"])
    outer = write(
        tmp_path / "outer.ipynb",
        [
            f"import papermill\nfor _ in range(2):\n    nb = papermill.execute_notebook({str(inner)!r}, None, engine_name='ppacer')",
            "print(nb.cells[0].outputs[0].text)",
        ],
    )
    assert "in the inner one" in printed(with_ppacer(outer, None))


def test_it_runs_from_the_command_line_and_leaves_the_file_that_papermill_leaves(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", [code("x = 0", "parameters"), "print(x)\nx"])
    texts = []
    for engine in ("nbclient", "ppacer"):
        target = tmp_path / engine / "out.ipynb"
        target.parent.mkdir()
        command = [*_PAPERMILL, "--engine", engine, str(source), str(target), "-p", "x", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "Executing: 100%" in done.stderr
        text = target.read_text().replace(str(target.parent), "")
        texts.append(re.sub(r'"\d{4}-.*?"|"duration": [\d.]+|"id": "[0-9a-f]{8}"', "", text))
    assert texts[0] == texts[1]
    assert '"1\\n"' in texts[1]


def test_the_command_line_ends_with_an_error_when_a_kernel_dies(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["import os\nos._exit(3)"])
    command = [*_PAPERMILL, "--engine", "ppacer", str(source), str(tmp_path / "out.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 138  # papermill's own
    assert "DeadKernelError: Kernel died: its process ended with exit code 3" in done.stderr


@pytest.mark.parametrize(
    "first", ["papermill", "ppacer_nb.kernels.papermill_engine", "ppacer_nb.kernels.papermill_client"]
)
def test_the_engine_is_found_whatever_is_imported_first_and_costs_papermill_nothing(first: str) -> None:
    script = (
        f"import {first}, sys, papermill.engines\n"
        "assert papermill.engines.papermill_engines.get_engine('ppacer').__name__ == 'PpacerEngine'\n"
        "print('ppacer_nb.kernels.process' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{first.endswith('client')}\n", done.stderr


def test_the_kernel_runs_in_the_folder_that_is_asked_for(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["import os\nprint(os.getcwd())"])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    here = os.getcwd()
    assert printed(with_ppacer(source, None, cwd=tmp_path / "a")).strip() == str(tmp_path / "a")
    resources = {"metadata": {"path": str(tmp_path / "b")}}
    assert printed(with_ppacer(source, None, resources=resources)).strip() == str(tmp_path / "b")
    assert printed(with_ppacer(source, None)).strip() == here


def test_output_goes_to_files_and_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write(
        tmp_path / "in.ipynb", ["import sys\nprint('out'); print('err', file=sys.stderr)", "3 + 4"]
    )
    out, err = io.StringIO(), io.StringIO()
    with caplog.at_level("INFO", logger="papermill"):
        with_ppacer(source, None, log_output=True, stdout_file=out, stderr_file=err)
    assert (out.getvalue(), err.getvalue()) == ("out\n", "err\n")
    assert {"out\n", "err\n", "7", "Executing notebook with kernel: python3"} <= set(caplog.messages)


def test_report_mode_hides_the_code(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", [code("x = 1", "parameters"), "x"])
    document = with_ppacer(source, None, parameters={"x": 2}, report_mode=True)
    assert all(cell.metadata.jupyter.source_hidden for cell in document.cells)


def test_a_long_cell_is_saved_while_it_runs(tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"
    look = f"""
        import time
        print('early', flush=True)
        limit = time.monotonic() + 30
        while 'early' not in open({str(target)!r}).read().partition('"outputs"')[2].partition('"source"')[0]:
            assert time.monotonic() < limit
            time.sleep(0.1); print('.', end='', flush=True)
        """
    assert "early" in printed(
        with_ppacer(write(tmp_path / "in.ipynb", [look]), target, autosave_cell_every=0.2)
    )


def test_options_of_nbclient_are_honoured(tmp_path: Path) -> None:
    begun = []
    cells = [code("print('never')", "leave-out"), "import sys; print(sys.argv[-2:])"]
    document = with_ppacer(
        write(tmp_path / "in.ipynb", cells),
        None,
        skip_cells_with_tag="leave-out",
        record_timing=False,
        extra_arguments=["--Application.log_level=40"],
        on_notebook_start=lambda notebook: begun.append("notebook"),
        on_cell_start=lambda cell, cell_index: begun.append(cell_index),
    )
    assert "never" not in printed(document)
    assert "'--Application.log_level=40', '--HistoryManager.hist_file=:memory:'" in printed(document)
    assert "execution" not in document.cells[0].metadata
    assert begun == ["notebook", 0, 1]


def test_an_interrupted_cell_may_count_as_an_error_of_its_own(tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["import time; time.sleep(1000)", "print('never')"])
    error = {"ename": "TooLong", "evalue": "it took too long", "traceback": []}
    with pytest.raises(papermill.PapermillExecutionError, match="KeyboardInterrupt"):
        with_ppacer(
            source,
            tmp_path / "out.ipynb",
            execution_timeout=1,
            interrupt_on_timeout=True,
            error_on_timeout=error,
        )


@pytest.mark.parametrize("name", ["km", "kernel_manager_class"])
def test_kernels_of_others_are_refused(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.ipynb", ["1"])
    with pytest.raises(TypeError, match=f"starts its kernels itself: leave out '{name}'"):
        with_ppacer(source, None, **{name: object()})


@pytest.mark.timeout(60)  # and without an `execution_timeout`, after which nbclient looks again
def test_an_output_widget_that_captures_much_does_not_let_its_cell_hang(tmp_path: Path) -> None:
    cell = "out = ipywidgets.Output()\nfor n in range(50):\n    with out:\n        print(n)"
    source = write(tmp_path / "in.ipynb", ["import ipywidgets", *[cell] * 20])
    with_ppacer(source, tmp_path / "out.ipynb")


def test_an_interrupt_of_this_process_ends_the_kernel_and_fails_its_cell(tmp_path: Path) -> None:
    interrupt = (
        f"import os, time\nprint(os.getpid(), flush=True)\nos.kill({os.getpid()}, 2)\ntime.sleep(1000)"
    )
    source, target = write(tmp_path / "in.ipynb", ["1", interrupt, "2"]), tmp_path / "out.ipynb"
    with pytest.raises(KeyboardInterrupt):
        with_ppacer(source, target)
    assert statuses(target) == FAILED_IN_THE_SECOND
    assert with_ppacer(write(tmp_path / "next.ipynb", ["1"]), None)
