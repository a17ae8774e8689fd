"""A real server in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import grpc

from countermand.v1 import (
    agent_service_pb2_grpc,
    cancellation_service_pb2_grpc,
    checkout_service_pb2_grpc,
    key_service_pb2_grpc,
    order_service_pb2_grpc,
    task_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from tests.support import warm
from tests.support.knobs import DRAWN_VALUES
from tests.support.served_store import url_of
from tests.support.stores import put_empty_store

READY_SECONDS = 45


class Stubs:
    """The services of one server, called with one key."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.cancellations = cancellation_service_pb2_grpc.CancellationServiceStub(channel)
        self.tasks = task_service_pb2_grpc.TaskServiceStub(channel)
        self.agents = agent_service_pb2_grpc.AgentServiceStub(channel)
        self.checkouts = checkout_service_pb2_grpc.CheckoutServiceStub(channel)
        self.orders = order_service_pb2_grpc.OrderServiceStub(channel)
        self.keys = key_service_pb2_grpc.KeyServiceStub(channel)
        self.webhooks = webhook_service_pb2_grpc.WebhookServiceStub(channel)


class _WithKey:
    def __init__(self, key: str) -> None:
        self._key = key

    def _with_key(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()), ("x-api-key", self._key))
        return details._replace(metadata=metadata)


# Two classes: grpc.aio counts one interceptor as of one kind alone.
class UnaryWithKey(_WithKey, grpc.aio.UnaryUnaryClientInterceptor):
    """Sends a key with every call that is answered once."""

    async def intercept_unary_unary(self, continuation, client_call_details, request):
        return await continuation(self._with_key(client_call_details), request)


class StreamWithKey(_WithKey, grpc.aio.UnaryStreamClientInterceptor):
    """Sends a key with every call that is answered with a stream."""

    async def intercept_unary_stream(self, continuation, client_call_details, request):
        return await continuation(self._with_key(client_call_details), request)


class Server:
    """Starts, kills and restarts `countermand serve` on one store."""

    looking: ClassVar[Callable[["Server"], Awaitable[None]] | None] = None
    """Called when a server is ready, and before it is ended, if its metrics are to be read."""

    def __init__(
        self,
        folder: Path,
        *,
        program: Sequence[str] = warm.PROGRAM,
        knobs: Mapping[str, float] = DRAWN_VALUES,
        makes_store: bool = False,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.store = folder / "countermand.db"
        self.store_url = url_of(self.store, makes_store=makes_store)
        """The store that it serves; a test may name another before it starts."""
        self.program = program
        """The module to run, and its arguments before the command."""
        self.command = "serve"
        self.knobs = knobs
        """Those that differ from production, by their paths."""
        self.makes_store = makes_store
        """Whether it finds no store at its first start; else there is an empty one."""
        self.environment = environment
        self.launcher: list[str] = []
        """The words of a command that starts it, such as that of a tracer."""
        self.address = ""
        self.key = ""
        self.credentials: grpc.ChannelCredentials | None = None
        """With which `connect` encrypts."""
        self.process: Any = None
        self._errors: asyncio.Task[None] | None = None
        self.log: list[str] = []
        """What it wrote to stderr, line by line, over all its lives."""
        self.born = 0
        """How many lines were there when its present life began."""

    async def start(self, *flags: str) -> "Server":
        """Starts it, on the same port as before if it ran before, and waits until it is ready."""
        place = ("--listen", self.address or "127.0.0.1:0", "--store", self.store_url)
        self.born = len(self.log)
        scraped = ("--metrics-listen", "127.0.0.1:0") if Server.looking else ()
        self.process = await self._run(self.command, *place, *scraped, *flags)
        assert self.process.stdout is not None
        self._errors = asyncio.create_task(self._read_errors(self.process))
        line = await asyncio.wait_for(self.process.stdout.readline(), READY_SECONDS)
        if not line:
            await self._errors
            raise RuntimeError("the server did not start: " + "\n".join(self.log))
        self.address = line.decode().removeprefix("listening on ").strip()
        if Server.looking is not None:
            await Server.looking(self)
        return self

    @property
    def _is_on_file(self) -> bool:
        return self.store_url.startswith("sqlite:")

    async def _run(self, *arguments: str) -> Any:
        environment = os.environ | self.environment
        if not self.launcher:
            if self._is_on_file and self.program == warm.PROGRAM and not self.makes_store:
                put_empty_store(self.store)
            return await warm.start(arguments, environment, self.knobs, program=self.program)
        tuned = ["tests.support.tuned", json.dumps(self.knobs)] if self.knobs else []
        return await asyncio.create_subprocess_exec(
            *(*self.launcher, sys.executable, "-m", *tuned, *self.program, *arguments),
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
        )

    async def _read_errors(self, process: Any) -> None:
        async for line in process.stderr:
            text = line.decode().rstrip("\n")
            self.log.append(text)
            if text.startswith("cmd_"):
                self.key = text

    async def kill(self) -> None:
        """Kills it as a power switch would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Lets it drain. Returns its exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            if Server.looking is not None:
                await Server.looking(self)
            self.process.send_signal(number)
        status = await self.process.wait()
        if self._errors is not None:
            await self._errors
        return status

    def connect(self, key: str | None = None) -> Stubs:
        """Returns stubs on a channel of their own; close the channel."""
        key = self.key if key is None else key
        options = [("grpc.use_local_subchannel_pool", 1)]
        interceptors = [UnaryWithKey(key), StreamWithKey(key)] if key else None
        if self.credentials is None:
            channel = grpc.aio.insecure_channel(self.address, options, interceptors=interceptors)
        else:
            channel = grpc.aio.secure_channel(
                self.address, self.credentials, options, interceptors=interceptors
            )
        return Stubs(channel)


@asynccontextmanager
async def started(
    folder: Path, *flags: str, knobs: Mapping[str, float] = DRAWN_VALUES, **environment: str
) -> AsyncIterator[Server]:
    """Starts a server, and leaves none behind, however the test ends."""
    server = Server(folder, knobs=knobs, **environment)
    try:
        yield await server.start(*flags)
    finally:
        await server.kill()


async def run_to_the_end(store: Path, *flags: str) -> tuple[int | None, str, str]:
    """Runs a server that is expected to leave by itself: its status, and what it wrote."""
    process = await warm.start(("serve", "--store", f"sqlite:///{store}", *flags), os.environ)
    out, err = await asyncio.wait_for(process.communicate(), READY_SECONDS)
    return process.returncode, out.decode(), err.decode()
