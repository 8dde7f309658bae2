from __future__ import annotations

import itertools

import pytest

from ppacer_nb.engine.trigger_rules import Upstreams, Verdict, judge
from ppacer_nb.status import AttemptState, TriggerRule

WAIT, START, SKIP, FAILED = Verdict.WAIT, Verdict.START, Verdict.SKIP, Verdict.UPSTREAM_FAILED

# How the upstreams stand: s(uccess), f(ailed), k (skipped), . (not ended yet).
TABLE = {
    #         all_success all_done one_failed one_success none_failed
    "": (START, START, SKIP, START, START),
    ".": (WAIT, WAIT, WAIT, WAIT, WAIT),
    "s": (START, START, SKIP, START, START),
    "f": (FAILED, START, START, FAILED, FAILED),
    "k": (SKIP, START, SKIP, SKIP, START),
    "s.": (WAIT, WAIT, WAIT, START, WAIT),
    "f.": (FAILED, WAIT, START, WAIT, FAILED),
    "k.": (SKIP, WAIT, WAIT, WAIT, WAIT),
    "ss": (START, START, SKIP, START, START),
    "sf": (FAILED, START, START, START, FAILED),
    "sk": (SKIP, START, SKIP, START, START),
    "ff": (FAILED, START, START, FAILED, FAILED),
    "fk": (FAILED, START, START, FAILED, FAILED),
    "kk": (SKIP, START, SKIP, SKIP, START),
}
RULES = (
    TriggerRule.ALL_SUCCESS,
    TriggerRule.ALL_DONE,
    TriggerRule.ONE_FAILED,
    TriggerRule.ONE_SUCCESS,
    TriggerRule.NONE_FAILED,
)
STATES = {"s": AttemptState.SUCCESS, "f": AttemptState.FAILED, "k": AttemptState.SKIPPED}


def _upstreams(text: str) -> Upstreams:
    upstreams = Upstreams(len(text))
    for letter in text.replace(".", ""):
        upstreams.add(STATES[letter])
    return upstreams


@pytest.mark.parametrize("text", TABLE, ids=lambda text: text or "none")
def test_what_each_rule_says_of_each_situation(text: str) -> None:
    verdicts = tuple(judge(rule, _upstreams(text)) for rule in RULES)
    assert verdicts == TABLE[text]
    assert judge(TriggerRule.ALWAYS, _upstreams(text)) is START


def test_the_table_and_always_cover_all_rules() -> None:
    assert {*RULES, TriggerRule.ALWAYS} == set(TriggerRule)


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_verdict_is_final_and_in_the_end_there_is_one(rule: TriggerRule) -> None:
    for ends in itertools.product(STATES.values(), repeat=4):
        upstreams, verdicts = Upstreams(4), [judge(rule, Upstreams(4))]
        for state in ends:
            upstreams.add(state)
            verdicts.append(judge(rule, upstreams))
        assert verdicts[-1] is not WAIT
        for earlier, later in itertools.pairwise(verdicts):
            # Nobody asks again once a task is decided, so what is final is only that it never waits again.
            assert earlier is WAIT or later is not WAIT


@pytest.mark.parametrize("state", [s for s in AttemptState if s.is_failure and s is not AttemptState.FAILED])
def test_every_kind_of_failure_upstream_counts_as_one(state: AttemptState) -> None:
    upstreams = Upstreams(1)
    upstreams.add(state)
    assert judge(TriggerRule.ALL_SUCCESS, upstreams) is FAILED
