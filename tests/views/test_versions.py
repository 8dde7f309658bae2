"""Versions and their differences, for people to read."""

from __future__ import annotations

from datetime import UTC, datetime

from ppacer_nb.model.history import VersionSummary
from ppacer_nb.model.version_diff import TaskDiff, VersionDiff
from ppacer_nb.views.reader import Reader
from ppacer_nb.views.versions import diff_page, version_table

T0 = datetime(2026, 11, 23, 5, 15, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_table_lists_the_newest_first_and_says_how_to_go_on() -> None:
    versions = [VersionSummary("bbb", T0, 1_200), VersionSummary("aaa", T0, 0)]
    shown = version_table("sales", versions, Reader(T0, UTC)).text
    assert shown.index("bbb") < shown.index("aaa")
    assert "1,200" in shown
    assert "%ppacer diff sales" in shown
    assert "%ppacer diff" not in version_table("sales", versions[:1], Reader(T0, UTC)).text


def test_a_difference_is_told_by_signs_and_not_by_colour_alone() -> None:
    diff = VersionDiff(
        "sales",
        "a",
        "b",
        ["@@ -1 +1 @@", "-schedule x", "+schedule y"],
        [TaskDiff("load", "changed", [], ["-one", "+two"]), TaskDiff("new", "added", ["+retries 2"], ["+x"])],
    )
    shown = diff_page(diff)
    assert "the DAG itself changed, 1 task changed, 1 task added" in shown.text
    assert "task load\n  -one\n  +two" in shown.text
    assert "task new, added\n  +retries 2\n  \n  +x" in shown.text
    assert '<div class="ppacer-diff-line ppacer-state-failed">-one</div>' in shown.html


def test_nothing_changed_is_said_in_words() -> None:
    assert "nothing changed" in diff_page(VersionDiff("sales", "a", "b", [], [])).text


def test_what_could_not_be_compared_is_said() -> None:
    shown = diff_page(VersionDiff("sales", "a", "b", [], [], "Of version a no sources were kept."))
    assert shown.text.endswith("nothing changed.\n  Of version a no sources were kept.")
    assert "Of version a no sources were kept." in shown.html


def test_markup_in_a_source_is_shown_as_text() -> None:
    diff = VersionDiff(
        "sales", "a", "b", [f"+{HOSTILE}"], [TaskDiff(HOSTILE, "changed", [f"-{HOSTILE}"], [HOSTILE])]
    )
    html = diff_page(diff).html
    assert "<img" not in html
    assert html.count("onerror") == 4
