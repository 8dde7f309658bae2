"""The papermill engine ``ppacer``: ``papermill --engine ppacer in.ipynb out.ipynb``.

papermill imports this module with its own first import, in whatever process that is. So it imports nothing:
neither papermill, which waits for it, nor what only those need who use this engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode


class PpacerEngine:
    """Runs notebooks as papermill's own engine does, in kernels from the fork server of this process.

    It takes the options of papermill's own engine, those of ``nbclient.NotebookClient`` among them, but for
    `km` and `kernel_manager_class`. The executed notebook is the same, and honest where that is not: a cell
    that timed out or whose kernel died is saved as failed, and cells that were not run as pending.
    """

    @staticmethod
    def execute_notebook(nb: NotebookNode, kernel_name: str, **options: Any) -> NotebookNode:
        """Execute `nb`, save it at each step, and return it.

        Raises
        ------
        DeadKernelError
            The moment the kernel's process ends; the message says how.
        CellTimeoutError
            If a cell takes longer than `execution_timeout` seconds.
        RuntimeError
            If the kernel does not start within `start_timeout` seconds.
        """
        done: NotebookNode = _engine().execute_notebook(nb, kernel_name, **options)
        return done

    @staticmethod
    def nb_kernel_name(nb: NotebookNode, name: str | None = None) -> str:
        """Return the name of the kernel that `nb` asks for, unless one is given."""
        found: str = _engine().nb_kernel_name(nb, name)
        return found

    @staticmethod
    def nb_language(nb: NotebookNode, language: str | None = None) -> str:
        """Return the language of `nb`, unless one is given."""
        found: str = _engine().nb_language(nb, language)
        return found


def _engine() -> Any:
    from ppacer_nb.kernels.papermill_client import ForkingEngine

    return ForkingEngine
