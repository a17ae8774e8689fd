"""What each call does to one task, told once more: as steps along the versions in the log.

The log says what the versions were, and in which order; the model says which calls can have made
them, and what each call is answered when. What the log does not hold is searched for: the fence,
which changes without a version, and the request ids that were accepted.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from tests.chaos.robustness.checks.money import is_owed
from tests.chaos.robustness.truth import ENDED, Cancellation, Task, Version

EXPIRY = "system:expiry"
HELD = ("RUNNING", "CANCELLING")
LOST = "the agent was lost: its lease ran out"


class State(NamedTuple):
    """A task between two calls. Version 0 is a task that does not exist."""

    version: int
    fence: int = 0
    requests: frozenset[tuple[str, bytes]] = frozenset()
    """The request ids that were accepted, with what was asked."""
    is_awaited: bool = False
    """Whether its own first cancel was accepted, and waits for it to be created."""

    def __str__(self) -> str:
        return f"version {self.version}, fence {self.fence}"


class Answer(NamedTuple):
    """What a call was answered, or would be; None for what nobody said."""

    refusal: str | None = ""
    version: int | None = None
    state: str | None = None
    fence: int | None = None
    replayed: bool | None = None
    refund: str | None = None

    def fits(self, other: "Answer") -> bool:
        """Whether both may be the same answer."""
        return all(a is None or b is None or a == b for a, b in zip(self, other, strict=True))


UNKNOWN = Answer(None)
Steps = Callable[["Model", State], Iterator[tuple[State, Answer]]]


class Cancel(NamedTuple):
    """What a cancel says; by that its cancellation is known."""

    reason: str
    message: str
    request_id: str
    grace_period: int
    asked: bytes
    expected_version: int | None = None
    is_trial: bool = False
    of_task: bool = True
    """Whether the task is its target, and so may be the reason to refuse it."""
    allow_missing: bool = False
    undoes: bool = False
    """Whether not even COMPLETED work stands after it."""


class Model:
    """One task, along its versions."""

    def __init__(self, task: Task | None, repeated: Collection[str] | None = None) -> None:
        """`repeated` are the request ids that came more than once; without it, any may have.

        The others are not kept in a state, for they change no answer: so states that differ by
        them alone are one, and the search for an order has far fewer to try.
        """
        self.task = task
        self.versions = [] if task is None else task.versions
        self._repeated = repeated

    def accepted(self, state: State, request_id: str, asked: bytes) -> State:
        """Returns the state in which a request id was accepted for what was asked."""
        is_kept = request_id and (self._repeated is None or request_id in self._repeated)
        if not is_kept:
            return state
        return state._replace(requests=state.requests | {(request_id, asked)})

    def answering(self, steps: Steps, seen: Answer) -> Callable[[State], Iterator[State]]:
        """Returns what a call can do that was answered like this."""

        def possible(state: State) -> Iterator[State]:
            return (then for then, answer in steps(self, state) if seen.fits(answer))

        return possible

    def is_end(self, state: State) -> bool:
        """Whether the task stands as its row does."""
        if self.task is None:
            return state.version == 0
        return state.version == len(self.versions) and state.fence == self.task.row["fence"]

    def at(self, state: State) -> Version | None:
        """Returns the present version; None before there is one."""
        return self.versions[state.version - 1] if state.version else None

    def after(self, state: State) -> Version | None:
        """Returns the version that the log has next."""
        return self.versions[state.version] if state.version < len(self.versions) else None

    def answer(self, state: State, **more: Any) -> Answer:
        now = self.at(state)
        assert now is not None
        return Answer("", now.version, now.state, state.fence, refund=now.refund, **more)

    def moved(self, state: State, new: str, charge: str | None = None) -> State | None:
        """Returns the state after the next version, if that has this state and charge."""
        now, then = self.at(state), self.after(state)
        if now is None or then is None or then.state != new:
            return None
        if then.charge_state != (charge or now.charge_state):
            return None
        return state._replace(version=then.version)


def read(model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """The task as it is."""
    if model.at(state) is None:
        yield state, Answer("TASK_NOT_FOUND", version=0)
    else:
        yield state, model.answer(state)


def shown(version: int, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """A version was shown to somebody, so it was there."""
    if state.version >= version:
        yield state, UNKNOWN


def stops(deadline: int | None, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """A heartbeat of its agent: it lists the task with its deadline exactly while CANCELLING."""
    now = model.at(state)
    cancelling = now is not None and now.state == "CANCELLING"
    if (now.deadline_time if now is not None and cancelling else None) == deadline:
        yield state, UNKNOWN


def create(model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """A new task; one that a cancel waits for is CANCELLED in the same transaction."""
    if state.version:
        yield state, Answer("TASK_EXISTS")
    elif model.versions:
        made: State | None = state._replace(version=1, is_awaited=False)
        if state.is_awaited and made is not None:
            made = model.moved(made, "CANCELLED")
            made = made and made._replace(fence=1)
        if made is not None:
            yield made, model.answer(made)


def start(agent_id: str, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    now = model.at(state)
    if now is None:
        yield state, Answer("TASK_NOT_FOUND")
        return
    assert model.task is not None
    fenced: State | None = state._replace(fence=state.fence + 1)
    if now.state == "PENDING":
        then = model.moved(state, "RUNNING")
        fenced = then._replace(fence=state.fence + 1) if then else None
        mine = model.task.row["agent_id"] == agent_id
    else:
        mine = now.state in HELD and model.task.agent_at(now) == agent_id
        if not mine:
            yield state, Answer("TASK_NOT_PENDING")
    if mine and fenced is not None:
        yield fenced, model.answer(fenced)


def held(fence: int, model: Model, state: State) -> str:
    """Returns why a call that carries a fence is refused, or nothing."""
    now = model.at(state)
    if now is None:
        return "TASK_NOT_FOUND"
    if now.state == "PENDING":
        return "TASK_NOT_RUNNING"
    return "FENCED" if fence != state.fence else ""


def finish(fence: int, outcome: str, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    refusal, now = held(fence, model, state), model.at(state)
    if not refusal and now is not None:
        if now.ended:
            refusal = "" if now.state == outcome else "TASK_NOT_RUNNING"
        elif outcome == "CANCELLED" and now.state != "CANCELLING":
            refusal = "NOT_CANCELLING"
    if refusal or now is None:
        yield state, Answer(refusal)
    elif now.ended:
        yield state, model.answer(state)
    elif (then := model.moved(state, outcome)) is not None:
        yield then, model.answer(then)


def cancel(said: Cancel, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """Any cancel that covers the task."""
    asked = (said.request_id, said.asked)
    known = [one for one in state.requests if one[0] == said.request_id and not said.is_trial]
    now = model.at(state)
    if known and known[0] != asked:
        yield state, Answer("REQUEST_ID_CONFLICT")
    elif known:
        yield state, model.answer(state, replayed=True) if now else Answer(replayed=True)
    elif now is None and said.allow_missing:
        if said.is_trial:
            yield state, Answer(replayed=False)
        elif state.is_awaited or model.task is None or _is_of(said, model):
            accepted = model.accepted(state, *asked)
            yield accepted._replace(is_awaited=True), Answer(replayed=False)
    elif now is None:
        yield state, Answer("TASK_NOT_FOUND")
    elif now.ended and said.of_task:
        yield state, Answer(f"TASK_ALREADY_{now.state}")
    elif said.expected_version not in (None, now.version) and said.of_task:
        yield state, Answer("VERSION_MISMATCH")
    elif said.is_trial:
        yield state, Answer(replayed=False)
    else:
        accepted = model.accepted(state, *asked)
        asks_back = said.undoes and now.refund == "NONE" and is_owed(now, undone=True)
        if now.state in ("CANCELLING", *ENDED) and not asks_back:
            yield accepted, model.answer(accepted, replayed=False)
        for then in _stopped(said, model, accepted):
            yield then, model.answer(then, replayed=False)


def _stopped(said: Cancel, model: Model, state: State) -> Iterator[State]:
    """Returns the state after a version that this cancel made, if the next one can be that."""
    now, then = model.at(state), model.after(state)
    if now is None or then is None:
        return
    own = _is_of(said, model)
    if now.ended:
        asked_back = model.moved(state, now.state)
        if said.undoes and now.refund == "NONE" and then.refund == "REQUIRED" and asked_back:
            yield asked_back
        return
    if now.state == "PENDING" and own and (ended := model.moved(state, "CANCELLED")):
        yield ended._replace(fence=state.fence + 1)
    if now.state not in HELD or then.deadline_time != then.time + said.grace_period:
        return
    nearer = now.state == "CANCELLING" and (then.deadline_time or 0) < (now.deadline_time or 0)
    if nearer or (now.state == "RUNNING" and own):
        moved = model.moved(state, "CANCELLING")
        if moved is not None:
            yield moved


def _is_of(said: Cancel, model: Model) -> bool:
    """Whether this cancel is the first one that was accepted for the task."""
    first = model.task.cancel.row if model.task is not None and model.task.cancel else None
    return first is not None and (first["reason"], first["message"], first["request_id"]) == (
        said.reason,
        said.message,
        said.request_id,
    )


def came_by_itself(task: Task, then: Version, undoing: Iterable[Cancellation]) -> bool:
    """Whether time made a version: a deadline passed, an agent was lost, or the task or what it is
    under expired."""
    if then.version == 1:
        return False
    earlier, row = task.versions[then.version - 2], task.row
    before = earlier.state
    if earlier.ended:
        expired = [x.row for x in undoing if x.row["requested_by"] == EXPIRY]
        asked_back = (earlier.refund, then.refund) == ("NONE", "REQUIRED")
        same = earlier.charge_state == then.charge_state
        return asked_back and same and any(x["create_time"] == then.time for x in expired)
    if then.ended and before in HELD:
        return row["cancel_proof"] in ("FORCED", "AGENT_LOST") or row["failure_message"] == LOST
    accepts = before in ("PENDING", "RUNNING") and then.state in ("CANCELLING", "CANCELLED")
    expiry = task.cancel is not None and task.cancel.row["requested_by"] == EXPIRY
    return accepts and expiry


def by_itself(version: int, model: Model, state: State) -> Iterator[tuple[State, Answer]]:
    """A version that time made."""
    now, then = model.at(state), model.after(state)
    if then is not None and then.version == version:
        ends = then.ended and not (now is not None and now.ended)
        yield state._replace(version=version, fence=state.fence + ends), UNKNOWN
