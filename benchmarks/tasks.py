"""The tasks that a run cancels: made and started through the API, like anybody's."""

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence

import grpc
from google.protobuf.duration_pb2 import Duration

from benchmarks.generator import FULL, Generator, Run, Shape
from benchmarks.machine import RunFailedError
from benchmarks.servers import Server
from countermand.v1 import (
    agent_service_pb2,
    cancellation_service_pb2,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
)

START_TASK = "/countermand.v1.AgentService/StartTask"
CANCEL_TASK = "/countermand.v1.CancellationService/CancelTask"
TASKS_PER_GROUP = 500
AGENTS = 100
CHECKED = 50
# Leases and deadlines that outlast the measurement: the reaper's work is not part of a cancel.
HOUR = Duration(seconds=3600)


class RunningTasks:
    """Tasks that are RUNNING on a server, each to be cancelled once."""

    def __init__(self, server: Server, generator: Generator, ids: Sequence[str]) -> None:
        """Shuffles them.

        In the order of their creation neighbours in the index would always be cancelled together,
        which no customer does.
        """
        self._server = server
        self._generator = generator
        self._ids = list(ids)
        random.Random(len(ids)).shuffle(self._ids)

    @classmethod
    def start(cls, server: Server, generator: Generator, count: int) -> "RunningTasks":
        """Creates and starts that many."""
        ids: list[str] = []
        while len(ids) < count:
            ids += create_group(server, min(TASKS_PER_GROUP, count - len(ids)))[1]
        start(server, generator, ids)
        return cls(server, generator, ids)

    def take(self, count: int) -> list[str]:
        """Answers so many of those left, which are the caller's from now on."""
        return [self._ids.pop() for _ in range(count)]

    def cancel(self, calls: int, shape: Shape = FULL, rate: float = 0) -> Run:
        """Cancels that many of those left, and reads some back: all must be CANCELLING. For a rate
        see Generator.send."""
        ids = self.take(calls)
        bodies = (cancel_request(task_id) for task_id in ids)
        run = self._generator.send(self._server, CANCEL_TASK, bodies, shape=shape, rate=rate)
        _check_cancelling(self._server, ids)
        return run


def create_group(server: Server, size: int) -> tuple[str, list[str]]:
    """Creates a group, and answers its id and those of its tasks."""
    request = group_request(size)
    return send_group(server, request), [task.task_id for task in request.tasks]


def group_request(
    size: int, labels: Mapping[str, str] | None = None
) -> task_service_pb2.CreateGroupRequest:
    """Answers a request for a group of so many tasks, each with these labels."""
    tasks = [
        task_service_pb2.CreateTaskRequest(
            task_id=str(uuid.uuid4()), merchant=f"merchant-{place}", labels=labels
        )
        for place in range(size)
    ]
    return task_service_pb2.CreateGroupRequest(tasks=tasks)


def send_group(server: Server, request: task_service_pb2.CreateGroupRequest) -> str:
    """Creates a group, and answers its id."""
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    with grpc.insecure_channel(server.address, options) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        answer = stub.CreateGroup(request, metadata=server.metadata, timeout=60)
    group_id: str = answer.group.group_id
    return group_id


def start(server: Server, generator: Generator, ids: Sequence[str]) -> None:
    """Gives tasks to agents."""
    generator.send(server, START_TASK, map(_start_request, range(len(ids)), ids))


def cancel_request(task_id: str, grace: Duration = HOUR, *, repeatable: bool = True) -> bytes:
    """Answers a cancel, with a request_id of its own if it is repeatable."""
    return cancellation_service_pb2.CancelTaskRequest(
        task_id=task_id,
        reason="customer_requested",
        request_id=str(uuid.uuid4()) if repeatable else "",
        grace_period=grace,
    ).SerializeToString()


def _start_request(number: int, task_id: str) -> bytes:
    return agent_service_pb2.StartTaskRequest(
        task_id=task_id, agent_id=f"bench-agent-{number % AGENTS}", lease_duration=HOUR
    ).SerializeToString()


def _check_cancelling(server: Server, ids: Sequence[str]) -> None:
    for task in _read(server, random.sample(ids, min(CHECKED, len(ids)))):
        if task.state != task_pb2.TASK_STATE_CANCELLING:
            state = task_pb2.TaskState.Name(task.state)
            raise RunFailedError(f"a task is {state} after its cancel was answered with OK")


def _read(server: Server, ids: Sequence[str]) -> Iterator[task_pb2.Task]:
    with grpc.insecure_channel(server.address) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for task_id in ids:
            request = task_service_pb2.GetTaskRequest(task_id=task_id)
            yield stub.GetTask(request, metadata=server.metadata, timeout=10).task
