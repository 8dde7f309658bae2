"""`run` and `secret`, as users import them."""

from __future__ import annotations

from ppacer_nb.errors import InvalidPlaceholder
from ppacer_nb.model.placeholders import Run, Secret

#: The run that a task will belong to: ``run.logical_date``, ``run.params["city"]`` ...
run = Run()


def secret(name: str) -> Secret:
    """Return a stand-in for the environment variable `name`, which is read where the task runs.

    Its value is written nowhere: not in the history, the logs, or the executed notebook.

    Raises
    ------
    InvalidPlaceholder
        If `name` is not a non-empty text.
    """
    if not isinstance(name, str) or not name:
        raise InvalidPlaceholder(f"secret({name!r}): give the name of an environment variable.")
    return Secret(name)
