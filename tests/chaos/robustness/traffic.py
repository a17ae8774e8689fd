"""The traffic: a random mix of all operations, by clients that share what they act on."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_pb2, checkout_pb2, order_pb2
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.board import Board, Held
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.shop import REASONS, Shop
from tests.support.caller import span

AGENTS = ("agent-1", "agent-2", "agent-3")
GRACES = (0, 0.05, 0.3, 1, 2)
IN_PROGRESS = cancellation_pb2.CANCELLATION_STATE_IN_PROGRESS
EARLY = 0.1
"""How many of the tasks are cancelled before they are created."""
EXPIRES = 0.05
"""How many of the tasks and checkouts cancel themselves."""
MIX = {
    "create_task": 8,
    "create_group": 4,
    "create_checkout": 5,
    "create_order": 3,
    "start_task": 20,
    "heartbeat": 4,
    "begin_charge": 6,
    "report_charge": 4,
    "finish_task": 8,
    "cancel_task": 9,
    "cancel_group": 3,
    "cancel_checkout": 4,
    "cancel_order": 2,
    "repeat_a_cancel": 4,
    "undo_a_sale": 2,
    "settle_refund": 6,
    "repeat_a_settlement": 2,
    "reuse_a_request_id": 1,
    "join_a_cancel": 4,
    "change_cart": 1,
    "update_checkout": 1,
    "complete_checkout": 2,
    "update_order": 2,
    "read_one": 12,
    "list_some": 4,
    "list_sales": 1,
}
"""How often a worker does what."""


class Worker(Shop):
    """One client that does everything that callers and agents do."""

    def __init__(
        self,
        client: Client,
        board: Board,
        mood: Mood,
        chosen: random.Random,
        likes: Mapping[str, int],
    ) -> None:
        super().__init__(client, board, mood, chosen)
        self._said = 0
        mix = MIX | dict(likes)
        self._ways: list[Callable[[], Awaitable[object]]] = [getattr(self, name) for name in mix]
        self._weights = list(mix.values())

    async def work(self) -> None:
        """Acts until the traffic is stopped."""
        while not self._mood.stopped:
            (way,) = self._chosen.choices(self._ways, self._weights)
            await way()
            await asyncio.sleep(0)  # an empty board answers at once

    def _maybe(self, kind: str, likely: float = 0.5) -> str | None:
        return self._board.some(kind) if self._chosen.random() < likely else None

    def _expiry(self) -> Timestamp | None:
        if self._chosen.random() >= EXPIRES:
            return None
        soon = Timestamp()
        soon.FromMilliseconds(int((self._mood.wall() + self._chosen.uniform(0.3, 2)) * 1000))
        return soon

    def _new_tasks(self, most: int) -> list[t.CreateTaskRequest]:
        ids = [self._board.new_uuid() for _ in range(self._chosen.randint(0, most))]
        for id in ids:
            self._board.add("task", id)
        return [t.CreateTaskRequest(task_id=id, merchant="shop") for id in ids]

    async def create_task(self) -> None:
        holder = self._chosen.choice(("group", "checkout", "order", "none", "none"))
        named = {f"{holder}_id": id} if holder != "none" and (id := self._maybe(holder)) else {}
        request = t.CreateTaskRequest(
            task_id=self._board.new_uuid(),
            labels={"n": str(self._chosen.randint(0, 9))},
            expire_time=self._expiry(),
            **named,
        )
        self._board.add("task", request.task_id)
        if self._chosen.random() < EARLY:
            await self._cancel(c.CancelTaskRequest(task_id=request.task_id, allow_missing=True))
        await self._call(request)

    async def create_group(self) -> None:
        many = self._chosen.random() < 0.1
        request = t.CreateGroupRequest(
            group_id=self._board.new_uuid(),
            closed=self._chosen.random() < 0.3,
            order_id=self._maybe("order", 0.2),
            tasks=self._new_tasks(30 if many else 4),
        )
        await self._call(request)
        self._board.add("group", request.group_id)
        if many:
            for task in request.tasks:
                await self._start(task.task_id)

    async def create_checkout(self) -> None:
        cart_id = self._maybe("cart", 0.7)
        if cart_id is None or self._chosen.random() < 0.2:
            cart_id = self._board.add("cart", self._board.new_name("cart"))
        request = s.CreateCheckoutRequest(
            checkout=checkout_pb2.Checkout(
                checkout_id=self._board.new_name("checkout"),
                cart_id=cart_id,
                expire_time=self._expiry(),
            ),
            tasks=self._new_tasks(3),
            supersede=self._chosen.random() < 0.4,
        )
        await self._call(request)
        self._board.add("checkout", request.checkout.checkout_id)

    async def create_order(self) -> None:
        checkout_id = self._maybe("checkout", 0.7)
        request = o.CreateOrderRequest(
            order=order_pb2.Order(
                order_id=self._board.new_name("order"),
                checkout_ids=[checkout_id] if checkout_id else [],
            ),
            tasks=self._new_tasks(2),
        )
        await self._call(request)
        self._board.add("order", request.order.order_id)

    async def start_task(self) -> None:
        if task_id := self._board.some("task"):
            await self._start(task_id)

    async def _start(self, task_id: str) -> None:
        agent_id, lease = self._chosen.choice(AGENTS), 30
        if known := self._board.held.get(task_id):
            agent_id = known[-1].agent_id if self._chosen.random() < 0.7 else agent_id
        elif self._chosen.random() < 0.1:
            # Nobody renews this one's lease, so it is soon lost.
            agent_id, lease = self._board.new_name("mayfly"), 1
        request = a.StartTaskRequest(task_id=task_id, agent_id=agent_id, lease_duration=span(lease))
        call = await self._call(request)
        if call.done:
            self._board.hold(task_id, Held(agent_id, call.answer.fence))

    async def heartbeat(self) -> None:
        await self._call(a.HeartbeatRequest(agent_id=self._chosen.choice(AGENTS)))

    async def begin_charge(self) -> None:
        if held := self._board.some_held():
            await self._call(a.BeginChargeRequest(task_id=held[0], fence=held[1].fence))

    async def report_charge(self) -> None:
        if held := self._board.some_held():
            state = self._chosen.choice(("CAPTURED", "CAPTURED", "FAILED", "VOIDED"))
            await self._call(
                a.ReportChargeRequest(
                    task_id=held[0], fence=held[1].fence, charge_state=f"CHARGE_STATE_{state}"
                )
            )

    async def finish_task(self) -> None:
        if held := self._board.some_held():
            outcome = self._chosen.choice(("COMPLETED", "FAILED", "CANCELLED", "CANCELLED"))
            await self._call(
                a.FinishTaskRequest(
                    task_id=held[0],
                    fence=held[1].fence,
                    outcome=f"FINISH_OUTCOME_{outcome}",
                    failure_message="it broke" if outcome == "FAILED" else "",
                )
            )

    async def cancel_task(self) -> None:
        if task_id := self._board.some("task"):
            await self._cancel(c.CancelTaskRequest(task_id=task_id))

    async def cancel_group(self) -> None:
        if group_id := self._board.some("group"):
            await self._cancel(c.CancelGroupRequest(group_id=group_id))

    async def cancel_checkout(self) -> None:
        kind = self._chosen.choice(("checkout", "checkout", "cart"))
        if id := self._board.some(kind):
            await self._cancel(c.CancelCheckoutRequest(**{f"{kind}_id": id}))

    async def cancel_order(self) -> None:
        if order_id := self._board.some("order"):
            await self._cancel(c.CancelOrderRequest(order_id=order_id))

    async def _cancel(self, request: Any) -> None:
        self._said += 1
        # What is said tells one cancel from all others when the checker looks for who made it.
        request.message = f"{self._client.name} {self._said}"
        request.reason = self._chosen.choice(REASONS)
        request.on_behalf_of = self._chosen.choice(("", "a person"))
        request.grace_period.CopyFrom(span(self._chosen.choice(GRACES)))
        if self._chosen.random() < 0.9:
            request.request_id = self._board.new_uuid()
        missing = isinstance(request, c.CancelTaskRequest) and request.allow_missing
        if self._chosen.random() < 0.1 and not missing:
            request.expected_version = self._chosen.randint(1, 4)
        request.validate_only = self._chosen.random() < 0.05
        call = await self._call(request)
        if call.done and not call.is_trial:
            self._board.cancellations.append(call.answer.cancellation.cancellation_id)
            if request.request_id:
                self._board.cancels.append(request)
            if call.answer.cancellation.state == IN_PROGRESS:
                self._board.running.append(request)

    async def join_a_cancel(self) -> None:
        """Cancels once more what was being cancelled a moment ago, for a reason of its own."""
        if self._board.running:
            before = self._chosen.choice(self._board.running)
            request = type(before)()
            request.CopyFrom(before)
            request.ClearField("request_id")
            request.ClearField("expected_version")
            await self._cancel(request)

    async def undo_a_sale(self) -> None:
        """An order whose work is COMPLETED with the money taken, and which is cancelled then."""
        order_id, task_id = self._board.new_name("order"), self._board.new_uuid()
        self._board.add("task", task_id)
        await self._call(
            o.CreateOrderRequest(
                order=order_pb2.Order(order_id=order_id),
                tasks=[t.CreateTaskRequest(task_id=task_id)],
            )
        )
        self._board.add("order", order_id)
        await self._start(task_id)
        if known := self._board.held.get(task_id):
            of_task = {"task_id": task_id, "fence": known[-1].fence}
            captured, done = "CHARGE_STATE_CAPTURED", "FINISH_OUTCOME_COMPLETED"
            steps = [
                a.ReportChargeRequest(**of_task, charge_state=captured),
                a.FinishTaskRequest(**of_task, outcome=done),
            ]
            if self._chosen.random() < 0.3:
                steps.reverse()
            for step in steps:
                await self._call(step)
        await self._cancel(c.CancelOrderRequest(order_id=order_id))

    async def repeat_a_cancel(self) -> None:
        if self._board.cancels:
            await self._call(self._chosen.choice(self._board.cancels))

    async def reuse_a_request_id(self) -> None:
        if self._board.cancels:
            used = self._chosen.choice(self._board.cancels)
            other = type(used)()
            other.CopyFrom(used)
            other.message += " otherwise"
            await self._call(other)

    async def settle_refund(self) -> None:
        task_id = self._board.some("task")
        if self._board.owed and self._chosen.random() < 0.8:
            task_id = self._chosen.choice(self._board.owed)
        if task_id is None:
            return
        self._said += 1
        request = t.SettleRefundRequest(
            task_id=task_id,
            outcome=self._chosen.choice(("REFUND_STATE_REFUNDED", "REFUND_STATE_NOT_OWED")),
            amount=self._chosen.choice((None, 500)),
            currency=self._chosen.choice(("", "EUR")),
            note=f"{self._client.name} {self._said}",
        )
        if self._chosen.random() < 0.8:
            request.request_id = self._board.new_uuid()
        call = await self._call(request)
        if call.done and request.request_id:
            self._board.settlements.append(request)

    async def repeat_a_settlement(self) -> None:
        if self._board.settlements:
            used = self._chosen.choice(self._board.settlements)
            request = t.SettleRefundRequest()
            request.CopyFrom(used)
            if self._chosen.random() < 0.3:
                request.note += " otherwise"
            await self._call(request)
