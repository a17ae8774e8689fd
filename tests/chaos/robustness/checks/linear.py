"""The search for an order of the calls in which each was answered as it was.

After Wing and Gong, as in porcupine: calls that overlapped may stand in any order, a call that
ended before another began stands before it, and a write without an answer may stand anywhere after
its start, or nowhere. The search either finds such an order, or shows that there is none, or gives
up when its budget is spent; the last is not a pass.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State")
BUDGET = 200_000
"""How many placings one search may try."""


@dataclass(frozen=True)
class Action(Generic[State]):
    """One call as it acts on one object."""

    start: float
    until: float
    """When it was answered; inf if it was not, and then it may be left out."""
    steps: Callable[[State], Iterable[State]]
    """Returns the states that it can leave, if in this one it is answered as it was."""
    reads: bool = False
    """Whether it can never change anything."""
    name: str = ""
    kind: Hashable = None
    """The same for actions without an answer that do the same; None for what is like no other."""

    @property
    def required(self) -> bool:
        return self.until < inf


class Found(NamedTuple):
    """What a search came to."""

    ok: bool
    finished: bool
    """Whether the budget sufficed."""
    stuck_at: str
    """Where the longest order that was found could not go on, for people."""


class _Node(NamedTuple, Generic[State]):
    placed: int
    """A bit for each action that has its place."""
    state: State


def search(
    actions: Iterable[Action[State]],
    first: State,
    is_end: Callable[[State], bool],
    budget: int = BUDGET,
) -> Found:
    """Looks for an order of the actions, from one state to an end."""
    ordered = sorted(actions, key=lambda action: action.start)
    required = sum(1 << place for place, action in enumerate(ordered) if action.required)
    seen: set[_Node[State]] = set()
    alike = _alike(ordered)
    stack = [_Node(0, first)]
    longest, spent = stack[0], 0
    while stack:
        node = _read_on(ordered, stack.pop())
        if node in seen:
            continue
        seen.add(node)
        if node.placed & required == required and is_end(node.state):
            return Found(True, True, "")
        if node.placed.bit_count() > longest.placed.bit_count():
            longest = node
        for place in _next(ordered, node.placed):
            if alike[place] & ~node.placed:
                continue
            for state in ordered[place].steps(node.state):
                spent += 1
                if state != node.state or ordered[place].required:
                    stack.append(_Node(node.placed | 1 << place, state))
        if spent > budget:
            return Found(False, False, _where(ordered, longest))
    return Found(False, True, _where(ordered, longest))


def _alike(ordered: list[Action[State]]) -> list[int]:
    """Returns a bit for the one before each action that does the same, neither being answered.

    That is placed first. It closes no way: in any order that has the later one in its place, the
    earlier one may stand there instead, for it began before, and no answer says when it was done.
    """
    last: dict[Hashable, int] = {}
    before = []
    for place, action in enumerate(ordered):
        is_like_others = action.kind is not None and not action.required
        before.append(last.get(action.kind, 0) if is_like_others else 0)
        if is_like_others:
            last[action.kind] = 1 << place
    return before


def _read_on(ordered: list[Action[State]], node: _Node[State]) -> _Node[State]:
    """Places all that reads and fits now.

    That closes no way: nothing must stand before it any more, and it changes nothing, so in any
    order that places it later it may as well stand here.
    """
    placed, state = node
    found = True
    while found:
        found = False
        for place in _next(ordered, placed):
            action = ordered[place]
            if action.reads and any(True for _ in action.steps(state)):
                placed |= 1 << place
                found = True
    return _Node(placed, state)


def _next(ordered: list[Action[State]], placed: int) -> list[int]:
    """Returns the actions of which any may stand next: no other had to stand before it."""
    found = []
    earliest_end = inf
    for place, action in enumerate(ordered):
        if action.start > earliest_end:
            break
        if not placed >> place & 1:
            found.append(place)
            earliest_end = min(earliest_end, action.until)
    return found


def _where(ordered: list[Action[State]], node: _Node[State]) -> str:
    waiting = [ordered[place].name for place in _next(ordered, node.placed)]
    return f"at {node.state}, next could be: " + "; ".join(waiting)
