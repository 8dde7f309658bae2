"""Much output: what the executed notebook keeps, what goes to files, and that nothing is lost or held up."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ppacer_nb.kernels.attempt import GRACE
from ppacer_nb.kernels.supply import CLEAN_UP_LIMIT
from ppacer_nb.model.attempt import Message, Succeeded
from ppacer_nb.model.context import TaskContext
from tests.kernels.lab import Lab, Trial, runners, work_of, write_notebook

MIB = 1024 * 1024


@pytest.fixture
def alone(lab_alone: Lab) -> Iterator[Lab]:
    """A lab with one runner, which has started last of all."""
    yield lab_alone
    lab_alone.clear()


@pytest.fixture(scope="module")
def lab_alone(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    shared_lab.call(_nothing)
    lab = Lab(tmp_path_factory.mktemp("alone"), slots=1)
    lab.call(_nothing)
    yield lab
    lab.close()


def test_a_cut_stream_says_where_all_of_it_is(lab: Lab) -> None:
    def flood() -> None:
        import sys

        for number in range(250):
            print(f"{number} ż" * 10_000, flush=True)
            print(f"and {number}", file=sys.stderr, flush=True)

    trial = lab.call(flood)
    (file,) = files_of(trial)
    assert file.name == f"{trial.job.task.id}.1.cell-1.txt"
    assert f"as a cell's text may take 10 MiB; all that the cell writes is in {file.name}" in trial.output
    everything = "".join(f"{number} ż" * 10_000 + f"\nand {number}\n" for number in range(250))
    assert file.read_text() == everything
    kept = trial.output.partition("\n[ppacer:")[0]
    assert len(kept) == 10 * MIB
    assert everything.startswith(kept)
    assert trial.document.cells[-1].outputs[-1].output_type == "stream"


def test_what_fits_makes_no_file(lab: Lab) -> None:
    def speak() -> None:
        for number in range(1000):
            print(number, "x" * 1000)

    trial = lab.call(speak)
    assert trial.output == "".join(f"{number} {'x' * 1000}\n" for number in range(1000))
    assert files_of(trial) == []


def test_two_hundred_megabytes_do_not_hold_up_the_schedulers_loop_and_take_little_memory(alone: Lab) -> None:
    path = write_notebook(alone.folder / "large.ipynb", *["print('x' * 10_000_000)"] * 20, "print('end')")
    trial = alone.start_notebook(path)
    gap = alone.wait(_longest_gap(trial))
    assert isinstance(trial.outcome, Succeeded)
    assert gap < 0.3
    assert _peak_memory() < 500 * MIB
    assert 100 * MIB < trial.path.stat().st_size < 101 * MIB
    texts = [cell.outputs[0].text for cell in trial.document.cells]
    assert texts[9] == "x" * 10_000_000 + "\n"
    note = "all outputs of a notebook may take 100 MiB; all that the cell writes is in"
    assert all(note in text for text in texts[10:])
    assert [file.stat().st_size for file in files_of(trial)] == [4] + [10_000_001] * 10
    assert files_of(trial)[0].read_text() == "end\n"


def test_a_cell_that_prints_without_end_is_stopped_in_time_and_says_that_it_was_cut(alone: Lab) -> None:
    def flood(context: TaskContext) -> None:
        for _ in range(12):
            print("x" * 1024 * 1024)
        context.notify("cut by now")
        while True:
            try:
                while True:
                    print("x" * 100)
            except KeyboardInterrupt:
                print("no")

    trial = alone.start(flood)
    alone.until(trial, _has_notified)
    begin = time.monotonic()
    alone.stop(trial, timed_out=True, reason="too long")
    alone.finish(trial)
    assert time.monotonic() - begin < GRACE + 1
    assert trial.error.kind == "TaskTimeout"
    assert "the output is cut here" in trial.output
    assert trial.document.metadata.ppacer.state == "failed"
    assert _peak_memory() < 500 * MIB
    assert "no\n" in files_of(trial)[0].read_text()


def test_the_memory_of_a_kernel_does_not_grow_with_what_it_prints(lab: Lab) -> None:
    def flood() -> int:
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(2_000):
            print("x" * 50_000)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024

    assert lab.call(flood).value < 40 * MIB


def test_twenty_thousand_displays_arrive_in_order_however_fast_they_come(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "displays.ipynb",
        "from IPython.display import display\n"
        "for number in range(20_000): display({'text/plain': str(number)}, raw=True)",
    )
    trial = lab.notebook(path)
    shown = [output.data["text/plain"] for output in trial.document.cells[0].outputs]
    assert shown == [str(number) for number in range(20_000)]


def test_streams_that_alternate_lose_nothing(lab: Lab) -> None:
    def talk() -> None:
        import sys

        for number in range(5_000):
            print(number, flush=True)
            print(number, file=sys.stderr, flush=True)

    assert lab.call(talk).output == "".join(f"{number}\n{number}\n" for number in range(5_000))


def test_comm_messages_lose_nothing_though_no_flush_comes_before_them(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "comms.ipynb",
        "import ipywidgets\nbar = ipywidgets.IntProgress(max=20_000)",
        "for number in range(20_001): bar.value = number",
    )
    widgets = lab.notebook(path).document.metadata.widgets["application/vnd.jupyter.widget-state+json"]
    (bar,) = (m for m in widgets["state"].values() if m["model_name"] == "IntProgressModel")
    assert bar["state"]["value"] == 20_000


def test_an_output_widget_captures_much_and_its_kernel_knows_it_afterwards(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "captured.ipynb",
        "import ipywidgets\nfrom IPython.display import display\nout = ipywidgets.Output()",
        "with out:\n    print('begin')\n"
        "    for number in range(3_000): display({'text/plain': str(number)}, raw=True)",
        "print(len(out.outputs), out.outputs[0]['text'], out.outputs[-1]['data'])",
    )
    trial = lab.notebook(path)
    assert trial.output == "3001 begin\n {'text/plain': '2999'}\n"
    widgets = trial.document.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    (area,) = (m for m in widgets.values() if m["model_name"] == "OutputModel")
    assert len(area["state"]["outputs"]) == 3001


def test_progress_bars_of_a_million_updates_stay_small(lab: Lab) -> None:
    def draw() -> None:
        import sys

        for number in range(1_000_000):
            sys.stdout.write(f"\r{number:20}")
        print("\ndone")

    trial = lab.call(draw)
    assert trial.output == f"{999_999:20}\ndone\n"
    assert files_of(trial) == []


def test_clearing_in_a_loop_keeps_the_last(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "clearing.ipynb",
        "from IPython.display import clear_output, display\n"
        "for number in range(10_000):\n"
        "    clear_output(wait=True)\n"
        "    print(number, 'x' * 2_000)\n"
        "    if number > 9_000: display({'text/plain': str(number)}, raw=True, display_id=f'id-{number}')",
    )
    trial = lab.notebook(path)
    assert trial.output == f"9999 {'x' * 2_000}\n"
    assert [o.output_type for o in trial.document.cells[0].outputs] == ["stream", "display_data"]
    assert files_of(trial) == []


def test_a_display_that_is_updated_ten_thousand_times_shows_the_last_wherever_it_is(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "updates.ipynb",
        "from IPython.display import display\n"
        "show = lambda n, **how: display({'text/plain': str(n)}, raw=True, display_id='one', **how)\n"
        "for number in range(1_000): show(number)",
        "for number in range(10_000): show(number, update=True)",
    )
    trial = lab.notebook(path)
    first, second = trial.document.cells
    assert [output.data["text/plain"] for output in first.outputs] == ["9999"] * 1_000
    assert second.outputs == []


def test_an_output_over_the_limit_is_in_a_file_and_a_note_says_what_it_was(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "figure.ipynb",
        "import base64\nfrom IPython.display import display\n"
        "figure = base64.b64encode(bytes(range(256)) * 160_000).decode()\n"
        "display({'image/png': figure, 'text/plain': 'a figure'}, raw=True, display_id='figure')",
        "display({'text/plain': 'small again'}, raw=True, display_id='figure', update=True);",
        "display({'image/png': figure, 'text/plain': 'a figure'}, raw=True)",
    )
    trial = lab.notebook(path)
    first, _, third = trial.document.cells
    assert first.outputs[0].data == {"text/plain": "small again"}
    name = f"{trial.job.task.id}.1.cell-3.output-1.png"
    assert third.outputs[0].data == {
        "text/plain": "[ppacer: an output is left out here, as one output may take 50 MiB: "
        f"image/png (52.1 MiB), text/plain (8 bytes); its image/png is in {name}]"
    }
    assert trial.path.with_name(name).read_bytes() == bytes(range(256)) * 160_000


def test_outputs_beyond_the_notebooks_limit_are_counted_and_large_ones_in_files(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "figures.ipynb",
        "import base64\nfrom IPython.display import display\n"
        "for number in range(4):\n"
        "    display({'text/html': '<p>' * 11_000_000}, raw=True)",
        "for number in range(20): display({'text/plain': 'x' * 500_000}, raw=True)",
    )
    trial = lab.notebook(path)
    first, second = trial.document.cells
    assert sum("text/html" in output.data for output in first.outputs) == 3
    assert f"its text/html is in {trial.job.task.id}.1.cell-1.output-1.html" in str(first.outputs[3].data)
    *_, note = second.outputs
    left_out = 20 - len(second.outputs) + 1
    assert note.data["text/plain"].startswith(f"[ppacer: {left_out:,} further outputs are left out, as all")
    assert trial.path.stat().st_size < 101 * MIB


def test_an_endless_error_loses_its_middle(lab: Lab) -> None:
    def fail() -> None:
        raise ValueError("a" + "x" * 3_000_000 + "z")

    trial = lab.call(fail)
    assert trial.path.stat().st_size < 2 * MIB
    _, output = trial.document.cells[-1].outputs  # the first one is the call
    (file,) = files_of(trial)
    assert f"characters are left out here; all of them are in {file.name}" in output.traceback[0]
    assert output.traceback[0].endswith("xz")
    assert "a" + "x" * 3_000_000 + "z" in file.read_text()


def test_widgets_whose_state_is_too_much_are_left_out_with_a_note(lab: Lab) -> None:
    path = write_notebook(
        lab.folder / "widgets.ipynb",
        "import ipywidgets\nall = [ipywidgets.HTML('x' * 30_000_000) for _ in range(4)]",
        "print('goes on')",
    )
    trial = lab.notebook(path)
    assert "the state of the notebook's widgets is left out" in str(trial.document.cells[0].outputs)
    assert "widgets" not in trial.document.metadata
    assert trial.output == "goes on\n"
    assert trial.path.stat().st_size < MIB


def test_half_surrogate_pairs_are_shown_as_their_escapes_and_stop_nothing(lab: Lab) -> None:
    def speak() -> None:
        print("before \ud83d \udcff after")

    assert lab.call(speak).output == "before \\ud83d \\udcff after\n"


def test_a_full_disk_cuts_the_file_of_a_stream_and_not_the_task(alone: Lab) -> None:
    def flood() -> str:
        for _ in range(200):
            print("x" * 100_000)
        return "done"

    with _full_disk(12 * MIB):
        trial = alone.call(flood)
    assert trial.value == "done"
    (file,) = files_of(trial)
    assert ("WARNING", f"{file.name} lacks its end: File too large") in trial.log
    assert "[ppacer:" in trial.output
    assert file.stat().st_size == 12 * MIB


def test_a_function_whose_notebook_finds_no_room_from_the_start_is_ended_at_once(alone: Lab) -> None:
    def sleep() -> None:
        import time

        time.sleep(1000)

    work = replace(work_of(sleep, (), {}), source="#" * 2 * MIB)
    with _full_disk(MIB):
        trial = alone.finish(alone.submit(work))
    assert trial.error.kind == "TaskFailed"
    assert f"the executed notebook cannot be written to {trial.path}: File too large." in trial.error.message
    began = time.monotonic()
    assert alone.call(_nothing).value is None  # for which its kernel is not waited for
    assert time.monotonic() - began < CLEAN_UP_LIMIT


def test_a_notebook_that_finds_no_room_on_its_disk_fails_with_a_sentence_and_leaves_no_half_file(
    alone: Lab,
) -> None:
    def speak() -> None:
        print("x" * 3_000_000)

    with _full_disk(MIB):
        trial = alone.call(speak)
    assert trial.error.kind == "TaskFailed"
    assert trial.error.message == (
        f"the executed notebook cannot be written to {trial.path}: File too large. "
        "See that its disk has room and can be written to."
    )
    assert trial.document.metadata.ppacer.state == "running"  # as it was at the attempt's start: whole
    assert not [path for path in trial.path.parent.iterdir() if path.name.endswith(".tmp")]
    assert alone.call(_nothing).value is None


def test_a_runner_that_is_killed_leaves_the_outputs_of_cells_that_had_ended(alone: Lab) -> None:
    path = write_notebook(
        alone.folder / "saved.ipynb",
        "print('first')",
        "import time; time.sleep(5.1)  # from the first save to the next",
        "print('third', flush=True); time.sleep(1000)",
    )
    trial = alone.start_notebook(path)
    alone.until_said(trial, "third")
    _runner().kill()
    alone.finish(trial)
    assert trial.error.kind == "KernelDied"
    assert trial.output == "first\n"
    assert trial.document.metadata.ppacer.state == "failed"


def test_a_stop_is_acted_on_while_output_pours_in(lab: Lab) -> None:
    def flood(context: TaskContext) -> None:
        context.notify("begun")
        while True:
            print("x" * 60_000, flush=True)

    trial = lab.start(flood)
    lab.until(trial, _has_notified)
    begin = time.monotonic()
    lab.stop(trial)
    lab.finish(trial)
    assert time.monotonic() - begin < 1.5


def files_of(trial: Trial) -> list[Path]:
    """Return the files beside the executed notebook that hold what it does not."""
    found = trial.path.parent.glob(f"{trial.job.task.id}.1.cell-*")
    return sorted(found, key=lambda file: (file.stat().st_size, file.name))


def _has_notified(trial: Trial) -> bool:
    return any(isinstance(report, Message) for report in trial.reports)


async def _longest_gap(trial: Trial) -> float:
    """Return how long the loop has been busy with one thing, until the trial ends."""
    longest, last = 0.0, time.monotonic()
    while not trial.ended.done():
        await asyncio.wait([trial.ended], timeout=0.005)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


def _peak_memory() -> int:
    status = Path(f"/proc/{_runner().pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@contextmanager
def _full_disk(size: int) -> Iterator[None]:
    """Let the runner's files not grow beyond that, as if its disk were full."""
    runner = _runner().pid
    soft, hard = resource.prlimit(runner, resource.RLIMIT_FSIZE)
    resource.prlimit(runner, resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.prlimit(runner, resource.RLIMIT_FSIZE, (soft, hard))


def _runner() -> psutil.Process:
    """Return the runner that has started last."""
    return max(runners(), key=lambda runner: runner.create_time())


def _nothing() -> None: ...
