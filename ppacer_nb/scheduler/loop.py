"""The loop: takes in what happened, lets the engine decide, carries out the commands. It decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from operator import methodcaller
from typing import Any, TypeVar

from ppacer_nb.engine.commands import Command, Keep, Notify, Recall, Record, Release, Start, Stop
from ppacer_nb.engine.coordinator import Coordinator
from ppacer_nb.errors import NotRunning, StoreError
from ppacer_nb.executors.protocol import Executor
from ppacer_nb.model.attempt import (
    BodyStarted,
    Cancelled,
    CellProgress,
    Ended,
    ErrorInfo,
    Failed,
    Job,
    LogLine,
    Message,
    Released,
    Report,
)
from ppacer_nb.model.events import Event, EventOfRun, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey
from ppacer_nb.model.notification import Notification, NotificationKind
from ppacer_nb.model.overview import StopReport
from ppacer_nb.scheduler.clock import Clock, Signal
from ppacer_nb.scheduler.futures import refuse, resolve
from ppacer_nb.scheduler.listeners import Listeners
from ppacer_nb.scheduler.turns import short_turns
from ppacer_nb.status import RunState
from ppacer_nb.store.writer import LogWriter

T = TypeVar("T")
Decide = Callable[[Coordinator, datetime], tuple[T, list[Command]]]
ExecutorFactory = Callable[[asyncio.AbstractEventLoop], Executor]

#: After asking everything to stop, how long until what still runs is given up.
LAST_WAIT = timedelta(seconds=15)
_UNFINISHED = "the scheduler was stopped before the run ended: it goes on when it is started again."
_ENDED = "the scheduler has stopped: start it again."

_log = logging.getLogger("ppacer_nb")


class SchedulerLoop:
    """Owns the scheduler's thread, and in it the engine and the executors.

    Parameters
    ----------
    coordinator
        The engine. Only this thread touches it.
    log
        Where events go; a task starts only when it has confirmed them.
    executors
        How to make each executor, by name; made on first use.
    default_executor
        For tasks that name none.
    clock
        The time.
    notify
        Takes notifications; must not block.
    recall
        Returns all that the log says of a run.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        log: LogWriter,
        executors: Mapping[str, ExecutorFactory],
        *,
        default_executor: str,
        clock: Clock,
        notify: Callable[[Notification], None],
        recall: Callable[[str], Sequence[EventOfRun]],
    ) -> None:
        self._coordinator = coordinator
        self._log = log
        self._factories = executors
        self._default_executor = default_executor
        self._clock = clock
        self._notify = notify
        self._recall = recall
        self._executors: dict[str, Executor] = {}
        self._inbox: deque[Callable[[datetime], Sequence[Command]]] = deque()
        self._decided: list[Command] = []  # and not carried out yet
        self._news = Signal()
        self._woken = False  # whether a turn was asked for
        self._turned = Signal()
        self._changed: set[str] = set()
        self._ends: dict[str, Future[RunState]] = {}
        self._unheard: set[Future[Any]] = set()  # answers to what the loop has not come to yet
        self._unwritten: set[Future[Any]] = set()  # answers that wait for the disk
        self._starting: dict[AttemptKey, Job] = {}  # attempts that wait for the disk, or for their time
        self._ahead: deque[tuple[datetime, Start]] = deque()  # on disk, and to begin at that time
        self._trouble: StoreError | None = None  # while the history cannot be written
        self._defect = ""
        self._stop_lock = threading.Lock()
        self._stopped: Future[StopReport] | None = None
        self._finished = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="ppacer-scheduler", daemon=True)
        #: Called in the loop's thread; what they are told of can be read already.
        self.listeners = Listeners()
        self.progress: dict[AttemptKey, CellProgress] = {}  #: of notebooks that run now

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def problem(self) -> str:
        """A sentence, where the scheduler cannot do its work."""
        return str(self._trouble or self._defect)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def ask(self, decide: Decide[T], *, in_trouble: bool = False) -> T:
        """Let `decide` act on the coordinator in the loop's thread; return or raise what it does.

        The events it caused are on disk when this returns. With `in_trouble`, for what starts nothing, it is
        done also while the history cannot be written, and then recorded as soon as that can be.

        Raises
        ------
        NotRunning
            If the loop has ended.
        StoreError
            If the history cannot be written. The sentence says whether it was decided and is recorded later.
        """
        answer: Future[T] = Future()

        def act(now: datetime) -> list[Command]:
            self._unheard.discard(answer)
            if self._trouble is not None and not in_trouble:
                refuse([answer], StoreError(f"{self._trouble} What was asked was not done: ask again then."))
                return []
            self._carry_out_decided()  # what it reads of the history is all that was decided
            try:
                result, commands = decide(self._coordinator, now)
            except Exception as error:  # the caller's, to whom it is handed
                answer.set_exception(error)
                return []
            self._unwritten.add(answer)
            self._decided += commands
            self._carry_out_decided(lambda: self._answer(answer, result))
            if self._trouble is not None:
                self._answer_in_trouble(answer, result, refused=not in_trouble)
            return []

        self._unheard.add(answer)
        self._post(act)
        return answer.result()

    def make_ready(self, executors: Iterable[str | None]) -> None:
        """Have these executors made, so that what they need is started before the first attempt."""

        def act(_: datetime) -> list[Command]:
            for name in executors:
                try:
                    self._executor(name)
                except Exception:  # an executor's defect; the first attempt will fail and say so
                    _log.exception(
                        "ppacer: the executor %r could not be made", name or self._default_executor
                    )
            return []

        self._post(act)

    def look(self, at: Callable[[Coordinator], T]) -> T:
        """Return what `at` finds in the coordinator, between two turns."""
        return self.ask(lambda coordinator, _: (at(coordinator), []), in_trouble=True)

    def end_of(self, run_id: str) -> Future[RunState]:
        """Return a future of how an unfinished run ends. Call it within `ask`, before the run can end."""
        return self._ends.setdefault(run_id, Future())

    def changed(self, ids: frozenset[str]) -> None:
        """Tell the listeners, from any thread, that there is something new to read of these runs."""

        def act(_: datetime) -> list[Command]:
            self._changed |= ids
            return []

        with contextlib.suppress(NotRunning):
            self._post(act)

    def stop(self, wait: timedelta) -> StopReport:
        """Start nothing more, give what runs up to `wait` to end, stop the rest, and end the thread.

        Runs that have not ended go on under the next scheduler.

        Who asks again, say after an interrupted wait, waits for the same end.
        """
        with self._stop_lock:
            if self._stopped is None:
                self._stopped = asyncio.run_coroutine_threadsafe(self._shut_down(wait), self._loop)
        report = self._stopped.result()
        self._thread.join()
        return report

    def note_trouble(self, trouble: StoreError) -> None:
        """Note, from any thread, that the history cannot be written, and send word of it.

        Until `note_recovery` no attempt starts, as each waits for its record; what runs goes on.
        """
        self._trouble = trouble
        _log.error("ppacer: %s", trouble)
        refuse(self._unwritten, _decided_only(trouble))
        if self._finished:
            self._refuse_ends()
        self._tell_of_history("history_unwritable", str(trouble))

    def note_recovery(self) -> None:
        """Note, from any thread, that all that waited for the disk is written, and send word of it."""
        self._trouble = None
        text = "the run history is written again; no event of it was lost."
        _log.warning("ppacer: %s", text)
        self._tell_of_history("history_written_again", text)

    def _tell_of_history(self, kind: NotificationKind, text: str) -> None:
        def act(now: datetime) -> list[Command]:
            self._notify(Notification(now, kind, "", "", 0, text))
            self.listeners.tell(frozenset())
            return []

        with contextlib.suppress(NotRunning):  # who stops it is told
            self._post(act)

    def _refuse_ends(self) -> None:
        assert self._trouble is not None
        refuse(self._ends.values(), StoreError(f"{self._trouble} The scheduler was stopped before that."))

    def _post(self, act: Callable[[datetime], Sequence[Command]]) -> None:
        self._inbox.append(act)
        if self._woken and not self._loop.is_closed():
            return  # the turn that was asked for takes this in too
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:
            raise NotRunning(_ENDED) from None

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            with short_turns():
                self._loop.run_until_complete(self._run())
        finally:
            self._loop.close()
            refuse(self._unheard, NotRunning(_ENDED))
            refuse(self._ends.values(), NotRunning(_UNFINISHED))

    async def _run(self) -> None:
        while not self._finished:
            self._turn(self._clock.now())
            self._turned.set()
            self._announce()
            await self._clock.wait(self._next_wakeup(), self._news)
        self._turn(self._clock.now())  # answers who still asked

    def _turn(self, now: datetime) -> None:
        self._woken = False  # before the inbox is emptied: what is put there now asks for the next turn
        if step := self._clock.step():  # read after `now`: none that `now` shows is missed
            self._coordinator.clock_stepped(step)
        while self._ahead and (step or self._ahead[0][0] <= now):
            self._begin(self._ahead.popleft()[1])
        while self._inbox:
            self._decide(self._inbox.popleft(), now)
        self._decide(self._coordinator.advance, now)
        self._carry_out_decided()
        self._serve_ahead(now)

    def _serve_ahead(self, now: datetime) -> None:
        """Record the runs of a schedule point that is about to come, so that they can begin when it does."""
        point = self._coordinator.next_point
        if point is not None and point - now <= self._clock.lead:
            self._decide(lambda _: self._coordinator.serve_ahead(point), now)
            self._carry_out_decided(not_before=point)

    def _next_wakeup(self) -> datetime | None:
        """Return when there is something to do, if nothing happens before."""
        engine = self._coordinator
        due = engine.next_wakeup if engine.next_point is None else engine.next_point - self._clock.lead
        begin = self._ahead[0][0] if self._ahead else None
        return min(filter(None, (due, begin)), default=None)

    def _decide(self, act: Callable[[datetime], Sequence[Command]], now: datetime) -> None:
        try:
            commands = act(now)
        except Exception as error:  # a defect of ours: what it does not touch goes on
            self._note_defect(error)
        else:
            self._decided += commands

    def _note_defect(self, error: Exception) -> None:
        self._defect = f"an internal error ({type(error).__name__}: {error})"
        _log.exception("ppacer: internal error in the scheduler")

    def _carry_out_decided(
        self, then: Callable[[], None] | None = None, *, not_before: datetime | None = None
    ) -> None:
        """Carry out all that was decided, in that order, and call `then` when it is on disk.

        Attempts begin then, but `not_before` a schedule point that has yet to come.
        """
        commands, self._decided = self._decided, []
        events: list[Event] = []
        starts: list[Start | Recall] = []
        for command in commands:
            match command:
                case Record(event):
                    events.append(event)
                case Start(job):
                    starts.append(command)
                    self._starting[job.key] = job
                case Recall():
                    starts.append(command)
                case Stop():
                    self._stop_attempt(command)
                case Keep(key) | Release(key):
                    wish = "keep" if isinstance(command, Keep) else "release"
                    self._have_executors(methodcaller(wish, key))
                case Notify(notification):
                    self._notify(notification)
        if events or starts:
            self._log.events(events, lambda: self._on_disk(events, starts, then, not_before))
        elif then is not None:
            then()

    def _on_disk(
        self,
        events: Sequence[Event],
        starts: Sequence[Start | Recall],
        then: Callable[[], None] | None,
        not_before: datetime | None,
    ) -> None:
        """Go on, in the writer's thread, with what waited for these events to be durable."""
        for event in events:
            if isinstance(event, RunEvent) and event.state.is_terminal:
                end = self._ends.pop(event.run_id, None)
                if end is not None:
                    resolve(end, event.state)
        if then is not None:
            then()
        # A loop that has ended has cancelled them, and has nobody to tell.
        with contextlib.suppress(NotRunning):
            self._post(lambda now: self._go_on(events, starts, now, not_before))

    def _answer(self, answer: Future[T], result: T) -> None:
        self._unwritten.discard(answer)
        resolve(answer, result)

    def _answer_in_trouble(self, answer: Future[T], result: T, *, refused: bool) -> None:
        """Answer without waiting for the disk."""
        if refused and self._trouble is not None:  # it has begun meanwhile
            refuse([answer], _decided_only(self._trouble))
        self._answer(answer, result)

    def _stop_attempt(self, stop: Stop) -> None:
        if self._starting.pop(stop.key, None) is not None:  # no executor knows it yet
            self._hear(stop.key, Ended(self._clock.now(), Cancelled(stop.reason)))
        self._have_executors(methodcaller("stop", stop.key, timed_out=stop.timed_out, reason=stop.reason))

    def _have_executors(self, do: Callable[[Executor], object]) -> None:
        """Ask all executors, as only one of them knows the attempt."""
        for executor in self._executors.values():
            try:
                do(executor)
            except Exception as error:  # an executor's defect; the attempt's end may come yet
                self._note_defect(error)

    def _go_on(
        self,
        events: Sequence[Event],
        starts: Sequence[Start | Recall],
        now: datetime,
        not_before: datetime | None,
    ) -> list[Command]:
        """Tell the listeners what they can read now, and begin what may begin."""
        commands: list[Command] = []
        for event in events:
            if isinstance(event, RunEvent | TaskEvent | ScheduleEvent) and event.run_id is not None:
                self._changed.add(event.run_id)
            if not isinstance(event, TaskEvent):
                self._changed.add(event.dag_id)
        for start in starts:
            match start:
                case Start() if not_before is not None and now < not_before:
                    self._ahead.append((not_before, start))
                case Start():
                    self._begin(start)
                case Recall(run_id):
                    commands += self._coordinator.recalled(run_id, self._recall(run_id), now)
        return commands

    def _begin(self, start: Start) -> None:
        if self._starting.pop(start.job.key, None) is None:
            return  # stopped meanwhile
        try:
            self._executor(start.executor).submit(start.job, self._hear)
        except Exception as error:  # an executor's defect must fail the attempt, not hang it
            _log.exception("ppacer: executor could not take %s", start.job.key)
            self._hear(start.job.key, _not_started(start.job, error, self._clock.now()))

    def _executor(self, name: str | None) -> Executor:
        name = name or self._default_executor
        if name not in self._executors:
            self._executors[name] = self._factories[name](self._loop)
        return self._executors[name]

    def _hear(self, key: AttemptKey, report: Report) -> None:
        """Take a report of an executor, from any thread."""
        if isinstance(report, LogLine):  # nothing to decide; a task's own thread can wait for a slow disk
            self._log.line(key, report, may_wait=threading.current_thread() is not self._thread)
            return
        # A task that could not be stopped may speak when the loop has ended, and nobody listens.
        with contextlib.suppress(NotRunning):
            self._post(lambda now: self._take_in(key, report, now))

    def _take_in(self, key: AttemptKey, report: Report, now: datetime) -> Sequence[Command]:
        match report:
            case Ended(outcome=outcome):
                self.progress.pop(key, None)
                return self._coordinator.attempt_ended(key, outcome, now)
            case CellProgress():
                self.progress[key] = report
                self._changed.add(key.run_id)
            case BodyStarted(worker=worker):
                self._coordinator.body_started(key, worker, now)
            case Message(text=text):
                self._notify(Notification(now, "message", *key, text))
            case Released():
                self._coordinator.released(key)
                self._changed.add(key.run_id)
        return []

    def _announce(self) -> None:
        if not self._changed:
            return
        changed, self._changed = frozenset(self._changed), set()
        self.listeners.tell(changed)

    async def _shut_down(self, wait: timedelta) -> StopReport:
        self._coordinator.drain()
        before = self._coordinator.queue.busy
        await self._until_idle(wait)
        finished = before - self._coordinator.queue.busy
        self._decided += self._coordinator.interrupt()
        self._carry_out_decided()
        await self._until_idle(LAST_WAIT)
        for name, executor in self._executors.items():
            try:
                await executor.close()
            except Exception:  # an executor's defect must not keep the scheduler from ending
                _log.exception("ppacer: the executor %r did not close", name)
        self._turn(self._clock.now())  # what was said while the executors closed
        self._decided += self._coordinator.put_back(self._clock.now())
        self._carry_out_decided()
        self._finished = True
        if self._trouble is not None:
            self._refuse_ends()
        self._news.set()
        return StopReport(finished, list(self._coordinator.runs))

    async def _until_idle(self, wait: timedelta) -> None:
        end = self._loop.time() + wait.total_seconds()
        while self._coordinator.queue.busy and (left := end - self._loop.time()) > 0:
            await self._turned.wait(left)


def _decided_only(trouble: StoreError) -> StoreError:
    return StoreError(f"{trouble} What was asked was decided, and is recorded and done then.")


def _not_started(job: Job, error: Exception, now: datetime) -> Ended:
    text = f"task {job.task.id!r} could not be started: {type(error).__name__}: {error}"
    return Ended(now, Failed(ErrorInfo("TaskFailed", text)))
