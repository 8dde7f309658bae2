from __future__ import annotations

from itertools import combinations

import pytest
from rich.cells import cell_len

from ppacer_nb.status import AttemptState, RunState
from ppacer_nb.views.palette import State, icon_svg, look, state_class, state_css, theme_css

STATES: list[State] = [*RunState, *AttemptState]
LIGHT_GROUNDS, DARK_GROUNDS = ("#ffffff", "#f5f5f5"), ("#111111", "#212121")


@pytest.mark.parametrize("state", STATES)
def test_every_state_reads_well_on_light_and_dark_grounds(state: State) -> None:
    assert min(contrast(look(state).light, ground) for ground in LIGHT_GROUNDS) >= 4.5
    assert min(contrast(look(state).dark, ground) for ground in DARK_GROUNDS) >= 4.5


def test_no_two_states_of_an_attempt_share_icon_word_or_colour() -> None:
    for one, other in combinations(AttemptState, 2):
        ours, theirs = look(one), look(other)
        assert ours.icon != theirs.icon
        assert ours.path != theirs.path
        assert ours.word != theirs.word
        assert ours.light != theirs.light
        assert ours.dark != theirs.dark


def test_a_run_and_an_attempt_in_the_same_state_look_the_same() -> None:
    assert look(RunState.SUCCESS) is look(AttemptState.SUCCESS)


@pytest.mark.parametrize("state", STATES)
def test_an_icon_takes_one_cell_of_a_terminal(state: State) -> None:
    assert cell_len(look(state).icon) == 1


@pytest.mark.parametrize("state", STATES)
def test_css_defines_the_class_of_every_state_in_both_themes(state: State) -> None:
    css = state_css()
    assert f".{state_class(state)}{{--ppacer-state:" in css
    assert css.count(look(state).light) >= 2  # by default, and where JupyterLab says light
    assert css.count(look(state).dark) >= 2  # where the system says dark, and where JupyterLab does
    assert f'd="{look(state).path}"' in icon_svg(state)


def test_css_is_scoped_balanced_and_cannot_end_its_element() -> None:
    css = theme_css()
    assert css.count("{") == css.count("}")
    assert "<" not in css
    for rule in css.replace("}}", "}").split("}"):
        selector = rule.rsplit("{", 1)[0].rsplit("{", 1)[-1]
        assert all(".ppacer" in part for part in selector.split(",") if part)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
