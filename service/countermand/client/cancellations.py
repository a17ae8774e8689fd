"""The unary methods of CancellationService."""

from datetime import datetime, timedelta

from countermand.client.connection import Connection
from countermand.client.ids import new_id
from countermand.v1.cancellation_pb2 import CancellationState
from countermand.v1.cancellation_service_pb2 import (
    CancelGroupRequest,
    CancelGroupResponse,
    CancelTaskRequest,
    CancelTaskResponse,
    GetCancellationRequest,
    GetCancellationResponse,
    ListCancellationsRequest,
    ListCancellationsResponse,
)
from countermand.v1.cancellation_service_pb2_grpc import CancellationServiceStub


class CancellationMethods(Connection):
    """Cancels work, and tells what became of the cancels."""

    async def cancel_task(
        self,
        task_id: str,
        *,
        reason: str = "",
        message: str = "",
        grace_period: timedelta | None = None,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
        on_behalf_of: str = "",
    ) -> CancelTaskResponse:
        """Cancels one task; when this returns, the cancel is on disk.

        The task of the answer is CANCELLED if it had not started, else CANCELLING: watch it until
        CANCELLED is proven. Its agent has 30 s unless `grace_period` says otherwise. A request_id
        is made unless the caller brings one, so the call can be repeated; bring your own to repeat
        it after this process is gone. Raises CountermandError, for example NOT_FOUND,
        `TASK_ALREADY_COMPLETED` or `VERSION_MISMATCH`.
        """
        request = CancelTaskRequest(
            task_id=task_id,
            reason=reason,
            message=message,
            request_id=request_id or new_id(),
            grace_period=grace_period,
            expected_version=expected_version,
            validate_only=validate_only,
            on_behalf_of=on_behalf_of,
        )
        return await self._call(CancellationServiceStub, request, CancelTaskResponse)

    async def cancel_group(
        self,
        group_id: str,
        *,
        reason: str = "",
        message: str = "",
        grace_period: timedelta | None = None,
        request_id: str | None = None,
        expected_version: int | None = None,
        validate_only: bool = False,
        on_behalf_of: str = "",
    ) -> CancelGroupResponse:
        """Cancels all tasks of a group and closes it; the answer has one result per task.

        Everything else is as in cancel_task, but tasks that have ended are SKIPPED, not refused.
        """
        request = CancelGroupRequest(
            group_id=group_id,
            reason=reason,
            message=message,
            request_id=request_id or new_id(),
            grace_period=grace_period,
            expected_version=expected_version,
            validate_only=validate_only,
            on_behalf_of=on_behalf_of,
        )
        return await self._call(CancellationServiceStub, request, CancelGroupResponse)

    async def get_cancellation(self, cancellation_id: str) -> GetCancellationResponse:
        """Returns the cancellation with its results as they are now. Raises CountermandError."""
        request = GetCancellationRequest(cancellation_id=cancellation_id)
        return await self._call(CancellationServiceStub, request, GetCancellationResponse)

    async def list_cancellations(
        self,
        *,
        task_id: str | None = None,
        group_id: str | None = None,
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
            reason=reason,
            state=state,
            start_time=start_time,
            end_time=end_time,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(CancellationServiceStub, request, ListCancellationsResponse)
