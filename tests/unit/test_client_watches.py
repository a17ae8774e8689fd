"""Watches of the client, against a server that breaks them as it is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from countermand.client import Client, CountermandError
from countermand.client.sync import Client as SyncClient
from countermand.v1 import cancellation_service_pb2 as pb
from countermand.v1 import cancellation_service_pb2_grpc as pb_grpc
from countermand.v1 import task_service_pb2 as tasks
from countermand.v1 import task_service_pb2_grpc as tasks_grpc
from countermand.v1.task_pb2 import TASK_STATE_CANCELLED, TASK_STATE_RUNNING, Task, TaskFilter

TASK_ID = "0192f0c1-0000-7000-8000-000000000001"
GROUP_ID = "0192f0c1-0000-7000-8000-000000000002"

SNAPSHOT, CHANGE, HEARTBEAT, SYNCED = (
    pb.WATCH_TYPE_SNAPSHOT,
    pb.WATCH_TYPE_CHANGE,
    pb.WATCH_TYPE_HEARTBEAT,
    pb.WATCH_TYPE_SYNCED,
)


class End(Exception):
    """How the server ends a stream: with a code, and a reason if Countermand made it."""

    def __init__(self, code: grpc.StatusCode, reason: str = "", retry: float | None = None):
        self.code = code
        self.label = reason or code.name
        details = []
        if reason:
            details.append(error_details_pb2.ErrorInfo(reason=reason, domain="countermand"))
        if retry is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(int(retry * 1000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = [any_pb2.Any() for _ in details]
        for target, detail in zip(packed, details, strict=True):
            target.Pack(detail)
        self.status = status_pb2.Status(code=code.value[0], message="no", details=packed)


OPEN = "stays open"
UNAVAILABLE = End(grpc.StatusCode.UNAVAILABLE)


class Scripted(pb_grpc.CancellationServiceServicer, tasks_grpc.TaskServiceServicer):
    """Plays the next stream for each watch: messages, then an End, OPEN, or OK."""

    def __init__(self, *streams: list) -> None:
        self.streams = list(streams)
        self.requests: list = []
        self.times: list[float] = []
        self.peers: list[str] = []
        self.played = asyncio.Event()
        self.left = asyncio.Event()

    async def WatchTask(self, request, context):
        self.requests.append(request)
        self.times.append(time.monotonic())
        self.peers.append(context.peer())
        stream = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        try:
            for item in stream:
                if isinstance(item, End):
                    await context.abort_with_status(rpc_status.to_status(item.status))
                elif item == OPEN:
                    self.played.set()
                    await asyncio.Event().wait()
                else:
                    # Not yielded: a generator that is left while its message is being sent is
                    # never told so, and the test would wait forever.
                    await context.write(item)
        except asyncio.CancelledError:
            self.left.set()
            raise

    WatchTasks = WatchTask

    async def GetTask(self, request, context):
        self.peers.append(context.peer())
        return tasks.GetTaskResponse()


@asynccontextmanager
async def serving(script: Scripted, port: int = 0, streams: int | None = None):
    limit = [] if streams is None else [("grpc.max_concurrent_streams", streams)]
    server = grpc.aio.server(options=limit)
    pb_grpc.add_CancellationServiceServicer_to_server(script, server)
    tasks_grpc.add_TaskServiceServicer_to_server(script, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def connected(script: Scripted, **options: float) -> AsyncIterator[Client]:
    async with serving(script) as target, Client(target, "the-key", **options) as client:
        yield client


def told(type_: pb.WatchType, version: int, *, last: bool = False) -> pb.WatchTaskResponse:
    state = TASK_STATE_CANCELLED if last else TASK_STATE_RUNNING
    task = Task(task_id=TASK_ID, version=version, state=state)
    return pb.WatchTaskResponse(type=type_, task=task, last=last)


def told_of(type_: pb.WatchType, version: int, token: str, *, last: bool = False):
    task = Task(task_id=TASK_ID, version=version) if version else None
    return pb.WatchTasksResponse(type=type_, task=task, resume_token=token, last=last)


async def everything(watch) -> list:
    return [message async for message in watch]


def resumed_at(script: Scripted) -> list[int | None]:
    """The after_version of each request; None where it was absent."""
    return [
        request.after_version if request.HasField("after_version") else None
        for request in script.requests
    ]


async def test_a_watch_gives_every_message_but_idle_heartbeats_and_ends_with_the_last():
    stream = [told(SNAPSHOT, 1), told(HEARTBEAT, 1), told(CHANGE, 2), told(CHANGE, 3, last=True)]
    script = Scripted(stream)
    async with connected(script) as client:
        watch = client.watch_task(TASK_ID, heartbeat_interval=timedelta(seconds=2))
        assert await everything(watch) == [stream[0], stream[2], stream[3]]
    [request] = script.requests
    assert (request.task_id, request.heartbeat_interval.seconds) == (TASK_ID, 2)
    assert resumed_at(script) == [None]


@pytest.mark.parametrize("many", [False, True])
async def test_a_watch_gives_its_heartbeats_to_whoever_asks_for_them(many: bool):
    make = told_of if many else told
    rest = ("token",) if many else ()
    stream = [
        make(SNAPSHOT, 1, *rest),
        make(HEARTBEAT, 1, *rest),
        make(CHANGE, 2, *rest, last=True),
    ]
    script = Scripted([*stream[:2], UNAVAILABLE], [stream[1], stream[2]])
    async with connected(script) as client:
        given = {"heartbeats": True, "heartbeat_interval": timedelta(seconds=1)}
        watch = client.watch_tasks(**given) if many else client.watch_task(TASK_ID, **given)
        assert await everything(watch) == [*stream[:2], stream[1], stream[2]]


async def test_a_watch_ends_with_its_last_message_though_the_stream_stays_open():
    script = Scripted([told(SNAPSHOT, 1, last=True), OPEN])
    async with connected(script) as client:
        assert len(await everything(client.watch_task(TASK_ID))) == 1
        await script.left.wait()


async def test_a_watch_after_the_last_version_gives_the_heartbeat_that_says_so():
    script = Scripted([told(HEARTBEAT, 3, last=True)])
    async with connected(script) as client:
        [message] = await everything(client.watch_task(TASK_ID, after_version=3))
    assert message == told(HEARTBEAT, 3, last=True)
    assert resumed_at(script) == [3]


@pytest.mark.parametrize(
    "end",
    [
        [UNAVAILABLE],
        [End(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry=0)],
        [End(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")],
        [End(grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHER_TOO_SLOW")],
        [End(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry=0)],
        [End(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS", retry=0)],
        [End(grpc.StatusCode.CANCELLED)],
        [End(grpc.StatusCode.INTERNAL)],
        [End(grpc.StatusCode.UNKNOWN)],
        [End(grpc.StatusCode.DEADLINE_EXCEEDED)],
        [],
    ],
    ids=lambda end: end[0].label if end else "OK",
)
@pytest.mark.parametrize("flavour", ["async", "sync"])
async def test_a_broken_watch_goes_on_after_the_last_version(flavour, end):
    script = Scripted(
        [told(SNAPSHOT, 1), told(CHANGE, 2), *end],
        [told(HEARTBEAT, 2), *end],
        [told(CHANGE, 3), told(CHANGE, 4, last=True)],
    )
    async with serving(script) as target:
        if flavour == "async":
            async with Client(target, "the-key") as client:
                found = await everything(client.watch_task(TASK_ID))
        else:

            def follow() -> list[pb.WatchTaskResponse]:
                with SyncClient(target, "the-key") as client:
                    return list(client.watch_task(TASK_ID))

            found = await asyncio.to_thread(follow)
    assert [message.task.version for message in found] == [1, 2, 3, 4]
    assert resumed_at(script) == [None, 2, 2]


async def test_a_heartbeat_does_not_stand_for_a_change_that_has_not_come():
    script = Scripted(
        [told(SNAPSHOT, 1), told(HEARTBEAT, 2), UNAVAILABLE],
        [told(CHANGE, 2), told(CHANGE, 3, last=True)],
    )
    async with connected(script) as client:
        found = await everything(client.watch_task(TASK_ID))
    assert [message.task.version for message in found] == [1, 2, 3]
    assert resumed_at(script) == [None, 1]


@pytest.mark.parametrize("after_version", [None, 0, 5])
async def test_a_watch_that_breaks_before_its_first_message_asks_the_same_again(after_version):
    script = Scripted([UNAVAILABLE], [told(CHANGE, 6, last=True)])
    async with connected(script) as client:
        await everything(client.watch_task(TASK_ID, after_version))
    assert resumed_at(script) == [after_version, after_version]


async def test_a_watch_outlives_a_restart_of_the_server():
    before, after = Scripted([told(SNAPSHOT, 1), OPEN]), Scripted([told(CHANGE, 2, last=True)])
    server = serving(before)
    target = await server.__aenter__()
    async with Client(target, "the-key") as client:
        watch = client.watch_task(TASK_ID)
        assert await anext(watch) == told(SNAPSHOT, 1)
        await before.played.wait()
        await server.__aexit__(None, None, None)
        async with serving(after, port=int(target.split(":")[1])):
            assert await everything(watch) == [told(CHANGE, 2, last=True)]
    assert resumed_at(after) == [1]


@pytest.mark.parametrize(
    "end",
    [
        End(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"),
        End(grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID"),
        End(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
        End(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        End(grpc.StatusCode.OUT_OF_RANGE, "VERSION_AHEAD"),
        End(grpc.StatusCode.RESOURCE_EXHAUSTED),
        End(grpc.StatusCode.INTERNAL, "INTERNAL"),
        End(grpc.StatusCode.UNIMPLEMENTED),
    ],
    ids=lambda end: end.label,
)
@pytest.mark.parametrize("before", [[], [told(SNAPSHOT, 1)]], ids=["at once", "later"])
async def test_a_refusal_is_raised(before, end):
    script = Scripted([*before, end], [told(CHANGE, 2, last=True)])
    async with connected(script) as client:
        watch = client.watch_task(TASK_ID)
        assert [await anext(watch) for _ in before] == before
        with pytest.raises(CountermandError) as caught:
            await anext(watch)
    assert caught.value.code is end.code
    assert len(script.requests) == 1


async def test_a_watch_that_never_opened_gives_up_at_the_timeout():
    async with connected(Scripted([UNAVAILABLE]), timeout=0.5, reconnect_timeout=3600) as client:
        with pytest.raises(CountermandError) as caught:
            await everything(client.watch_task(TASK_ID))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


async def test_a_watch_that_was_open_gives_up_at_the_reconnect_timeout():
    script = Scripted([told(SNAPSHOT, 1), UNAVAILABLE], [UNAVAILABLE])
    async with connected(script, timeout=3600, reconnect_timeout=0.5) as client:
        with pytest.raises(CountermandError):
            await everything(client.watch_task(TASK_ID))


async def test_each_message_begins_the_reconnect_timeout_anew():
    wait = End(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry=0.4)
    script = Scripted(
        [told(SNAPSHOT, 1), wait],
        [told(CHANGE, 2), wait],
        [told(CHANGE, 3), wait],
        [told(CHANGE, 4, last=True)],
    )
    async with connected(script, timeout=0, reconnect_timeout=1) as client:
        found = await everything(client.watch_task(TASK_ID))
    assert [message.task.version for message in found] == [1, 2, 3, 4]
    assert script.times[-1] - script.times[0] > 1


async def test_a_watch_waits_at_least_as_long_as_the_server_asks():
    script = Scripted(
        [told(SNAPSHOT, 1), End(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry=0.4)],
        [told(CHANGE, 2, last=True)],
    )
    async with connected(script) as client:
        await everything(client.watch_task(TASK_ID))
    first, second = script.times
    assert second - first >= 0.4


async def test_a_watch_of_many_goes_on_at_the_last_token():
    script = Scripted(
        [told_of(SNAPSHOT, 1, "a"), UNAVAILABLE],
        [told_of(SYNCED, 0, "b"), told_of(HEARTBEAT, 0, "c"), UNAVAILABLE],
        [told_of(CHANGE, 2, "d"), told_of(HEARTBEAT, 0, "e", last=True)],
    )
    async with connected(script) as client:
        found = await everything(client.watch_group(GROUP_ID))
    assert [message.resume_token for message in found] == ["a", "b", "d", "e"]
    assert [request.resume_token for request in script.requests] == ["", "a", "c"]
    assert {request.filter.group_id for request in script.requests} == {GROUP_ID}


@pytest.mark.parametrize("name", ["group", "checkout", "order"])
async def test_a_watch_of_a_parent_chooses_its_tasks(name):
    script = Scripted([told_of(HEARTBEAT, 0, "a", last=True)])
    async with connected(script) as client:
        await everything(getattr(client, f"watch_{name}")("x-1"))
    assert [request.filter for request in script.requests] == [TaskFilter(**{f"{name}_id": "x-1"})]


async def test_a_watch_of_many_may_begin_at_a_token_and_with_any_filter():
    script = Scripted([told_of(CHANGE, 2, "d", last=True)])
    chosen = TaskFilter(agent_id="agent-1")
    async with connected(script) as client:
        watch = client.watch_tasks(
            chosen, resume_token="c", heartbeat_interval=timedelta(seconds=3)
        )
        await everything(watch)
    assert script.requests == [
        pb.WatchTasksRequest(
            filter=chosen, resume_token="c", heartbeat_interval=timedelta(seconds=3)
        )
    ]


async def test_an_expired_token_is_the_caller_s_to_know():
    script = Scripted(
        [told_of(SNAPSHOT, 1, "a"), UNAVAILABLE],
        [End(grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED")],
    )
    async with connected(script) as client:
        with pytest.raises(CountermandError) as caught:
            await everything(client.watch_tasks())
    assert caught.value.reason == "RESUME_TOKEN_EXPIRED"


async def test_leaving_a_watch_early_ends_its_stream_and_frees_its_place():
    script = Scripted([told(SNAPSHOT, 1), OPEN])
    async with connected(script) as client:
        async with aclosing(client.watch_task(TASK_ID)) as watch:
            await anext(watch)
        await script.left.wait()
        assert [lane.watches for lane in client._lanes] == [0]


async def test_a_cancelled_asyncio_task_leaves_its_watch():
    script = Scripted([told(SNAPSHOT, 1), OPEN])
    async with connected(script) as client:
        reading = asyncio.create_task(everything(client.watch_task(TASK_ID)))
        await script.played.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await script.left.wait()
    assert len(script.requests) == 1


async def test_a_cancel_between_two_tries_is_not_swallowed():
    script = Scripted([End(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry=3600)])
    async with connected(script, timeout=7200) as client:
        reading = asyncio.create_task(everything(client.watch_task(TASK_ID)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reading, timeout=0.5)
    assert reading.cancelled()
    assert len(script.requests) == 1


async def test_more_watches_than_one_connection_takes_hold_back_no_call():
    script = Scripted([told(SNAPSHOT, 1), OPEN])
    async with serving(script, streams=100) as target, Client(target, "the-key") as client:
        watches = [client.watch_task(TASK_ID) for _ in range(250)]
        await asyncio.gather(*(anext(watch) for watch in watches))
        watching = {*script.peers}
        script.peers.clear()
        await client.get_task(TASK_ID)
        [calling] = script.peers
        assert len(watching) == 3
        assert calling not in watching

        await asyncio.gather(*(watch.aclose() for watch in watches[:100]))
        script.peers.clear()
        again = [client.watch_task(TASK_ID) for _ in range(100)]
        await asyncio.gather(*(anext(watch) for watch in again))
        assert {*script.peers} <= watching
        await asyncio.gather(*(watch.aclose() for watch in watches[100:] + again))
