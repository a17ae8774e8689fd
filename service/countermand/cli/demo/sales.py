"""The two ways to sell at three merchants at once: a bare group of tasks, or a checkout."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from countermand.cli.demo.board import Board
from countermand.cli.output import STYLES, word
from countermand.client import Client
from countermand.client.cancellations import CancelOptions
from countermand.v1.cancellation_pb2 import Cancellation
from countermand.v1.cancellation_service_pb2 import WatchTasksResponse
from countermand.v1.checkout_pb2 import CartState, Checkout, CheckoutState, Item, LineItem, Total
from countermand.v1.task_pb2 import Task
from countermand.v1.task_service_pb2 import CreateTaskRequest

GRACE_SECONDS = 4
_HOW = CancelOptions(
    reason="customer_requested",
    message="The shopper thought again.",
    grace_period=timedelta(seconds=GRACE_SECONDS),
)
_PRICES = (1250, 1890, 4200)


class Sale(Protocol):
    """What the play needs of a sale."""

    cancel_name: str
    """The RPC that cancels it."""

    async def open(self, merchants: Sequence[str]) -> Sequence[Task]:
        """Creates the sale with one task for each merchant, and returns these."""

    def opening(self) -> str:
        """Returns what to say of it once it is open."""

    def watch(self) -> AsyncGenerator[WatchTasksResponse]:
        """Follows its tasks to their end."""

    async def cancel(self) -> Cancellation:
        """Cancels it."""

    async def show_end(self, board: Board) -> None:
        """Says how it ended, beside its tasks."""


class GroupSale:
    """Tasks in a group, and nothing else."""

    cancel_name = "CancelGroup"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._group_id = ""

    async def open(self, merchants: Sequence[str]) -> Sequence[Task]:
        """Creates a closed group."""
        created = await self._client.create_group(_tasks(merchants), closed=True)
        self._group_id = created.group.group_id
        return created.tasks

    def opening(self) -> str:
        return f"A shopper buys at three merchants at once: group {self._group_id}."

    def watch(self) -> AsyncGenerator[WatchTasksResponse]:
        return self._client.watch_group(self._group_id)

    async def cancel(self) -> Cancellation:
        return (await self._client.cancel_group(self._group_id, **_HOW)).cancellation

    async def show_end(self, board: Board) -> None:
        """Nothing: the group has no state of its own."""


class CheckoutSale:
    """A checkout with lines and totals, which locks a cart."""

    cancel_name = "CancelCheckout"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._checkout_id = ""
        self._cart_id = f"cart_{uuid4().hex[:8]}"  # an earlier demo may have left its cart

    async def open(self, merchants: Sequence[str]) -> Sequence[Task]:
        """Creates the checkout, with the cart that it locks."""
        checkout = Checkout(
            cart_id=self._cart_id,
            currency="EUR",
            line_items=[
                LineItem(
                    id=f"line_{number}",
                    item=Item(id=f"product_{number}", quantity=1),
                    base_amount=price,
                    subtotal=price,
                    total=price,
                )
                for number, price in enumerate(_PRICES, 1)
            ],
            totals=[Total(type="total", display_text="Total", amount=sum(_PRICES))],
        )
        created = await self._client.create_checkout(checkout, _tasks(merchants))
        self._checkout_id = created.checkout.checkout_id
        return created.tasks

    def opening(self) -> str:
        return (
            f"A shopper buys at three merchants at once: {self._checkout_id},"
            f" which locks {self._cart_id}."
        )

    def watch(self) -> AsyncGenerator[WatchTasksResponse]:
        return self._client.watch_checkout(self._checkout_id)

    async def cancel(self) -> Cancellation:
        return (await self._client.cancel_checkout(self._checkout_id, **_HOW)).cancellation

    async def show_end(self, board: Board) -> None:
        """The checkout ended with its last task, and let go of its cart in that same moment."""
        checkout = (await self._client.get_checkout(self._checkout_id)).checkout
        cart = (await self._client.get_cart(self._cart_id)).cart
        state = word(CheckoutState, checkout.state)
        board.say(f"The checkout is {state}, with all of its lines.", STYLES.get(state, ""))
        board.say(f"Its buyer reads: {checkout.messages[-1].content}")
        board.say(f"Its cart is {word(CartState, cart.state)} again.")


def _tasks(merchants: Sequence[str]) -> list[CreateTaskRequest]:
    return [CreateTaskRequest(merchant=merchant) for merchant in merchants]
