"""A DAG scheduler that lives in your notebook.

Define DAGs in a cell, type ``%ppacer start``, and watch them run::

    %load_ext ppacer_nb
    from ppacer_nb import DAG, task, notebook, run
"""

from typing import TYPE_CHECKING

from ppacer_nb.authoring.dag import DAG
from ppacer_nb.authoring.placeholders import run, secret
from ppacer_nb.authoring.tasks import bash, notebook, task
from ppacer_nb.dashboards import dashboard, run_view, runs_table
from ppacer_nb.errors import Skip
from ppacer_nb.model.context import TaskContext
from ppacer_nb.schedules import (
    Schedule,
    cron,
    daily,
    every,
    every_minute,
    hourly,
    monthly,
    weekly,
    yearly,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "DAG",
    "Schedule",
    "Skip",
    "TaskContext",
    "bash",
    "cron",
    "daily",
    "dashboard",
    "every",
    "every_minute",
    "hourly",
    "monthly",
    "notebook",
    "run",
    "run_view",
    "runs_table",
    "secret",
    "task",
    "weekly",
    "yearly",
]
__version__ = "0.1.0"


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Add ``%ppacer`` to the notebook: ``%load_ext ppacer_nb``."""
    from ppacer_nb.magics import load

    load(shell)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
