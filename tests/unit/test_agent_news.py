"""What an agent hears, from a server that answers as it is told: stops, silence, lost answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from countermand.client import Agent, Client, TaskLost
from countermand.client.knobs import ClientKnobs
from countermand.v1 import agent_service_pb2 as agents
from countermand.v1 import cancellation_service_pb2 as watches
from countermand.v1 import task_pb2 as task
from countermand.v1 import task_service_pb2 as tasks
from tests.support.waiting import until
from tests.unit.test_client_calls import TASK_ID, serving

OTHER_ID = "0192f0c1-0000-7000-8000-000000000009"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
SHORT = timedelta(seconds=1)


class Told(grpc.GenericRpcHandler):
    """Answers each method with what its entry makes of the request; a status refuses it."""

    def __init__(self, **answers: Callable[[Message], Message | grpc.StatusCode | None]) -> None:
        self.answers = answers
        self.seen: list[Message] = []
        self.watched: list[bytes] = []
        """The requests of all streams."""

    def service(self, details):
        name = details.method.rpartition("/")[2]
        make = self.answers.get(name)
        described = descriptor_pool.Default().FindMessageTypeByName(f"countermand.v1.{name}Request")
        request_type = message_factory.GetMessageClass(described)

        async def answer(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
            request = request_type.FromString(raw)
            self.seen.append(request)
            found = make(request) if make is not None else None
            if found is None:
                await asyncio.Event().wait()
            if isinstance(found, grpc.StatusCode):
                await context.abort(found, "no")
            return found.SerializeToString()

        async def stream(raw: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            self.watched.append(raw)
            if make is not None:
                for message in make(request_type.FromString(raw)):
                    yield message.SerializeToString()
            await asyncio.Event().wait()

        if name.startswith("Watch"):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(answer)

    def asked(self, kind: type[Message]) -> list:
        return [request for request in self.seen if isinstance(request, kind)]


def started(request: agents.StartTaskRequest) -> agents.StartTaskResponse:
    running = task.Task(
        task_id=request.task_id, agent_id=request.agent_id, state=task.TASK_STATE_RUNNING
    )
    return agents.StartTaskResponse(task=running, fence=7)


def finished(request: agents.FinishTaskRequest) -> agents.FinishTaskResponse:
    return agents.FinishTaskResponse(task=task.Task(task_id=request.task_id))


def alive(_: Message) -> agents.HeartbeatResponse:
    return agents.HeartbeatResponse()


@asynccontextmanager
async def agent_of(told: Told, lease: timedelta = SHORT, **knobs: float) -> AsyncIterator[Agent]:
    async with (
        serving(told) as target,
        Client(target, "k", knobs=ClientKnobs(settle_timeout=0.5, **knobs)) as client,
        Agent(client, "agent-1", lease_duration=lease) as agent,
    ):
        yield agent


async def test_stops_that_a_heartbeat_has_no_room_for_are_heard_without_a_watch() -> None:
    stops = [agents.Stop(task_id=f"0192f0c1-0000-7000-8000-{n:012}") for n in range(100, 1100)]
    beyond = task.Task(
        task_id=TASK_ID,
        state=task.TASK_STATE_CANCELLING,
        cancel_reason="fraud",
        cancel_message="stop",
    )
    told = Told(
        StartTask=started,
        FinishTask=finished,
        Heartbeat=lambda _: agents.HeartbeatResponse(stops=stops),
        ListTasks=lambda _: tasks.ListTasksResponse(tasks=[beyond]),
    )
    async with agent_of(told) as agent, agent.task(TASK_ID) as work:
        await asyncio.Event().wait()
    assert work.stop is not None
    assert (work.stop.reason, work.stop.message) == ("fraud", "stop")
    [finish] = told.asked(agents.FinishTaskRequest)
    assert (finish.fence, finish.outcome) == (7, agents.FINISH_OUTCOME_CANCELLED)
    [listed, *_] = told.asked(tasks.ListTasksRequest)
    assert (listed.filter.agent_id, list(listed.states)) == (
        "agent-1",
        [task.TASK_STATE_CANCELLING],
    )


async def test_watches_that_broke_off_long_ago_keep_later_ones_waiting_no_longer() -> None:
    """Each that began well is followed by the next one soon, whatever became of those before."""

    def broken_off(_: Message) -> list[Message]:
        shown = task.Task(task_id=TASK_ID, agent_id="agent-1", state=task.TASK_STATE_COMPLETED)
        return [
            watches.WatchTasksResponse(type=watches.WATCH_TYPE_SYNCED),
            watches.WatchTasksResponse(type=watches.WATCH_TYPE_CHANGE, task=shown, last=True),
        ]

    told = Told(Heartbeat=alive, WatchTasks=broken_off)
    async with agent_of(told, min_backoff=0.001, max_backoff=1000.0):
        # The pauses of so many failures in a row would be an hour together.
        await until(lambda: len(told.watched) >= 24, 10)


async def test_a_body_stops_when_the_server_is_not_heard_of_for_as_long_as_the_lease() -> None:
    told = Told(StartTask=started, FinishTask=finished, Heartbeat=lambda _: UNAVAILABLE)
    loop = asyncio.get_running_loop()
    async with agent_of(told) as agent:
        began = loop.time()
        with pytest.raises(TaskLost):
            async with agent.task(TASK_ID):
                await asyncio.Event().wait()
        assert 0.9 <= loop.time() - began < 5
    [finish] = told.asked(agents.FinishTaskRequest)
    assert finish.outcome == agents.FINISH_OUTCOME_FAILED
    assert "its lease ran out" in finish.failure_message


async def test_a_lease_that_is_renewed_lives() -> None:
    told = Told(StartTask=started, FinishTask=finished, Heartbeat=alive)
    async with agent_of(told) as agent, agent.task(TASK_ID):
        await asyncio.sleep(1.5)
    assert len(told.asked(agents.HeartbeatRequest)) >= 4
    [finish] = told.asked(agents.FinishTaskRequest)
    assert finish.outcome == agents.FINISH_OUTCOME_COMPLETED


async def test_an_end_is_sent_until_it_is_heard() -> None:
    answers = [UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL]
    told = Told(
        StartTask=started,
        FinishTask=lambda request: answers.pop() if answers else finished(request),
        Heartbeat=alive,
    )
    async with agent_of(told) as agent, agent.task(TASK_ID):
        pass
    finishes = told.asked(agents.FinishTaskRequest)
    assert len(finishes) == 4
    assert all(each == finishes[0] for each in finishes)


async def test_a_charge_whose_permission_was_lost_on_the_way_is_reported_as_not_taken() -> None:
    told = Told(
        StartTask=started,
        FinishTask=finished,
        Heartbeat=alive,
        BeginCharge=lambda _: grpc.StatusCode.UNKNOWN,
        ReportCharge=lambda request: agents.ReportChargeResponse(
            task=task.Task(task_id=request.task_id, charge_state=request.charge_state)
        ),
    )
    async with agent_of(told) as agent:
        with pytest.raises(Exception, match="UNKNOWN"):
            async with agent.task(TASK_ID) as work, work.charge():
                pytest.fail("it was charged")
    [report] = told.asked(agents.ReportChargeRequest)
    assert report.charge_state == task.CHARGE_STATE_FAILED
    kinds = [type(request).__name__ for request in told.seen]
    assert kinds.index("ReportChargeRequest") < kinds.index("FinishTaskRequest")


async def test_a_start_whose_answer_was_lost_is_ended_when_it_shows_itself() -> None:
    running = task.Task(task_id=OTHER_ID, agent_id="agent-1", state=task.TASK_STATE_RUNNING)
    told = Told(
        StartTask=started,
        FinishTask=finished,
        Heartbeat=alive,
        WatchTasks=lambda _: [
            watches.WatchTasksResponse(type=watches.WATCH_TYPE_SNAPSHOT, task=running),
            watches.WatchTasksResponse(type=watches.WATCH_TYPE_SYNCED),
        ],
    )
    async with agent_of(told, lease=timedelta(seconds=0.3)) as agent:
        while OTHER_ID not in agent.ended:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    [finish] = told.asked(agents.FinishTaskRequest)
    assert (finish.task_id, finish.outcome) == (OTHER_ID, agents.FINISH_OUTCOME_FAILED)


async def test_a_task_that_a_watch_does_not_show_any_more_is_looked_at() -> None:
    ended = task.Task(task_id=TASK_ID, state=task.TASK_STATE_FAILED)
    opened = asyncio.Event()
    told = Told(
        StartTask=started,
        FinishTask=lambda _: grpc.StatusCode.UNAVAILABLE,
        Heartbeat=alive,
        GetTask=lambda _: tasks.GetTaskResponse(task=ended),
        WatchTasks=lambda _: [
            opened.set(),
            watches.WatchTasksResponse(type=watches.WATCH_TYPE_SYNCED),
        ][1:],
    )
    async with agent_of(told) as agent:
        job = await agent.start(TASK_ID)
        await opened.wait()
        looking = asyncio.create_task(agent._keeper._listen_once())
        while not job.lost:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        looking.cancel()
        assert job.task == ended
        agent.jobs.clear()
        agent._empty.set()


async def test_closing_waits_for_a_silent_server_for_a_while_only() -> None:
    told = Told(StartTask=started, Heartbeat=alive)
    loop = asyncio.get_running_loop()
    async with agent_of(told) as agent:
        work = agent.task(TASK_ID)
        await work.__aenter__()
        body = agent.finish(work._job, None)
        began = loop.time()
    assert loop.time() - began < 5
    assert body.cancelled()
