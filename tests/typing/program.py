"""A program that uses both clients, the runtime and raw stubs, as a user's type checker reads it.

It is checked, and never run. `tests/chaos/test_types.py` plants typos in it.
"""

from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import timedelta

import grpc
import grpc.aio

from countermand.client import Agent, Client, CountermandError, TaskLost, Work
from countermand.client import sync as threads
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_CANCELLED, HeartbeatRequest
from countermand.v1.agent_service_pb2_grpc import AgentServiceStub
from countermand.v1.cancellation_service_pb2 import CancelTaskRequest, WatchTaskRequest
from countermand.v1.cancellation_service_pb2_grpc import CancellationServiceStub
from countermand.v1.task_pb2 import Task, TaskFilter, TaskState
from countermand.v1.task_service_pb2 import CreateTaskRequest


async def with_asyncio(client: Client) -> list[str]:
    made = await client.create_group([CreateTaskRequest(merchant="Tea")], closed=True)
    answer = await client.cancel_group(
        made.group.group_id, reason="fraud", grace_period=timedelta(0)
    )
    states: list[str] = [answer.cancellation.cancellation_id]
    async with aclosing(client.watch_task(made.tasks[0].task_id)) as messages:
        async for message in messages:
            states.append(TaskState.Name(message.task.state))
    async for task in client.iter_tasks(TaskFilter(group_id=made.group.group_id)):
        states.append(task.merchant)
    return states


def with_threads(client: threads.Client) -> list[str]:
    task_id: str = client.create_task(merchant="Tea").task.task_id
    try:
        client.cancel_task(task_id, reason="fraud", expected_version=1)
    except CountermandError as refusal:
        return [refusal.reason, refusal.code.name]
    with closing(client.watch_task(task_id, after_version=0)) as messages:
        states = [TaskState.Name(message.task.state) for message in messages]
    return [*states, *(task.merchant for task in client.iter_tasks(merchant="Tea"))]


async def buy(work: Work) -> None:
    async with work.charge() as taking:
        taking.captured()
    if work.stop is not None:
        print(work.stop.deadline_time.ToDatetime(), work.task.labels["sku"])


async def run(agent: Agent, task_id: str) -> None:
    await agent.run(buy, accept=lambda task: task.merchant == "Tea")
    try:
        async with agent.task(task_id, on_stop="offer") as work:
            await work.wait_for_stop()
    except TaskLost as lost:
        print(lost.task.state)


def run_in_threads(agent: threads.Agent, task_id: str) -> None:
    with agent.task(task_id) as work, work.charge():
        work.check()


def raw(channel: grpc.Channel) -> Iterator[Task]:
    stub = CancellationServiceStub(channel)
    print(stub.CancelTask(CancelTaskRequest(task_id="t"), timeout=1).cancellation.reason)
    for message in stub.WatchTask(WatchTaskRequest(task_id="t")):
        yield message.task


async def raw_with_asyncio(channel: grpc.aio.Channel) -> int:
    answer = await AgentServiceStub(channel).Heartbeat(HeartbeatRequest(agent_id="agent-1"))
    async for message in CancellationServiceStub(channel).WatchTask(WatchTaskRequest()):
        print(message.last, FINISH_OUTCOME_CANCELLED)
    return len(answer.stops)
