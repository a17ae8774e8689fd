"""The methods of OperatorService."""

from collections.abc import AsyncGenerator, Iterable
from datetime import datetime, timedelta

from countermand.client.watches import WatchMethods
from countermand.v1.operator_service_pb2 import (
    GetServerStatusRequest,
    GetServerStatusResponse,
    ListAgentsRequest,
    ListAgentsResponse,
    ListOpenWatchesRequest,
    ListOpenWatchesResponse,
    OperatorServiceListTasksRequest,
    OperatorServiceListTasksResponse,
    OperatorServiceWatchTasksRequest,
    OperatorServiceWatchTasksResponse,
)
from countermand.v1.operator_service_pb2_grpc import OperatorServiceStub
from countermand.v1.task_pb2 import RefundState, TaskFilter, TaskState
from countermand.v1.task_service_pb2 import Label


class OperatorMethods(WatchMethods):
    """Shows what all tenants have, and how the server stands; needs the scope `operator:read`.

    An empty tenant or environment stands for all of them.
    """

    async def list_tasks_of_tenants(
        self,
        filter: TaskFilter | None = None,
        *,
        tenant: str = "",
        environment: str = "",
        states: Iterable[TaskState] = (),
        refund_state: RefundState | None = None,
        merchant: str = "",
        label: tuple[str, str] | None = None,
        deadline_before: datetime | None = None,
        order_by: str = "",
        page_size: int = 0,
        page_token: str = "",
    ) -> OperatorServiceListTasksResponse:
        """Returns one page of tasks, tenant after tenant, as list_tasks does of one tenant.

        With `deadline_before`, or `order_by` `deadline_time`, they are CANCELLING ones of all
        tenants together, nearest deadline first. Raises CountermandError.
        """
        request = OperatorServiceListTasksRequest(
            tenant=tenant,
            environment=environment,
            filter=filter,
            states=states,
            refund_state=refund_state,
            merchant=merchant,
            label=None if label is None else Label(key=label[0], value=label[1]),
            deadline_before=deadline_before,
            order_by=order_by,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(OperatorServiceStub, request, OperatorServiceListTasksResponse)

    def watch_tasks_of_tenants(
        self,
        *,
        tenant: str = "",
        environment: str = "",
        heartbeat_interval: timedelta | None = None,
        heartbeats: bool = False,
    ) -> AsyncGenerator[OperatorServiceWatchTasksResponse]:
        """Gives a SNAPSHOT of each task that has not ended, one SYNCED, then every version.

        It does not end by itself. After a break it begins with new SNAPSHOTs, and what changed
        meanwhile is not repeated. Raises CountermandError.
        """
        request = OperatorServiceWatchTasksRequest(
            tenant=tenant, environment=environment, heartbeat_interval=heartbeat_interval
        )
        return self._follow(
            lambda stub: stub.WatchTasks(request, metadata=self._metadata),
            lambda message: None,
            heartbeats,
            OperatorServiceStub,
        )

    async def get_server_status(self) -> GetServerStatusResponse:
        """Returns how the server stands. Raises CountermandError."""
        return await self._call(
            OperatorServiceStub, GetServerStatusRequest(), GetServerStatusResponse
        )

    async def list_agents(
        self, *, tenant: str = "", environment: str = "", page_size: int = 0, page_token: str = ""
    ) -> ListAgentsResponse:
        """Returns one page of agents, by tenant and id. Raises CountermandError."""
        request = ListAgentsRequest(
            tenant=tenant, environment=environment, page_size=page_size, page_token=page_token
        )
        return await self._call(OperatorServiceStub, request, ListAgentsResponse)

    async def list_open_watches(
        self, *, tenant: str = "", environment: str = "", page_size: int = 0, page_token: str = ""
    ) -> ListOpenWatchesResponse:
        """Returns one page of the watches that are open, the oldest first. Raises
        CountermandError."""
        request = ListOpenWatchesRequest(
            tenant=tenant, environment=environment, page_size=page_size, page_token=page_token
        )
        return await self._call(OperatorServiceStub, request, ListOpenWatchesResponse)
