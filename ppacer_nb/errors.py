"""Every exception that ppacer_nb raises on purpose, in one tree.

::

    PpacerError
    ├── DefinitionError (ValueError)        what was defined cannot run; nothing was registered
    │   ├── InvalidId                       an id that is empty, too long or not usable as a file name
    │   ├── DuplicateId                     two tasks of one DAG with the same id
    │   ├── CycleError                      tasks that wait for each other
    │   ├── InvalidDuration                 "5 minuts"
    │   ├── InvalidSchedule                 a cron expression, interval or zone that means nothing
    │   ├── InvalidOption                   an unknown option, or a value it does not take
    │   ├── InvalidPlaceholder              run.something that no run has, outside a DAG, or of another DAG
    │   ├── InvalidParameters               parameters that a notebook or a DAG does not know
    │   ├── NotebookError                   a notebook that is missing or cannot be read
    │   └── CannotPickle                    a function or an argument that cannot be sent to a kernel
    ├── NotFound (LookupError)              no DAG, run, task or attempt of that name
    ├── AttemptError                        why one attempt of a task failed
    │   ├── TaskFailed                      the task raised
    │   ├── TaskTimeout                     it ran longer than its timeout
    │   ├── TaskCancelled                   somebody stopped it
    │   ├── KernelDied                      its kernel or process ended under it
    │   └── ValueNotPicklable               it returned what cannot be handed on
    ├── Skip                                raised by a task's own code: this attempt has nothing to do
    ├── ForkServerDied                      the process that forks kernels ended, or cannot fork
    ├── StoreError                          the run history cannot be read or written
    │   ├── StoreLocked                     another process holds the file
    │   └── StoreVersion                    the file was written by a newer ppacer_nb
    └── SchedulerError                      the scheduler cannot do what was asked
        ├── AlreadyRunning                  a second start
        └── NotRunning                      nothing to stop, ask or join

Every message is one sentence or two: what is wrong, by name, and what to do about it.
"""

from __future__ import annotations


class PpacerError(Exception):
    """The root: catch this to catch everything ppacer_nb raises on purpose."""


class DefinitionError(PpacerError, ValueError):
    """A DAG, task or schedule is defined in a way that cannot run."""


class InvalidId(DefinitionError):
    """An id is empty, too long, or not usable as a file name."""


class DuplicateId(DefinitionError):
    """Two tasks of one DAG have the same id."""


class CycleError(DefinitionError):
    """Tasks wait for each other in a circle."""


class InvalidDuration(DefinitionError):
    """A duration is neither a timedelta, nor seconds, nor text such as "1h30m"."""


class InvalidSchedule(DefinitionError):
    """A schedule means nothing, or never comes due."""


class InvalidOption(DefinitionError):
    """An option is unknown, or its value is not one it takes."""


class InvalidPlaceholder(DefinitionError):
    """A placeholder cannot be filled where it stands."""


class InvalidParameters(DefinitionError):
    """Parameters that a notebook or a DAG does not know."""


class NotebookError(DefinitionError):
    """A notebook is missing or cannot be read."""


class CannotPickle(DefinitionError):
    """A function or an argument cannot be sent to a kernel."""


class NotFound(PpacerError, LookupError):
    """No DAG, run, task or attempt goes by that name."""


class AttemptError(PpacerError):
    """Why one attempt of a task failed."""


class TaskFailed(AttemptError):
    """The task raised an exception."""


class TaskTimeout(AttemptError):
    """The task ran longer than its timeout."""


class TaskCancelled(AttemptError):
    """The task was stopped before it ended."""


class KernelDied(AttemptError):
    """The task's kernel or process ended while the task ran."""


class Skip(PpacerError):
    """Raise it in a task, a function or a notebook's cell, to end the attempt as skipped, and not as failed.

    ::

        if not rows:
            raise Skip("no new rows")

    There is no retry. What is downstream goes by its trigger rule: ``all_success`` is skipped too,
    ``none_failed`` and ``all_done`` run. The reason is kept in the history and the log.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class ForkServerDied(PpacerError):
    """The process that forks kernels ended before it had forked one, or cannot fork any."""


class ValueNotPicklable(AttemptError):
    """The task returned something that cannot be handed to another task."""


class StoreError(PpacerError):
    """The run history cannot be read or written."""


class StoreLocked(StoreError):
    """Another process holds the store."""


class StoreVersion(StoreError):
    """The store was written by a newer ppacer_nb than this one."""


class SchedulerError(PpacerError):
    """The scheduler cannot do what was asked."""


class AlreadyRunning(SchedulerError):
    """A scheduler is already running."""


class NotRunning(SchedulerError):
    """No scheduler is running."""
