"""What callers and agents do, in few words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_pb2, task_service_pb2
from tests.support.server import Server, Stubs

PENDING = task_pb2.TASK_STATE_PENDING
RUNNING = task_pb2.TASK_STATE_RUNNING
CANCELLING = task_pb2.TASK_STATE_CANCELLING
CANCELLED = task_pb2.TASK_STATE_CANCELLED
COMPLETED = task_pb2.TASK_STATE_COMPLETED
FAILED = task_pb2.TASK_STATE_FAILED

SNAPSHOT = c.WATCH_TYPE_SNAPSHOT
CHANGE = c.WATCH_TYPE_CHANGE
HEARTBEAT = c.WATCH_TYPE_HEARTBEAT
SYNCED = c.WATCH_TYPE_SYNCED

SCOPES = (
    "tasks:read",
    "tasks:write",
    "tasks:run",
    "tasks:cancel",
    "checkouts:read",
    "checkouts:write",
    "orders:read",
    "orders:write",
    "webhooks:write",
    "keys:admin",
)
SECONDS = 20.0
"""After which a call that should have been answered counts as hung."""


def new_id() -> str:
    """Returns a UUID of the caller's choice."""
    return str(uuid4())


def span(seconds: float) -> Duration:
    """Returns a duration."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


class Held(NamedTuple):
    """A task that an agent holds."""

    task: task_pb2.Task
    fence: int

    @property
    def task_id(self) -> str:
        return self.task.task_id


class Caller:
    """One key's view of a server."""

    def __init__(self, stubs: Stubs, tenant: str, key_id: str) -> None:
        self.tenant = tenant
        self.key_id = key_id
        self.channel = stubs.channel
        self.cancellations = stubs.cancellations
        self.tasks = stubs.tasks
        self.agents = stubs.agents
        self.keys = stubs.keys

    async def create(self, **fields: Any) -> task_pb2.Task:
        request = task_service_pb2.CreateTaskRequest(**fields)
        return (await self.tasks.CreateTask(request, timeout=SECONDS)).task

    async def create_group(self, count: int, **fields: Any) -> task_service_pb2.CreateGroupResponse:
        tasks = [task_service_pb2.CreateTaskRequest() for _ in range(count)]
        request = task_service_pb2.CreateGroupRequest(tasks=tasks, **fields)
        return await self.tasks.CreateGroup(request, timeout=SECONDS)

    async def start(self, task_id: str, agent_id: str = "agent-1", lease: float = 30) -> Held:
        request = a.StartTaskRequest(task_id=task_id, agent_id=agent_id, lease_duration=span(lease))
        answer = await self.agents.StartTask(request, timeout=SECONDS)
        return Held(answer.task, answer.fence)

    async def running(self, agent_id: str = "agent-1", lease: float = 30, **fields: Any) -> Held:
        """Creates a task and starts it."""
        return await self.start((await self.create(**fields)).task_id, agent_id, lease)

    async def finish(
        self, held: Held, outcome: str = "COMPLETED", failure_message: str = ""
    ) -> task_pb2.Task:
        request = a.FinishTaskRequest(
            task_id=held.task_id,
            fence=held.fence,
            outcome=a.FinishOutcome.Value(f"FINISH_OUTCOME_{outcome}"),
            failure_message=failure_message,
        )
        return (await self.agents.FinishTask(request, timeout=SECONDS)).task

    async def heartbeat(self, agent_id: str, lease: float = 30) -> list[a.Stop]:
        request = a.HeartbeatRequest(agent_id=agent_id, lease_duration=span(lease))
        return list((await self.agents.Heartbeat(request, timeout=SECONDS)).stops)

    async def cancel(
        self, task_id: str, grace: float | None = None, **fields: Any
    ) -> c.CancelTaskResponse:
        request = c.CancelTaskRequest(task_id=task_id, **fields)
        if grace is not None:
            request.grace_period.CopyFrom(span(grace))
        return await self.cancellations.CancelTask(request, timeout=SECONDS)

    async def cancel_group(
        self, group_id: str, grace: float | None = None, **fields: Any
    ) -> c.CancelGroupResponse:
        request = c.CancelGroupRequest(group_id=group_id, **fields)
        if grace is not None:
            request.grace_period.CopyFrom(span(grace))
        return await self.cancellations.CancelGroup(request, timeout=SECONDS)

    async def get(self, task_id: str) -> task_pb2.Task:
        request = task_service_pb2.GetTaskRequest(task_id=task_id)
        return (await self.tasks.GetTask(request, timeout=SECONDS)).task

    async def group(self, group_id: str) -> task_pb2.Group:
        request = task_service_pb2.GetGroupRequest(group_id=group_id)
        return (await self.tasks.GetGroup(request, timeout=SECONDS)).group

    async def cancellation(self, cancellation_id: str):
        request = c.GetCancellationRequest(cancellation_id=cancellation_id)
        answer = await self.cancellations.GetCancellation(request, timeout=SECONDS)
        return answer.cancellation

    def watch(self, task_id: str, timeout: float = SECONDS, **fields: Any):
        """Opens a WatchTask; iterate over it."""
        request = c.WatchTaskRequest(task_id=task_id, **fields)
        return self.cancellations.WatchTask(request, timeout=timeout)

    def watch_many(self, resume_token: str = "", timeout: float = SECONDS, **chosen: Any):
        """Opens a WatchTasks with this filter; iterate over it."""
        request = c.WatchTasksRequest(
            filter=task_pb2.TaskFilter(**chosen), resume_token=resume_token
        )
        return self.cancellations.WatchTasks(request, timeout=timeout)

    async def ended(self, task_id: str) -> task_pb2.Task:
        """Watches a task until it has ended, and returns it."""
        return (await everything(self.watch(task_id)))[-1].task


async def everything(watch: Any) -> list[Any]:
    """Returns all messages of a watch that ends by itself with OK."""
    return [message async for message in watch]


async def take(watch: Any, count: int) -> list[Any]:
    """Returns the next messages of a watch."""
    return [await watch.read() for _ in range(count)]


@asynccontextmanager
async def first_caller(server: Server) -> AsyncIterator[Caller]:
    """Calls a server with its first key, which has all scopes."""
    async with server.connect().channel as channel:
        yield Caller(Stubs(channel), "default", server.key.split("_")[2])


@asynccontextmanager
async def new_caller(server: Server, admin: Caller, **fields: Any) -> AsyncIterator[Caller]:
    """Makes a key, with all scopes in a tenant of its own unless told otherwise, and calls."""
    fields = {
        "tenant": f"tenant-{new_id()}",
        "environment": "sandbox",
        "scopes": SCOPES,
        **fields,
    }
    made = await admin.keys.CreateKey(k.CreateKeyRequest(**fields), timeout=SECONDS)
    async with server.connect(made.secret).channel as channel:
        yield Caller(Stubs(channel), made.key.tenant, made.key.key_id)
