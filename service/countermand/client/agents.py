"""The methods of AgentService."""

from datetime import timedelta

from countermand.client.connection import Connection
from countermand.v1.agent_service_pb2 import (
    BeginChargeRequest,
    BeginChargeResponse,
    FinishOutcome,
    FinishTaskRequest,
    FinishTaskResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ReportChargeRequest,
    ReportChargeResponse,
    StartTaskRequest,
    StartTaskResponse,
)
from countermand.v1.agent_service_pb2_grpc import AgentServiceStub
from countermand.v1.task_pb2 import ChargeState


class AgentMethods(Connection):
    """What an agent calls: the worker that runs tasks, and winds them down when it is asked."""

    async def start_task(
        self, task_id: str, agent_id: str, *, lease_duration: timedelta | None = None
    ) -> StartTaskResponse:
        """Starts a PENDING task; the answer has the fence to pass with every later call for it.

        The lease lives for 30 s unless told otherwise. A repeat by the same agent is OK and gives
        a higher fence. Raises CountermandError, for example `TASK_NOT_PENDING`.
        """
        request = StartTaskRequest(
            task_id=task_id, agent_id=agent_id, lease_duration=lease_duration
        )
        return await self._call(AgentServiceStub, request, StartTaskResponse)

    async def heartbeat(
        self, agent_id: str, *, lease_duration: timedelta | None = None
    ) -> HeartbeatResponse:
        """Renews the agent's lease for all of its tasks, by 30 s unless told otherwise.

        The answer has the tasks to stop, nearest deadline first. Raises CountermandError.
        """
        request = HeartbeatRequest(agent_id=agent_id, lease_duration=lease_duration)
        return await self._call(AgentServiceStub, request, HeartbeatResponse)

    async def _heartbeat(
        self, agent_id: str, lease_duration: timedelta, timeout: float
    ) -> HeartbeatResponse:
        """Renews the lease ahead of all calls that wait their turn."""
        request = HeartbeatRequest(agent_id=agent_id, lease_duration=lease_duration)
        return await self._call(
            AgentServiceStub, request, HeartbeatResponse, timeout=timeout, takes_turn=False
        )

    async def begin_charge(self, task_id: str, fence: int) -> BeginChargeResponse:
        """Asks to take money: the point of no return. Do it only if `charge_state` is BEGUN.

        A repeat is OK and changes nothing. Raises CountermandError: `CANCELLATION_REQUESTED` if a
        cancel came first; then take no money.
        """
        request = BeginChargeRequest(task_id=task_id, fence=fence)
        return await self._call(AgentServiceStub, request, BeginChargeResponse)

    async def report_charge(
        self, task_id: str, fence: int, charge_state: ChargeState
    ) -> ReportChargeResponse:
        """Says what came of taking money: CAPTURED, FAILED or VOIDED.

        The last word counts, and the same word again is OK. Raises CountermandError, for example
        `FENCED`.
        """
        request = ReportChargeRequest(task_id=task_id, fence=fence, charge_state=charge_state)
        return await self._call(AgentServiceStub, request, ReportChargeResponse)

    async def finish_task(
        self, task_id: str, fence: int, outcome: FinishOutcome, *, failure_message: str = ""
    ) -> FinishTaskResponse:
        """Ends a RUNNING or CANCELLING task; CANCELLED acknowledges a cancel.

        A repeat with the same fence and outcome is OK and changes nothing. Raises
        CountermandError: `FENCED` if someone else ended or took over the task.
        """
        request = FinishTaskRequest(
            task_id=task_id, fence=fence, outcome=outcome, failure_message=failure_message
        )
        return await self._call(AgentServiceStub, request, FinishTaskResponse)
