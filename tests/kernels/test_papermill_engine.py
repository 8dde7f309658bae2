"""The papermill engine ``ppacer``: the same executed notebooks as papermill's own, sooner, and no lies."""

from __future__ import annotations

import hashlib
import json
import re
from difflib import unified_diff
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from tests.kernels.corpus import CORPUS, FILES, write

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_CELL_FILE = re.compile(r"ipykernel_\d+([/\\])\d+\.py|(?<=<ipython-input-)\d+-[0-9a-f]+")
_TIME = re.compile(r"CPU times: .*?Wall time:|[\d.]+ (?:ns|[µμu]s|ms|s|min)\b")
_MODEL_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
# They count on from the threads of ipykernel, where a kernel that is no fork has one more: it watches a parent.
_THREAD = re.compile(r"\bThread-\d+")


def executed(
    source: Path, engine: str | None, folder: Path, **options: Any
) -> tuple[Any, type[BaseException] | None]:
    """Run a notebook in a folder of its own; return the file that is left, and what was raised."""
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    raised = None
    target = folder / "out.ipynb"
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
    texts = (json.dumps(d, indent=1, sort_keys=True, ensure_ascii=False).splitlines() for d in (stock, ours))
    return "\n".join(line[:300] for line in unified_diff(*texts, "papermill's own", "ppacer", n=2, lineterm=""))
