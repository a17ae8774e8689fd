"""Standard streams that are closed, full, or read by nobody: a server serves, and a command does
what it was told to."""

import asyncio
import itertools
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.client import Client
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_FAILED
from countermand.v1.task_pb2 import REFUND_STATE_REFUNDED
from tests.support import warm
from tests.support.command import Command, Result
from tests.support.ports import free_port
from tests.support.served_store import url_of
from tests.support.server import Server, started

STREAMS = ("stdin", "stdout", "stderr")
ALL_CLOSED = [streams for count in (1, 2, 3) for streams in itertools.combinations(STREAMS, count)]


def opened(how: str) -> int | None:
    """A descriptor that is broken in this way; none where it is closed."""
    if how == "closed":
        return None
    if how == "unread":
        read, write = os.pipe()
        os.close(read)
        return write
    return os.open({"full": "/dev/full", "null": os.devnull}[how], os.O_RDWR)


class Run(NamedTuple):
    """A program with some streams broken; the others are as the test gives them."""

    broken: tuple[tuple[str, str], ...]

    @classmethod
    def with_(cls, how: str, *streams: str) -> "Run":
        return cls(tuple((stream, how) for stream in streams))

    async def start(self, *arguments: str, environment: Mapping[str, str] = os.environ) -> Any:
        with ExitStack() as stack:
            streams: dict[int, int | None] = {}
            for name, how in self.broken:
                if (descriptor := opened(how)) is not None:
                    stack.callback(os.close, descriptor)
                streams[STREAMS.index(name)] = descriptor
            return await warm.start(arguments, environment, streams=streams)

    async def start_cold(self, *arguments: str) -> Any:
        """As a shell starts it, which is what `start` is like."""
        closings = (f"{STREAMS.index(name)}>&-" for name, how in self.broken if how == "closed")
        with ExitStack() as stack:
            given = dict.fromkeys(STREAMS, PIPE)
            for name, how in self.broken:
                if (descriptor := opened(how)) is not None:
                    given[name] = descriptor
                    stack.callback(os.close, descriptor)
            return await asyncio.create_subprocess_exec(
                *("sh", "-c", f'exec "$@" {" ".join(closings)}', "sh"),
                *(sys.executable, "-m", "countermand", *arguments),
                **given,
            )

    async def __call__(
        self, *arguments: str, environment: Mapping[str, str] = os.environ
    ) -> Result:
        return await finished(await self.start(*arguments, environment=environment))


async def finished(process: Any) -> Result:
    """How it ended, and what it wrote to the streams that are not broken."""
    out, err = await asyncio.wait_for(process.communicate(), 40)
    return Result(process.returncode, (out or b"").decode(), (err or b"").decode())


WAYS = [
    *(Run.with_("closed", *streams) for streams in ALL_CLOSED),
    *(Run.with_("unread", *streams) for streams in ALL_CLOSED if "stdin" not in streams),
    *(Run.with_("full", *streams) for streams in ALL_CLOSED if "stdin" not in streams),
    Run.with_("null", "stdout", "stderr"),
    Run((("stdin", "closed"), ("stdout", "unread"), ("stderr", "full"))),
]


def name_of(run: Run) -> str:
    return " ".join(f"{stream} {how}" for stream, how in run.broken)


SOME_WAYS = [
    *(Run.with_("closed", *streams) for streams in (("stdout",), ("stderr",), STREAMS)),
    *(Run.with_("unread", *streams) for streams in (("stdout",), ("stdout", "stderr"))),
    *(Run.with_("full", *streams) for streams in (("stdout",), ("stderr",))),
    Run((("stdin", "closed"), ("stdout", "unread"), ("stderr", "full"))),
]
every_way = pytest.mark.parametrize("run", WAYS, ids=name_of)
some_ways = pytest.mark.parametrize("run", SOME_WAYS, ids=name_of)


async def is_serving(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        answer = await health.Check(request, wait_for_ready=True, timeout=20)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


@every_way
async def test_a_server_serves_and_leaves_with_0(tmp_path: Path, run: Run):
    port = free_port()
    store = url_of(tmp_path / "countermand.db")
    flags = ("--listen", f"127.0.0.1:{port}", "--store", store)
    server = await run.start("serve", *flags)
    try:
        while not await is_serving(port):  # noqa: ASYNC110  # it answers before it serves
            await asyncio.sleep(0.02)
        server.send_signal(signal.SIGTERM)
        status, out, err = await finished(server)
    finally:
        if server.returncode is None:
            server.kill()
    assert status == 0
    broken = dict(run.broken)
    if "stdout" not in broken:
        assert out == f"listening on 127.0.0.1:{port}\n"
    shown = [line for line in err.splitlines() if line.startswith("cmd_")]
    for line in set(err.splitlines()) - set(shown):
        assert "event" in json.loads(line)
    # The first key was made only if it was shown: else the next start makes one, and shows it.
    assert (len(shown) == 1) == ("stderr" not in broken)
    async with started(tmp_path) as again:
        assert (again.key == "") == bool(shown)


@some_ways
async def test_a_server_that_cannot_start_says_so_where_it_can(tmp_path: Path, run: Run):
    missing = f"sqlite:///{tmp_path / 'missing' / 'x.db'}"
    result = await finished(
        await run.start_cold("serve", "--listen", "127.0.0.1:0", "--store", missing)
    )
    assert result.status == 1
    broken = dict(run.broken)
    if "stderr" not in broken:
        assert result.err.startswith("countermand: ")
        assert result.out == ""
    elif "stdout" not in broken:
        assert result.out.startswith("countermand: ")
    assert "Traceback" not in result.out + result.err


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """A server that these tests share, as the commands are told of it."""
    loop = asyncio.new_event_loop()
    server = Server(tmp_path_factory.mktemp("streams"))
    loop.run_until_complete(server.start())
    command = Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)
    yield command.environment
    loop.run_until_complete(server.kill())
    loop.close()


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[Client]:
    found = environment["COUNTERMAND_SERVER"], environment["COUNTERMAND_API_KEY"]
    async with Client(*found) as client:
        yield client


