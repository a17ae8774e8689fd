"""The unary methods of CancellationService."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from countermand.client.connection import Connection
from countermand.client.ids import new_id
from countermand.v1.cancellation_pb2 import Cancellation, CancellationState
from countermand.v1.cancellation_service_pb2 import (
    CancelCheckoutRequest,
    CancelCheckoutResponse,
    CancelGroupRequest,
    CancelGroupResponse,
    CancelOrderRequest,
    CancelOrderResponse,
    CancelTaskRequest,
    CancelTaskResponse,
    GetCancellationRequest,
    GetCancellationResponse,
    ListCancellationsRequest,
    ListCancellationsResponse,
    SummarizeCancellationsRequest,
    SummarizeCancellationsResponse,
    SummaryKey,
)
from countermand.v1.cancellation_service_pb2_grpc import CancellationServiceStub


class CancelOptions(TypedDict, total=False):
    """What each of the four cancels takes, by name; all of it may be left out."""

    reason: str
    """Why: at most 128 characters."""
    message: str
    """What people should read: at most 500 characters."""
    grace_period: timedelta | None
    """How long agents may take to wind down: 30 s unless given, 0 to 1 h."""
    request_id: str | None
    """A UUID. One is made unless given, so that the call can be repeated; bring your own to
    repeat it after this process is gone."""
    expected_version: int | None
    """Cancel only if the target is at this version, else raise `VERSION_MISMATCH`."""
    validate_only: bool
    """Run every check, and change nothing."""
    on_behalf_of: str
    """Whom the caller acts for: at most 256 characters."""


def _named(options: CancelOptions) -> CancelOptions:
    """The options with a request id, so that the call can be repeated."""
    return {**options, "request_id": options.get("request_id") or new_id()}


class CancellationMethods(Connection):
    """Cancels work, and tells what became of the cancels."""

    async def cancel_task(
        self, task_id: str, *, allow_missing: bool = False, **options: Unpack[CancelOptions]
    ) -> CancelTaskResponse:
        """Cancels one task; when this returns, the cancel is on disk.

        The task of the answer is CANCELLED if it had not started, else CANCELLING: watch it until
        CANCELLED is proven. With `allow_missing` a cancel may come before its task: then the answer
        has no task, and it is CANCELLED when it is created within 24 h. Raises CountermandError,
        for example NOT_FOUND, `TASK_ALREADY_COMPLETED` or `VERSION_MISMATCH`.
        """
        request = CancelTaskRequest(task_id=task_id, allow_missing=allow_missing, **_named(options))
        return await self._call(CancellationServiceStub, request, CancelTaskResponse)

    async def cancel_group(
        self, group_id: str, **options: Unpack[CancelOptions]
    ) -> CancelGroupResponse:
        """Cancels all tasks of a group and closes it; the answer has one result per task.

        Everything else is as in cancel_task, but tasks that have ended are SKIPPED, not refused.
        """
        request = CancelGroupRequest(group_id=group_id, **_named(options))
        return await self._call(CancellationServiceStub, request, CancelGroupResponse)

    async def cancel_checkout(
        self,
        checkout_id: str | None = None,
        *,
        cart_id: str | None = None,
        **options: Unpack[CancelOptions],
    ) -> CancelCheckoutResponse:
        """Cancels a checkout with its tasks: the one of this id, or the one that locks this cart.

        Everything else is as in cancel_group; the answer has the whole checkout. Raises ValueError
        unless exactly one of the two ids is given, and CountermandError, for example
        `CHECKOUT_ALREADY_COMPLETED` or `CART_NOT_LOCKED`.
        """
        if (checkout_id is None) == (cart_id is None):
            raise ValueError("name a checkout or a cart, and not both")
        request = CancelCheckoutRequest(checkout_id=checkout_id, cart_id=cart_id, **_named(options))
        return await self._call(CancellationServiceStub, request, CancelCheckoutResponse)

    async def cancel_order(
        self, order_id: str, **options: Unpack[CancelOptions]
    ) -> CancelOrderResponse:
        """Cancels an order with its tasks and those of its checkouts.

        Everything else is as in cancel_group; the answer has the whole order. Raises
        CountermandError, for example `ORDER_FULFILLED`.
        """
        request = CancelOrderRequest(order_id=order_id, **_named(options))
        return await self._call(CancellationServiceStub, request, CancelOrderResponse)

    async def get_cancellation(self, cancellation_id: str) -> GetCancellationResponse:
        """Returns the cancellation with its results as they are now. Raises CountermandError."""
        request = GetCancellationRequest(cancellation_id=cancellation_id)
        return await self._call(CancellationServiceStub, request, GetCancellationResponse)

    async def list_cancellations(
        self,
        *,
        task_id: str | None = None,
        group_id: str | None = None,
        checkout_id: str | None = None,
        order_id: str | None = None,
        reason: str = "",
        state: CancellationState | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = 0,
        page_token: str = "",
    ) -> ListCancellationsResponse:
        """Returns one page of cancellations without results, newest first.

        A page has at most 50, or `page_size` up to 1000; `next_page_token` is empty on the last
        one. A time without a zone is UTC. Raises CountermandError.
        """
        request = ListCancellationsRequest(
            task_id=task_id,
            group_id=group_id,
            checkout_id=checkout_id,
            order_id=order_id,
            reason=reason,
            state=state,
            start_time=start_time,
            end_time=end_time,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(CancellationServiceStub, request, ListCancellationsResponse)

    def iter_cancellations(
        self,
        *,
        task_id: str | None = None,
        group_id: str | None = None,
        checkout_id: str | None = None,
        order_id: str | None = None,
        reason: str = "",
        state: CancellationState | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> AsyncGenerator[Cancellation]:
        """Gives all of list_cancellations, page after page. Raises CountermandError."""

        async def read(token: str) -> ListCancellationsResponse:
            return await self.list_cancellations(
                task_id=task_id,
                group_id=group_id,
                checkout_id=checkout_id,
                order_id=order_id,
                reason=reason,
                state=state,
                start_time=start_time,
                end_time=end_time,
                page_size=self._knobs.page_size,
                page_token=token,
            )

        return self._each(read, "cancellations")

    async def summarize_cancellations(
        self,
        group_by: SummaryKey,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> SummarizeCancellationsResponse:
        """Counts the cancellations accepted from `start_time` to before `end_time`.

        By REASON or STATE it counts cancellations, by PROOF the tasks that they stopped; most
        counted first. A time without a zone is UTC. Raises CountermandError.
        """
        request = SummarizeCancellationsRequest(
            group_by=group_by, start_time=start_time, end_time=end_time
        )
        return await self._call(CancellationServiceStub, request, SummarizeCancellationsResponse)
