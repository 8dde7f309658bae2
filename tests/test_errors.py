from __future__ import annotations

import inspect
import pickle
import re

import pytest

from ppacer_nb import errors

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_is_the_tree_there_is() -> None:
    drawn: list[tuple[str, str]] = []
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+)(?: \((\w+)\))?", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        path[depth:] = [match[2]]
        drawn.append((match[2], path[depth - 1] if depth else "Exception"))
        if match[3]:
            drawn.append((match[2], match[3]))
    real = [(cls.__name__, base.__name__) for cls in CLASSES for base in cls.__bases__]
    assert sorted(drawn) == sorted(real)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_can_be_sent_to_another_process(cls: type[Exception]) -> None:
    again = pickle.loads(pickle.dumps(cls("one sentence")))
    assert (type(again), str(again)) == (cls, "one sentence")
