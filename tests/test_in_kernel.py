"""The scheduler in a real Jupyter kernel: what the kernel's user does to it, and what is left in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.kernels.lab import assert_gone

LIMIT = 60.0  # seconds; nothing here takes this long, unless it hangs

SETUP = """
%load_ext ppacer_nb
from pathlib import Path
from ppacer_nb import DAG, task

@task
def wait_for(path):
    import time
    from pathlib import Path
    Path(path + ".begun").touch()
    while not Path(path).exists():
        time.sleep(0.05)

with DAG("waiting") as dag:
    wait_for(str(Path("go").absolute()))
%ppacer start
%ppacer trigger waiting
import time
while not Path("go.begun").exists():
    time.sleep(0.05)
print(open("/proc/self/stat").read().split()[0])
"""


class Notebook:
    """A kernel as a front end sees it."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client: BlockingKernelClient = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=LIMIT)

    def run(self, code: str) -> str:
        """Execute a cell and return all that it shows, as text; errors included."""
        shown: list[str] = []

        def hear(message: dict[str, dict[str, object]]) -> None:
            content = message["content"]
            data = content.get("data")
            shown.append(str(content.get("text") or content.get("evalue") or ""))
            if isinstance(data, dict):
                shown.append(str(data.get("text/plain", "")))

        self.client.execute_interactive(code, timeout=LIMIT, output_hook=hear, allow_stdin=False)
        return "\n".join(shown)

    def close(self) -> None:
        self.client.stop_channels()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[KernelManager]:
    found = KernelManager(kernel_name="python3")
    found.start_kernel(cwd=str(tmp_path))
    yield found
    found.shutdown_kernel(now=True)


@pytest.fixture
def notebook(manager: KernelManager) -> Iterator[Notebook]:
    found = Notebook(manager)
    yield found
    found.close()


def family_of(text: str) -> list[psutil.Process]:
    """Return what the kernel has started."""
    family = psutil.Process(int(text.split()[-1])).children(recursive=True)
    assert len(family) >= 4  # the fork server, a runner, the kernel of the task that runs and its keeper
    return family


def test_interrupting_a_cell_harms_neither_the_scheduler_nor_what_it_runs(
    notebook: Notebook, tmp_path: Path
) -> None:
    family = family_of(notebook.run(SETUP))
    busy = "print('busy', flush=True)\nwhile True: pass"
    notebook.client.execute(busy)
    while notebook.client.get_iopub_msg(timeout=LIMIT)["content"].get("text") != "busy\n":
        pass
    notebook.manager.interrupt_kernel()
    assert notebook.client.get_shell_msg(timeout=LIMIT)["content"]["ename"] == "KeyboardInterrupt"
    assert all(process.is_running() for process in family)
    (tmp_path / "go").touch()
    assert "1 task ended while it waited" in notebook.run("%ppacer stop")
    assert "success" in notebook.run("%ppacer runs")


@pytest.mark.parametrize("now", [False, True])
def test_restarting_the_kernel_leaves_nothing_behind_and_the_next_scheduler_says_what_waits(
    manager: KernelManager, now: bool
) -> None:
    first = Notebook(manager)
    family = family_of(first.run(SETUP))
    first.close()
    manager.restart_kernel(now=now)
    assert_gone(*family)
    second = Notebook(manager)
    second.run("%load_ext ppacer_nb")
    started = second.run("%ppacer start")
    assert "1 run waits until DAG 'waiting' is defined again: run the cell that defines it" in started
    shown = second.run("%ppacer show")
    assert "interrupted" in shown
    assert f"The run waits: its scheduler {'died' if now else 'was stopped'}." in shown
    second.close()


def test_shutting_the_kernel_down_leaves_nothing_behind(notebook: Notebook) -> None:
    family = family_of(notebook.run(SETUP))
    notebook.manager.shutdown_kernel()
    assert_gone(*family)
