"""The tasks that a run cancels: made and started through the API, like anybody's."""

import random
import uuid
from collections.abc import Iterator, Sequence

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

    def __init__(self, server: Server, generator: Generator, count: int) -> None:
        """Creates and starts that many, and shuffles them.

        In the order of their creation neighbours in the index would always be cancelled together,
        which no customer does.
        """
        self._server = server
        self._generator = generator
        with grpc.insecure_channel(server.address) as channel:
            stub = task_service_pb2_grpc.TaskServiceStub(channel)
            self._ids = [
                task_id
                for done in range(0, count, TASKS_PER_GROUP)
                for task_id in _create_group(stub, server, min(TASKS_PER_GROUP, count - done))
            ]
        generator.send(server, START_TASK, _start_requests(self._ids))
        random.Random(count).shuffle(self._ids)

    def cancel(self, calls: int, shape: Shape = FULL) -> Run:
        """Cancels that many of those left, and reads some back: all must be CANCELLING."""
        ids = [self._ids.pop() for _ in range(calls)]
        run = self._generator.send(self._server, CANCEL_TASK, _cancel_requests(ids), shape=shape)
        _check_cancelling(self._server, ids)
        return run


def _cancel_requests(ids: Sequence[str]) -> Iterator[bytes]:
    for task_id in ids:
        yield cancellation_service_pb2.CancelTaskRequest(
            task_id=task_id,
            reason="customer_requested",
            request_id=str(uuid.uuid4()),
            grace_period=HOUR,
        ).SerializeToString()


def _check_cancelling(server: Server, ids: Sequence[str]) -> None:
    with grpc.insecure_channel(server.address) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for task_id in random.sample(ids, min(CHECKED, len(ids))):
            request = task_service_pb2.GetTaskRequest(task_id=task_id)
            task = stub.GetTask(request, metadata=server.metadata, timeout=10).task
            if task.state != task_pb2.TASK_STATE_CANCELLING:
                state = task_pb2.TaskState.Name(task.state)
                raise RunFailedError(f"a task is {state} after its cancel was answered with OK")


def _create_group(
    stub: task_service_pb2_grpc.TaskServiceStub, server: Server, size: int
) -> Iterator[str]:
    tasks = [task_service_pb2.CreateTaskRequest(merchant=f"merchant-{i}") for i in range(size)]
    request = task_service_pb2.CreateGroupRequest(tasks=tasks)
    answer = stub.CreateGroup(request, metadata=server.metadata, timeout=60)
    return (task.task_id for task in answer.tasks)


def _start_requests(ids: Sequence[str]) -> Iterator[bytes]:
    for number, task_id in enumerate(ids):
        yield agent_service_pb2.StartTaskRequest(
            task_id=task_id, agent_id=f"bench-agent-{number % AGENTS}", lease_duration=HOUR
        ).SerializeToString()
