"""What every store must do, as tests: public as `ppacer_nb.testing.StoreContract`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb import values
from ppacer_nb.model.attempt import ErrorInfo, LogLine
from ppacer_nb.model.events import CatchupEvent, DagEvent, Event, RunEvent, ScheduleEvent, TaskEvent
from ppacer_nb.model.ids import AttemptKey, run_id_of
from ppacer_nb.model.points import PointRange, PointRun
from ppacer_nb.status import AttemptState, CatchupChoice, RunState, RunType, ScheduleEventKind
from ppacer_nb.store.store import Store


class StoreContract:
    """What every store must do, as a pytest class: subclass it with a fixture ``store``.

    ::

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self):
                with MyStore() as store:
                    yield store
    """

    at = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
    run_id = run_id_of("sales", RunType.SCHEDULED, at)

    def run_event(self, state: RunState, **changes: Any) -> RunEvent:
        """Return an event of the contract's run."""
        fields: dict[str, Any] = {
            "run_id": self.run_id,
            "dag_id": "sales",
            "run_type": RunType.SCHEDULED,
            "logical_date": self.at,
            "version": "abc",
            "params": {"city": "Łódź"},
            "tasks": 2,
            "state": state,
            "at": self.at,
        }
        return RunEvent(**{**fields, **changes})

    def task_event(self, state: AttemptState, attempt: int = 1, **changes: Any) -> TaskEvent:
        """Return an event of the task ``load`` of the contract's run."""
        return TaskEvent(self.run_id, "load", attempt, state, self.at, **changes)

    def wrote(self, store: Store, *events: Event) -> None:
        """Append `events` and wait until they can be read."""
        store.log.events(events)
        store.log.flush()

    def test_an_empty_store_answers_every_question(self, store: Store) -> None:
        history = store.history
        assert (history.runs(), history.run_ids(), history.attempts("x/y"), history.logs("x/y")) == (
            [],
            [],
            [],
            [],
        )
        assert (history.run("x/y"), history.value("x/y", "t"), history.dag_version("x")) == (None, None, None)
        assert (history.counts(), history.last_points(), history.unfinished()) == ({}, {}, [])

    def test_events_come_back_as_they_were(self, store: Store) -> None:
        error = ErrorInfo("TaskFailed", "ValueError: no", "Traceback ...")
        events: list[Event] = [
            self.run_event(RunState.QUEUED, reason="test"),
            self.run_event(RunState.RUNNING),
            self.task_event(AttemptState.RUNNING, queued_at=self.at),
            self.task_event(AttemptState.UP_FOR_RETRY, error=error, retry_at=self.at, worker="script"),
            self.task_event(AttemptState.RUNNING, 2, queued_at=self.at),
            self.task_event(AttemptState.SUCCESS, 2, value=values.dump([1, "ż"], Path("unused"))),
            self.run_event(RunState.SUCCESS),
        ]
        self.wrote(store, *events)
        assert store.history.events(self.run_id) == events

    def test_params_come_back_of_the_types_that_they_were(self, store: Store) -> None:
        params = {"day": self.at.date(), "at": self.at, "span": (1, 2), "city": "Łódź", "n": 3, "none": None}
        self.wrote(store, self.run_event(RunState.QUEUED, params=params))
        (event,) = store.history.events(self.run_id)
        assert isinstance(event, RunEvent)
        assert event.params == params

    def test_a_task_may_be_in_every_state(self, store: Store) -> None:
        events = [self.task_event(state, attempt) for attempt, state in enumerate(AttemptState)]
        self.wrote(store, *events)
        assert store.history.events(self.run_id) == events

    def test_a_run_may_be_in_every_state_and_of_every_type(self, store: Store) -> None:
        for run_type in RunType:
            run_id = run_id_of("sales", run_type, self.at)
            events: list[Event] = [
                self.run_event(state, run_type=run_type, run_id=run_id) for state in RunState
            ]
            self.wrote(store, *events)
            assert store.history.events(run_id) == events

    def test_a_done_callback_comes_after_its_events_can_be_read(self, store: Store) -> None:
        seen: list[int] = []
        for number in range(20):
            run_id = f"sales/{number}"
            store.log.events(
                [self.run_event(RunState.QUEUED, run_id=run_id)],
                lambda run_id=run_id: seen.append(len(store.history.events(run_id))),  # type: ignore[misc]
            )
        store.log.flush()
        assert seen == [1] * 20

    def test_the_latest_state_of_a_run_is_its_state(self, store: Store) -> None:
        self.wrote(store, self.run_event(RunState.QUEUED), self.run_event(RunState.RUNNING))
        assert store.history.unfinished() == [self.run_id]
        assert store.history.counts() == {RunState.RUNNING: 1}
        self.wrote(store, self.run_event(RunState.FAILED, reason="why"))
        run = store.history.run(self.run_id)
        assert run is not None
        assert (run.state, run.reason, run.params) == (RunState.FAILED, "why", {"city": "Łódź"})
        assert store.history.unfinished() == []

    def test_runs_come_newest_first_and_by_dag(self, store: Store) -> None:
        for dag_id in ("a", "b", "a"):
            number = len(store.history.runs())
            self.wrote(store, self.run_event(RunState.QUEUED, run_id=f"{dag_id}/{number}", dag_id=dag_id))
        assert [run.run_id for run in store.history.runs()] == ["a/2", "b/1", "a/0"]
        assert [run.run_id for run in store.history.runs(dag_id="a", limit=1)] == ["a/2"]

    def test_a_run_that_goes_on_after_its_end_stays_one_run_in_its_place(self, store: Store) -> None:
        events: list[Event] = [self.run_event(RunState.QUEUED), self.run_event(RunState.FAILED)]
        self.wrote(store, *events, self.run_event(RunState.QUEUED, run_id="sales/2"))
        again = self.run_event(RunState.QUEUED, reason="restarted by Ola", version="newer", restarts=1)
        self.wrote(store, again)
        assert store.history.events(self.run_id) == [*events, again]
        assert store.history.run_ids() == ["sales/2", self.run_id]
        runs = [(run.run_id, run.state, run.version, run.restarts) for run in store.history.runs()]
        assert runs == [
            ("sales/2", RunState.QUEUED, "abc", 0),
            (self.run_id, RunState.QUEUED, "newer", 1),
        ]

    def test_a_dag_is_paused_until_its_pause_ends(self, store: Store) -> None:
        for paused in (True, False, True):
            self.wrote(store, DagEvent("sales", paused, self.at, "by Ola"), DagEvent("b", True, self.at, ""))
            assert store.history.paused() == ({"sales", "b"} if paused else {"b"})

    def test_missed_points_are_open_until_somebody_decides_on_them(self, store: Store) -> None:
        at, hour = self.at, timedelta(hours=1)
        skipped = ScheduleEvent("sales", ScheduleEventKind.SKIPPED, at, at + hour, 2, at)
        missed, later = (
            replace(skipped, missed=True),
            replace(skipped, missed=True, last=at + 2 * hour, count=3),
        )
        self.wrote(store, skipped, missed, replace(missed, dag_id="b"))
        expected = PointRange(at, at + hour, 2)
        assert store.history.missed() == {"sales": [expected], "b": [expected]}
        points = (at, at + hour)
        self.wrote(store, CatchupEvent("sales", CatchupChoice.ALL, points, at, "Ola"), later)
        assert store.history.missed()["sales"] == [PointRange(at, at + 2 * hour, 3)]
        assert store.history.to_catch_up() == {"sales": [at, at + hour]}
        served = ScheduleEvent("sales", ScheduleEventKind.CAUGHT_UP, at, at, 1, at, "sales/x")
        self.wrote(store, served)
        assert store.history.to_catch_up() == {"sales": [at + hour]}
        self.wrote(store, CatchupEvent("sales", CatchupChoice.NONE, (), at, "Jan"))
        assert (store.history.missed(), store.history.to_catch_up()) == ({"b": [expected]}, {})
        rows = store.history.sql(
            "SELECT choice, decided_by, len(points) FROM catchup_events ORDER BY seq"
        ).rows
        assert list(map(tuple, rows)) == [("all", "Ola", 2), ("none", "Jan", 0)]

    def test_the_runs_of_a_span_are_found_with_their_states(self, store: Store) -> None:
        later = self.at + timedelta(hours=1)
        self.wrote(
            store,
            *(self.run_event(RunState.QUEUED), self.run_event(RunState.FAILED)),
            self.run_event(RunState.QUEUED, run_id="sales/2", run_type=RunType.MANUAL, logical_date=later),
            self.run_event(RunState.QUEUED, run_id="b/1", dag_id="b"),
        )
        first = PointRun(self.at, RunType.SCHEDULED, RunState.FAILED)
        second = PointRun(later, RunType.MANUAL, RunState.QUEUED)
        assert store.history.point_runs("sales", self.at, later) == [first, second]
        assert store.history.point_runs("sales", later, later) == [second]

    def test_log_lines_come_back_in_order_with_their_attributes(self, store: Store) -> None:
        keys = [AttemptKey(self.run_id, "load", 1), AttemptKey(self.run_id, "total", 1)]
        lines = [LogLine(self.at, "INFO", f"line {i}\nof two", {"day": str(i)}) for i in range(6)]
        for number, line in enumerate(lines):
            store.log.line(keys[number % 2], line)
        store.log.flush()
        assert [record.line for record in store.history.logs(self.run_id)] == lines
        assert [record.line for record in store.history.logs(self.run_id, task_id="total")] == lines[1::2]
        assert [record.line for record in store.history.logs(self.run_id, limit=2)] == lines[-2:]

    def test_log_lines_are_read_back_to_the_first(self, store: Store) -> None:
        for number in range(5):
            store.log.line(AttemptKey(self.run_id, "load", 1), LogLine(self.at, "INFO", str(number)))
        store.log.flush()
        tail = store.history.logs(self.run_id, limit=2)
        earlier = store.history.logs(self.run_id, before=tail[0].number, limit=10)
        assert [record.line.message for record in [*earlier, *tail]] == ["0", "1", "2", "3", "4"]
        assert store.history.logs(self.run_id, before=earlier[0].number) == []

    def test_log_lines_are_read_from_a_level_on(self, store: Store) -> None:
        for level in ("DEBUG", "INFO", "STDOUT", "STDERR", "WARNING", "AUDIT", "ERROR", "CRITICAL"):
            store.log.line(AttemptKey(self.run_id, "load", 1), LogLine(self.at, level, level))
        store.log.flush()

        def read(least: str) -> list[str]:
            return [record.line.level for record in store.history.logs(self.run_id, least=least)]

        assert len(read("debug")) == 8
        assert read("info") == ["INFO", "STDOUT", "STDERR", "WARNING", "AUDIT", "ERROR", "CRITICAL"]
        assert read("warning") == ["STDERR", "WARNING", "AUDIT", "ERROR", "CRITICAL"]
        assert read("error") == ["AUDIT", "ERROR", "CRITICAL"]

    def test_every_schedule_event_counts_its_points(self, store: Store) -> None:
        for number, kind in enumerate(ScheduleEventKind):
            last = self.at + timedelta(hours=number)
            self.wrote(store, ScheduleEvent(f"dag{number}", kind, self.at, last, number, self.at))
        rows = store.history.sql("SELECT dag_id, event, points FROM schedule_events ORDER BY seq").rows
        assert list(map(tuple, rows)) == [(f"dag{n}", k.value, n) for n, k in enumerate(ScheduleEventKind)]
        scheduled = ("regular", "caught_up", "skipped")
        assert set(store.history.last_points()) == {
            f"dag{n}" for n, kind in enumerate(ScheduleEventKind) if kind in scheduled
        }
