"""The search for an order of calls, on a register that adds."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

import pytest

from tests.chaos.robustness.checks.linear import Action, search


def add(number: int, start: float, until: float = inf) -> Action[int]:
    """Adds a number, and is answered nothing; without an end nobody knows whether it did."""
    return Action(start, until, lambda state: [state + number], name=f"add {number}")


def read(number: int, start: float, until: float) -> Action[int]:
    def steps(state: int) -> Iterator[int]:
        if state == number:
            yield state

    return Action(start, until, steps, reads=True, name=f"read {number}")


GOOD = {
    "one after the other": (3, [add(1, 0, 1), read(1, 2, 3), add(2, 4, 5), read(3, 6, 7)]),
    "an overlap, in either order": (1, [add(1, 0, 9), read(0, 1, 2), read(1, 3, 4)]),
    "a read that began before": (1, [add(1, 2, 3), read(0, 1, 4)]),
    "an unknown write that was done later": (1, [add(1, 0), read(0, 1, 2), read(1, 3, 4)]),
    "an unknown write that was never done": (0, [add(1, 0), read(0, 1, 2)]),
    "a way that has to be searched for": (
        7,
        [add(1, 0, 9), add(2, 0, 9), add(4, 0, 9), read(4, 1, 2), read(5, 3, 4), read(7, 5, 6)],
    ),
}
BAD = {
    "a stale read": (1, [add(1, 0, 1), read(0, 2, 3)]),
    "a read of what came later": (1, [read(1, 0, 1), add(1, 2, 3)]),
    "readers who saw two orders": (3, [add(1, 0, 9), add(2, 0, 9), read(1, 1, 2), read(2, 3, 4)]),
    "a write that was seen, and then not": (1, [add(1, 0), read(1, 1, 2), read(0, 3, 4)]),
    "a write that was answered and is not there": (0, [add(1, 0, 1)]),
    "a write that nobody made": (1, [read(0, 0, 1)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_order_is_found(name):
    end, actions = GOOD[name]
    found = search(actions, 0, lambda state: state == end)
    assert (found.ok, found.finished) == (True, True)


@pytest.mark.parametrize("name", BAD)
def test_no_order_is_found(name):
    end, actions = BAD[name]
    found = search(actions, 0, lambda state: state == end)
    assert (found.ok, found.finished) == (False, True)
    assert found.stuck_at


def test_a_search_whose_budget_is_spent_is_neither():
    many = [add(1 << place, 0, 9) for place in range(16)] + [read(7, 10, 11)]
    found = search(many, 0, lambda state: True, budget=1000)
    assert (found.ok, found.finished) == (False, False)


@pytest.mark.parametrize(("done", "ok"), [(0, True), (7, True), (25, True), (26, False)])
def test_of_writes_that_are_alike_and_unanswered_it_matters_only_how_many_were_done(done, ok):
    alike = [replace(add(1, start), kind="add 1") for start in range(25)]
    found = search(alike, 0, lambda state: state == done, budget=1000)
    assert (found.ok, found.finished) == (ok, True)


def test_an_answered_write_is_placed_before_one_alike_without_an_answer_and_behind_it():
    unknown = replace(add(1, 0), kind="add 1")
    for start, seen in ((3, 1), (1, 2)):
        answered = replace(add(1, start, start + 1), kind="add 1")
        found = search([unknown, answered, read(seen, 5, 6)], 0, lambda state: state == 2)
        assert (found.ok, found.finished) == (True, True)
