"""What a shop reads, and what it changes beside its tasks, in the traffic."""

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_pb2, order_pb2, task_pb2
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.actor import Actor

REASONS = ("customer_requested", "fraud", "compliance")


class Shop(Actor):
    """A client that keeps checkouts, carts and orders, and looks at what there is."""

    async def change_cart(self) -> None:
        if cart_id := self._board.some("cart"):
            lines = [checkout_pb2.LineItem(id="line", total=self._chosen.randint(1, 99))]
            await self._call(s.ChangeCartRequest(cart_id=cart_id, line_items=lines))

    async def complete_checkout(self) -> None:
        if checkout_id := self._board.some("checkout"):
            call = await self._call(s.CompleteCheckoutRequest(checkout_id=checkout_id))
            if call.done and call.answer.cart.cart_id in self._board.recent["cart"]:
                self._board.recent["cart"].remove(call.answer.cart.cart_id)  # closed for good

    async def update_checkout(self) -> None:
        if checkout_id := self._board.some("checkout"):
            request = s.UpdateCheckoutRequest()
            request.checkout.checkout_id = checkout_id
            total = checkout_pb2.Total(type="total", amount=self._chosen.randint(1, 99))
            request.checkout.totals.append(total)
            request.update_mask.paths.append("totals")
            await self._call(request)

    async def update_order(self) -> None:
        if order_id := self._board.some("order"):
            closes = self._chosen.random() < 0.3
            order = order_pb2.Order(order_id=order_id, note=f"note {self._chosen.random():.3f}")
            if closes:
                order.state = order_pb2.ORDER_STATE_CLOSED
            request = o.UpdateOrderRequest(order=order)
            request.update_mask.paths.append("state" if closes else "note")
            await self._call(request)

    async def read_one(self) -> None:
        kind = self._chosen.choice(("task",) * 6 + ("group", "checkout", "order", "cart"))
        if self._board.cancellations and self._chosen.random() < 0.15:
            id = self._chosen.choice(self._board.cancellations)
            await self._call(c.GetCancellationRequest(cancellation_id=id))
        elif id := self._board.some(kind):
            asks = {
                "task": t.GetTaskRequest,
                "group": t.GetGroupRequest,
                "checkout": s.GetCheckoutRequest,
                "order": o.GetOrderRequest,
                "cart": s.GetCartRequest,
            }
            await self._call(asks[kind](**{f"{kind}_id": id}))

    async def list_some(self) -> None:
        if self._chosen.random() < 0.2:
            await self._call(c.ListCancellationsRequest(reason=self._chosen.choice(REASONS)))
            return
        kind = self._chosen.choice(("group", "checkout", "order", "none"))
        named = {f"{kind}_id": id} if kind != "none" and (id := self._board.some(kind)) else {}
        request = t.ListTasksRequest(filter=task_pb2.TaskFilter(**named), page_size=100)
        if self._chosen.random() < 0.4:
            words = ("REQUIRED", "REQUIRED", "REFUNDED", "NOT_OWED")
            request.refund_state = f"REFUND_STATE_{self._chosen.choice(words)}"
        call = await self._call(request)
        if call.done and request.refund_state == task_pb2.REFUND_STATE_REQUIRED:
            self._board.owed.extend(task.task_id for task in call.answer.tasks[:10])

    async def list_sales(self) -> None:
        word = self._chosen.choice(("OPEN", "CANCELLING", "CANCELLED", "UNSPECIFIED"))
        chance = self._chosen.random()
        if chance < 0.4:
            await self._call(o.ListOrdersRequest(state=f"ORDER_STATE_{word}"))
        elif chance < 0.8:
            await self._call(s.ListCheckoutsRequest(state=f"CHECKOUT_STATE_{word}"))
        else:
            word = self._chosen.choice(("ACTIVE", "LOCKED", "CLOSED", "UNSPECIFIED"))
            await self._call(s.ListCartsRequest(state=f"CART_STATE_{word}"))
