"""AgentService."""

from countermand.core.records import Task
from countermand.engine.writer import Writer
from countermand.rpc.method import Call, needs
from countermand.rpc.wire.parse import agents as parse
from countermand.rpc.wire.render.tasks import render_stop, render_task
from countermand.store.contract import Store
from countermand.v1 import agent_service_pb2 as pb

MAX_STOPS = 1000


class AgentService:
    """Runs tasks."""

    SERVICE = pb.DESCRIPTOR.services_by_name["AgentService"]

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer

    @needs("tasks:run")
    async def start_task(self, call: Call, request: pb.StartTaskRequest) -> pb.StartTaskResponse:
        command = parse.parse_start(request, call.namespace)
        task: Task = await self._writer.submit(command, call.trace)
        return pb.StartTaskResponse(task=render_task(task), fence=task.fence)

    @needs("tasks:run")
    async def heartbeat(self, call: Call, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        command = parse.parse_heartbeat(request, call.namespace)
        if not await self._writer.submit(command, call.trace):
            return pb.HeartbeatResponse()
        tasks = await self._store.stops(call.namespace, command.agent_id, MAX_STOPS)
        return pb.HeartbeatResponse(stops=[render_stop(task) for task in tasks])

    @needs("tasks:run")
    async def begin_charge(
        self, call: Call, request: pb.BeginChargeRequest
    ) -> pb.BeginChargeResponse:
        command = parse.parse_begin_charge(request, call.namespace)
        task: Task = await self._writer.submit(command, call.trace)
        return pb.BeginChargeResponse(task=render_task(task))

    @needs("tasks:run")
    async def report_charge(
        self, call: Call, request: pb.ReportChargeRequest
    ) -> pb.ReportChargeResponse:
        command = parse.parse_report_charge(request, call.namespace)
        task: Task = await self._writer.submit(command, call.trace)
        return pb.ReportChargeResponse(task=render_task(task))

    @needs("tasks:run")
    async def finish_task(self, call: Call, request: pb.FinishTaskRequest) -> pb.FinishTaskResponse:
        command = parse.parse_finish(request, call.namespace)
        task: Task = await self._writer.submit(command, call.trace)
        return pb.FinishTaskResponse(task=render_task(task))
