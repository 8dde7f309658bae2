"""Where the messages of a widget are handled."""

from __future__ import annotations

from typing import Any

from ipykernel.comm.comm import BaseComm

from ppacer_nb.widgets.subshell import answer_while_busy


def test_a_message_goes_to_the_subshell_that_it_was_sent_to() -> None:
    make: Any = BaseComm
    comm = make(target_name="jupyter.widget")
    comm._reply_subshell_id = None  # as ipykernel notes it when the main shell used the comm last
    assert comm._reply_subshell_for({}, "subshell") is None, "ipykernel needs no help any more"
    answer_while_busy(comm)
    assert comm._reply_subshell_for({}, "subshell") == "subshell"


def test_a_comm_without_such_a_rule_is_left_alone() -> None:
    comm = object()
    answer_while_busy(comm)
    assert not hasattr(comm, "_reply_subshell_for")
