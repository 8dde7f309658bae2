from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ppacer_nb.views.page import LogView, NoteKind, log_lines, note
from tests.views.reading import read_html
from tests.views.strategies import HOSTILE

AT = datetime(2026, 11, 23, 22, 59, 59, 123456, tzinfo=UTC)
WARSAW = ZoneInfo("Europe/Warsaw")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("info", "Stopped.\n  Start again."),
        ("success", "✓ Stopped.\n  Start again."),
        ("warning", "! Stopped.\n  Start again."),
        ("error", "✗ Stopped.\n  Start again."),
    ],
)
def test_a_note_tells_its_kind_and_what_to_do(kind: NoteKind, text: str) -> None:
    shown = note("Stopped.", kind=kind, hint="Start again.")
    assert shown.text == text
    assert read_html(shown.html)[1] == "Stopped.Start again."


def test_an_error_is_announced() -> None:
    assert 'role="alert"' in note("No.", kind="error").html
    assert 'role="status"' in note("Yes.").html


def test_log_lines_stand_in_columns_in_the_readers_zone() -> None:
    lines = [
        LogView(AT, "INFO", "reading", {"rows": "120", "city": "Lodz"}),
        LogView(AT + timedelta(seconds=1), "ERROR", "Traceback:\n  no rows\n", {}),
        LogView(AT + timedelta(seconds=2), "stdout", "", {}),
    ]
    assert log_lines(lines, zone=WARSAW).text == (
        "2026-11-23\n"
        "23:59:59.123  INFO     reading  rows=120 city=Lodz\n"
        "2026-11-24\n"
        "00:00:00.123  ERROR    Traceback:\n"
        "                         no rows\n"
        "00:00:01.123  stdout"
    )


def test_log_levels_are_coloured_and_spelled() -> None:
    html = log_lines([LogView(AT, "warning", "odd")], zone=UTC).html
    assert '<tr class="ppacer-state-warning">' in html
    assert read_html(html)[1] == "2026-11-2322:59:59.123warningodd"


def test_the_full_time_is_in_the_tooltip() -> None:
    html = log_lines([LogView(AT, "INFO", "x")], zone=WARSAW).html
    assert 'title="2026-11-23T23:59:59.123456+01:00"' in html


def test_without_a_zone_times_are_this_machines() -> None:
    local = AT.astimezone()
    assert log_lines([LogView(AT, "INFO", "x")]).text.split("\n")[1].startswith(f"{local:%H:%M:%S}")


def test_no_log_lines_is_said() -> None:
    assert log_lines([]).text == "No log lines."


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_field_stays_text(text: str) -> None:
    for shown in (note(text, hint=text), log_lines([LogView(AT, text, text, {text: text})], zone=UTC)):
        read_html(shown.html)
        assert not {"\x1b", "\x00", "\r", "\u202e", "\ud800"} & set(shown.text)