CREATE = ("keys", "create", "--tenant", "shop", "--scope", "tasks:read")


async def owed_by(client: Client) -> str:
    """Makes a task of which a refund is required. Returns its id."""
    task_id = (await client.create_task()).task.task_id
    fence = (await client.start_task(task_id, "agent-1")).fence
    await client.begin_charge(task_id, fence)
    await client.finish_task(task_id, fence, FINISH_OUTCOME_FAILED)
    return task_id


async def target_of(client: Client, command: str) -> tuple[str, ...]:
    """What a command acts on."""
    match command:
        case "cancel":
            return (*("cancel", "task"), (await client.create_task()).task.task_id)
        case "watch":
            task_id = (await client.create_task()).task.task_id
            await client.cancel_task(task_id)
            return ("watch", task_id)
        case "list tasks":
            await client.create_task()
            return ("list", "tasks")
        case "settle":
            return ("settle", "--refunded", await owed_by(client))
        case "revoke" | "rotate":
            made = await client.create_key("shop", "sandbox", ["tasks:read"])
            return ("keys", command, made.key.key_id)
        case "create":
            return CREATE
        case _:
            return (*command.split(),)


async def is_done(client: Client, arguments: tuple[str, ...], keys_before: int) -> bool:
    """Whether what a command was to change has changed."""
    *_, target = arguments
    keys = (await client.list_keys(page_size=1000)).keys
    match arguments:
        case ("cancel", *_):
            return bool(
                (await client.get_task(target)).task.cancel_reason == ""
                and (await client.get_task(target)).task.version == 2
            )
        case ("settle", *_):
            return (await client.get_task(target)).task.refund_state == REFUND_STATE_REFUNDED
        case ("keys", "revoke", _):
            return any(key.key_id == target and key.HasField("revoke_time") for key in keys)
        case ("keys", "create" | "rotate", *_):
            return len(keys) == keys_before + 1
    return True


MAKING = ("create", "rotate")
PRINTING = ("watch", "keys list", "list tasks", "--help")


# Each command where nothing can be written; one of each kind in all ways.
RUNS = [
    (name, run)
    for name in ("cancel", "settle", "revoke", *MAKING, *PRINTING)
    for run in SOME_WAYS
    if name in ("cancel", "create", "list tasks") or run in SOME_WAYS[2:7:2]
]


@pytest.mark.parametrize(
    ("name", "run"), RUNS, ids=[f"{name}, {name_of(run)}" for name, run in RUNS]
)
async def test_a_command_does_what_it_was_told_to(
    environment: dict[str, str], client: Client, run: Run, name: str
):
    arguments = await target_of(client, name)
    keys_before = len((await client.list_keys(page_size=1000)).keys)
    result = await run(*arguments, environment=environment)
    broken = dict(run.broken)
    done = await is_done(client, arguments, keys_before)
    assert "Traceback" not in result.out + result.err
    out = broken.get("stdout")
    if name in MAKING and out in ("closed", "unread", "null"):
        assert (result.status, done) == (1, False)  # nobody would see the key
        assert "stderr" in broken or "none could be shown" in result.err
    elif name in MAKING and out == "full":
        assert (result.status, done) == (1, True)
        assert "stderr" in broken or "countermand keys revoke " in result.err
    elif name in PRINTING and out == "full":
        assert result.status == 1
        assert "stderr" in broken or "No space" in result.err
    else:
        assert (result.status, done) == (0, True)
        if out == "full" and name in ("cancel", "settle", "revoke") and "stderr" not in broken:
            assert "but the answer cannot be written: No space" in result.err
        elif "stderr" not in broken:
            assert result.err == ""
        if out is None:
            assert result.out


@some_ways
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("cancel", "cart", "x"), 2), (("cancel", "task", "x"), 1)],
    ids=["wrong usage", "refused"],
)
async def test_a_command_that_fails_has_its_status(
    environment: dict[str, str], run: Run, arguments: tuple[str, ...], status: int
):
    result = await run(*arguments, environment=environment)
    assert result.status == status
    if "stderr" not in dict(run.broken):
        assert result.err
        assert result.out == ""


@pytest.mark.parametrize(
    ("stream", "how"),
    [("stdout", "closed"), ("stdout", "unread"), ("stdout", "full"), ("stderr", "full")],
)
async def test_a_demo_takes_its_server_along(stream: str, how: str, tmp_path: Path):
    environment = Command(TMPDIR=str(tmp_path)).environment
    run = Run.with_(how, stream)
    result = await run("demo", "--self-contained", environment=environment)
    assert result.status == (1 if (stream, how) == ("stdout", "full") else 0)
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in result.err


async def test_a_cancel_is_0_also_where_the_terminal_has_no_sign_for_its_answer(
    environment: dict[str, str], client: Client
) -> None:
    task = (await client.create_task()).task
    process = await Run(()).start(
        *("cancel", "task", task.task_id, "--message", "☂ Ünï"),
        environment=environment | {"PYTHONIOENCODING": "ascii"},
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    assert b"\\u2602 \\xdcn\\xef" in out
