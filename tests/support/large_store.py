"""A store of before the bounds, full of what no request may say any more; and who uses all of it.

As a program it is given the address and the key of a server on that store. It cancels the order,
reads all until it is cancelled or removed, says so, and ends.
"""

import asyncio
import sys
from pathlib import Path

import grpc

from countermand.core.retention import DAY
from countermand.rpc.wire.snapshots import CHECKOUT, ORDER
from countermand.v1 import checkout_pb2, order_pb2
from countermand.v1.cancellation_service_pb2 import CancelOrderRequest
from countermand.v1.cancellation_service_pb2_grpc import CancellationServiceStub
from countermand.v1.checkout_service_pb2 import GetCheckoutRequest
from countermand.v1.checkout_service_pb2_grpc import CheckoutServiceStub
from countermand.v1.order_service_pb2 import GetOrderRequest
from countermand.v1.order_service_pb2_grpc import OrderServiceStub
from tests.support.ask import uid
from tests.support.old_store import OldStore

EXPIRING, LISTED, OLD = 125, 200, 50
LARGE, LISTED_BYTES = 4 * 1024 * 1024 - 4096, 1024 * 1024
ANY_SIZE = [("grpc.max_receive_message_length", -1)]


def with_message(length: int) -> checkout_pb2.Checkout:
    return checkout_pb2.Checkout(
        messages=[checkout_pb2.CheckoutMessage(type="info", content="x" * length)]
    )


def fill(path: Path, now: int) -> None:
    """Makes the file as the first schema had it. What expires does so in a second."""
    large = CHECKOUT.encode(with_message(LARGE))
    listed = CHECKOUT.encode(with_message(LISTED_BYTES))
    of_order = ORDER.encode(order_pb2.Order(note="x" * LARGE))
    shared = {"namespace_no": 1, "version": 1, "create_time": now, "update_time": now}
    old = shared | {"create_time": now - 40 * DAY, "update_time": now - 40 * DAY}
    one = {"task_count": 1, "live_count": 1, "completed_count": 0}
    none = dict.fromkeys(one, 0)
    task = shared | {
        "merchant": "shop",
        "labels": "{}",
        "state": "PENDING",
        "last_seq": 1,
        "fence": 0,
        "failure_message": "",
        "charge_state": "NONE",
        "refund_required": 0,
    }
    with OldStore(path, schema=1) as store:
        for number, id in enumerate((*expiring(), *listed_ids())):
            expires = id in set(expiring())
            store.add("tasks", task_id=bytes_of(number), checkout_id=id, **task)
            store.add(
                "checkouts",
                checkout_id=id,
                state="OPEN",
                expire_time=now + 1_000_000 if expires else None,
                snapshot=large if expires else listed,
                **shared,
                **one,
            )
        store.add(
            "orders",
            order_id="order",
            state="OPEN",
            fulfilled=0,
            snapshot=of_order,
            **shared,
            task_count=LISTED,
            live_count=LISTED,
            completed_count=0,
        )
        for place, id in enumerate(listed_ids()):
            store.add(
                "order_checkouts", namespace_no=1, order_id="order", checkout_id=id, position=place
            )
        for id in old_ids():
            store.add("checkouts", checkout_id=id, state="COMPLETED", snapshot=large, **old, **none)


def expiring() -> list[str]:
    return [f"expires-{number}" for number in range(EXPIRING)]


def listed_ids() -> list[str]:
    return [f"listed-{number}" for number in range(LISTED)]


def old_ids() -> list[str]:
    return [f"old-{number}" for number in range(OLD)]


def bytes_of(number: int) -> bytes:
    return bytes.fromhex(uid(5000 + number).replace("-", ""))


class Reading:
    """Reads of a server, whatever size it answers."""

    def __init__(self, address: str, key: str) -> None:
        self._metadata = (("x-api-key", key),)
        self.channel = grpc.aio.insecure_channel(address, ANY_SIZE)

    async def checkout(self, id: str) -> checkout_pb2.Checkout | None:
        """Returns a checkout; None if it is gone."""
        request = GetCheckoutRequest(checkout_id=id)
        call = CheckoutServiceStub(self.channel).GetCheckout
        try:
            return (await call(request, metadata=self._metadata, timeout=60)).checkout
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return None

    async def order(self) -> order_pb2.Order:
        call = OrderServiceStub(self.channel).GetOrder
        request = GetOrderRequest(order_id="order")
        return (await call(request, metadata=self._metadata, timeout=60)).order

    async def cancel_order(self) -> None:
        call = CancellationServiceStub(self.channel).CancelOrder
        request = CancelOrderRequest(order_id="order")
        await call(request, metadata=self._metadata, timeout=60)

    async def until_gone(self, id: str) -> None:
        while await self.checkout(id) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    async def until_cancelled(self, id: str) -> checkout_pb2.Checkout:
        while True:
            found = await self.checkout(id)
            assert found is not None
            if found.state == checkout_pb2.CHECKOUT_STATE_CANCELLED:
                return found
            await asyncio.sleep(0.2)


async def main(address: str, key: str) -> None:
    """Cancels the order, and reads all until it is cancelled, or removed."""
    reading = Reading(address, key)
    async with reading.channel:
        assert len((await reading.order()).note) == LARGE
        await reading.cancel_order()
        for id in expiring():
            assert len((await reading.until_cancelled(id)).messages[0].content) == LARGE
        for id in listed_ids():
            assert len((await reading.until_cancelled(id)).messages[0].content) == LISTED_BYTES
        assert (await reading.order()).state == order_pb2.ORDER_STATE_CANCELLED
        for id in old_ids():
            await reading.until_gone(id)
    print("all of it was seen through", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
