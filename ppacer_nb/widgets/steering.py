"""What can be done to the run that is shown and to its chosen task, each with what it will do in words.

Pure functions. A button is shown only where it can work; whether it still can when it is pressed is the
scheduler's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ppacer_nb.model.history import TaskShape, latest_states
from ppacer_nb.model.overview import HeldKernel
from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.widgets.picture import Picture, RunPicture

View = dict[str, Any]

#: Tasks that a question names; of more it gives the number.
MOST_NAMES = 4
_NEWEST = "It goes on with the newest version of the DAG."


def run_actions(picture: Picture) -> list[View]:
    """Return the buttons for the run."""
    shown = picture.run
    if shown is None or not picture.info.running:
        return []
    run, states = shown.run, latest_states(shown.attempts)
    if not run.state.is_terminal:
        return [_action("cancel", "Cancel run", _what_cancelling_does(shown), "Cancel it", run_id=run.run_id)]
    if run.state is RunState.SUCCESS or not _is_defined(picture) or shown.version is None:
        return []
    good = (AttemptState.SUCCESS, AttemptState.SKIPPED)
    bad = [task.id for task in shown.version.tasks if states.get(task.id) not in good]
    again = with_downstream(shown.version.tasks, bad)
    kept = len(shown.version.tasks) - len(again)
    stays = f"{_counted(kept, 'task')} that ended well {'stays' if kept == 1 else 'stay'}." if kept else ""
    question = f"{_listed(again)} {_run(again)} again. {stays} {_version_note(picture)}"
    return [_action("restart", "Restart", question, "Restart it", run_id=run.run_id)]


def task_actions(picture: Picture) -> list[View]:
    """Return the buttons for the chosen task; none where none is chosen."""
    shown, task_id = picture.run, picture.selection.task_id
    if shown is None or shown.version is None or not picture.info.running or not _is_defined(picture):
        return []
    tasks = shown.version.tasks
    if task_id not in {task.id for task in tasks} or _is_being_cancelled(shown):
        return []
    assert task_id is not None
    states = latest_states(shown.attempts)
    state = states.get(task_id)
    has_ended = state is not None and state.ends_task
    after = with_downstream(tasks, [task_id])[1:]
    busy = [id for id in after if states.get(id) is AttemptState.RUNNING]
    about = {"run_id": shown.run.run_id, "task_id": task_id}
    actions = []
    if state is AttemptState.UP_FOR_RETRY:
        question = f"{task_id} runs again now, its retries counted anew."
        actions.append(_action("clear", "Retry now", question, "Retry now", **about))
    if has_ended and not busy:
        if _held(shown, task_id, picture.info.held):
            actions.append(_action("resume", "Resume", "", "", **about))
        text = f"{_listed([task_id, *after])} {_run([task_id, *after])} again, however they ended."
        note = _version_note(picture) if shown.run.state.is_terminal else ""
        actions.append(_action("clear", "Run again", f"{text} {note}", "Run again", **about))
    if state is not AttemptState.RUNNING and not (has_ended and busy):
        waits = not has_ended and not shown.run.state.is_terminal
        for mark in (AttemptState.SUCCESS, AttemptState.FAILED):
            if state is not mark and (has_ended or waits):
                question = _what_marking_does(task_id, mark, after)
                actions.append(
                    _action("mark", f"Mark {mark}", question, "Mark it", **about, state=mark.value)
                )
    if not has_ended and not shown.run.state.is_terminal:
        verb = "is stopped" if state is AttemptState.RUNNING else "does not start"
        rest = f" {_listed(after)} {_run(after)} only if the trigger rule allows it." if after else ""
        actions.append(
            _action("cancel_task", "Cancel task", f"{task_id} {verb}.{rest}", "Cancel it", **about)
        )
    return actions


def with_downstream(tasks: Sequence[TaskShape], chosen: Collection[str]) -> list[str]:
    """Return the `chosen` tasks and all that is downstream of them, in the order of `tasks`.

    In `tasks` what is upstream comes first, as the store keeps them.
    """
    found = set(chosen)
    for task in tasks:
        if not found.isdisjoint(task.upstreams):
            found.add(task.id)
    return [task.id for task in tasks if task.id in found]


def _action(command: str, label: str, question: str, yes: str, **about: str) -> View:
    """Return a button; without a question it acts at once. `ask` is the message to send."""
    name = ".".join([command, *about.values()])
    ask = {"command": command, **about}
    return {"name": name, "label": label, "question": " ".join(question.split()), "yes": yes, "ask": ask}


def _what_cancelling_does(shown: RunPicture) -> str:
    if _is_being_cancelled(shown):
        return "It is being cancelled already: this stops also what cleans up."
    states = latest_states(shown.attempts)
    running = [id for id, state in states.items() if state is AttemptState.RUNNING]
    ended = sum(state.ends_task for state in states.values())
    waiting = shown.run.tasks - len(running) - ended
    stopped = f"{_listed(running)} {'is' if len(running) == 1 else 'are'} stopped." if running else ""
    not_started = f"{_counted(waiting, 'task')} {'does' if waiting == 1 else 'do'} not start any more."
    return f"{stopped} {not_started if waiting else ''} Tasks that clean up still run."


def _what_marking_does(task_id: str, state: AttemptState, after: Sequence[str]) -> str:
    if state is AttemptState.SUCCESS:
        what = f"{task_id} counts as a success, and hands on the value of its last one, or None."
    else:
        what = f"{task_id} counts as failed."
    return f"{what} {f'What becomes of {_listed(after)} is decided anew.' if after else ''}"


def _is_being_cancelled(shown: RunPicture) -> bool:
    return shown.run.state is RunState.RUNNING and shown.run.reason != ""


def _is_defined(picture: Picture) -> bool:
    assert picture.run is not None
    return any(dag.dag_id == picture.run.run.dag_id and dag.defined for dag in picture.dags)


def _version_note(picture: Picture) -> str:
    assert picture.run is not None
    run = picture.run.run
    (newest,) = (dag.version for dag in picture.dags if dag.dag_id == run.dag_id)
    return "" if newest == run.version else _NEWEST


def _held(shown: RunPicture, task_id: str, held: Iterable[HeldKernel]) -> bool:
    latest = max((a.attempt for a in shown.attempts if a.task_id == task_id), default=0)
    return any((h.run_id, h.task_id, h.attempt) == (shown.run.run_id, task_id, latest) for h in held)


def _listed(ids: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b, c, d and 5 more"."""
    named = list(ids[:MOST_NAMES]) if len(ids) > MOST_NAMES + 1 else list(ids)
    last = f"{len(ids) - len(named):,} more" if len(named) < len(ids) else named.pop()
    return f"{', '.join(named)} and {last}" if named else last


def _run(ids: Sequence[str]) -> str:
    return "runs" if len(ids) == 1 else "run"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
