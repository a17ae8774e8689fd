"""Words and shapes that tests of checkouts, carts and orders share."""

from typing import Any, NamedTuple

from countermand.v1 import cancellation_pb2, checkout_pb2, order_pb2
from tests.support.caller import Caller, Held
from tests.support.served_store import execute
from tests.support.server import Server

IN_PROGRESS = cancellation_pb2.CANCELLATION_STATE_IN_PROGRESS
SUCCEEDED = cancellation_pb2.CANCELLATION_STATE_SUCCEEDED
PARTIAL = cancellation_pb2.CANCELLATION_STATE_PARTIAL
TOO_LATE = cancellation_pb2.CANCELLATION_STATE_TOO_LATE

STOPPING = cancellation_pb2.DISPOSITION_STOPPING
STOPPED = cancellation_pb2.DISPOSITION_STOPPED
SKIPPED = cancellation_pb2.DISPOSITION_SKIPPED

NEVER_STARTED, ACKNOWLEDGED, FORCED, AGENT_LOST = 1, 2, 3, 4

Checkout = checkout_pb2.CheckoutState
Cart = checkout_pb2.CartState
Order = order_pb2.OrderState


def state_of(message: Any) -> str:
    """Returns the state of a checkout, cart or order in a word."""
    enum = message.DESCRIPTOR.fields_by_name["state"].enum_type
    name = enum.values_by_number[message.state].name
    return name.removeprefix(enum.values_by_number[0].name.removesuffix("UNSPECIFIED"))


def results(cancellation: cancellation_pb2.Cancellation) -> list[tuple[Any, ...]]:
    """Returns what the cancellation says of each task."""
    return [(r.task_id, r.disposition, r.task_state, r.cancel_proof) for r in cancellation.results]


def counts(message: Any) -> dict[int, int]:
    """Returns how many tasks stand in each state."""
    return {count.state: count.count for count in message.task_counts}


async def end_all(caller: Caller, held: list[Held], outcome: str = "CANCELLED") -> None:
    for one in held:
        await caller.finish(one, outcome)


class Commit(NamedTuple):
    """What one instant left in a tenant's log."""

    count: int
    contiguous: bool


def commit_at(server: Server, tenant: str, time: Any) -> Commit:
    """Reads from the store what was logged at a time, a Timestamp."""
    [(first, last, count)] = execute(
        server.store_url,
        "SELECT min(seq), max(seq), count(*) FROM events WHERE time = ? AND task_no IS NOT NULL"
        " AND namespace_no = (SELECT namespace_no FROM namespaces WHERE tenant = ?)",
        (time.ToMicroseconds(), tenant),
    )
    return Commit(count, count > 0 and last - first == count - 1)
