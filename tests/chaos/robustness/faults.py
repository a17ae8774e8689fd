"""The faults: what is done to a server, its connections and its clients while traffic runs."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.clients import ServerFailed
from tests.chaos.robustness.history import History
from tests.chaos.robustness.kept import Kept, KeptInFile
from tests.chaos.robustness.proxy import Proxy
from tests.chaos.robustness.unsynced import cut_power
from tests.support.server import READY_SECONDS, Server


class Ground:
    """What faults act on: one server, the proxy before it, and the mood of its clients."""

    def __init__(self, server: Server, mood: Mood, history: History, chosen: random.Random) -> None:
        self.server = server
        self.mood = mood
        self.chosen = chosen
        self.proxy = Proxy()
        self._history = history
        self._ready = 0.0

    async def start(self) -> None:
        """Starts the server, and the proxy if this is the first time."""
        try:
            await self.server.start()
        except (RuntimeError, TimeoutError) as error:
            raise ServerFailed(f"the server did not start: {error}") from error
        self._ready = monotonic()
        if not self.proxy.address:
            self.proxy.start(self.server.address)

    async def spread(self) -> None:
        """Starts what else there is, once the keys are made."""

    async def kill(self) -> None:
        """Kills the server as a power switch would."""
        self._gone()
        await self.server.kill()

    async def stop(self) -> None:
        """Lets the server drain and leave."""
        self._gone()
        status = await self.server.stop()
        if status != 0:
            raise ServerFailed(f"after SIGTERM, the server left with {status}")

    async def close(self) -> None:
        """Ends whatever still runs."""
        await self.server.kill()
        await self.proxy.close()

    def address(self, *, proxied: bool) -> str:
        """Returns where clients call, straight or through the proxy."""
        return self.proxy.address if proxied else self.server.address

    @property
    def kept(self) -> Kept:
        """The rows that the run left."""
        return KeptInFile(self.server.store)

    def _gone(self) -> None:
        self._history.lives.append((self._ready, monotonic()))

    def send(self, number: signal.Signals) -> None:
        assert self.server.process is not None
        self.server.process.send_signal(number)

    async def inflict(self, fault: str) -> None:
        """Does one fault, between two looks at the server's health."""
        await self.expect_health()
        start = monotonic()
        await self.cause(fault)
        await self.expect_health()
        self._history.faults.append((start, monotonic(), fault))

    async def cause(self, fault: str) -> None:
        """Does one fault, and returns when it is over."""
        await FAULTS[fault](self)

    async def expect_health(self) -> None:
        """Returns when the server says that it serves; raises if it does not in time."""
        async with grpc.aio.insecure_channel(
            self.server.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=READY_SECONDS, wait_for_ready=True
                )
            except grpc.aio.AioRpcError as error:
                raise ServerFailed(f"no answer about health: {error.code()}") from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise ServerFailed(f"its health is {answer.status}")


async def _kill(ground: Ground) -> None:
    await ground.kill()
    await ground.start()


async def _drain(ground: Ground) -> None:
    await ground.stop()
    await ground.start()


async def _kill_while_starting(ground: Ground) -> None:
    """Dies again at any moment of the start that follows a death."""
    await ground.kill()
    dead = ground.server.process
    starting = asyncio.create_task(ground.server.start())
    while ground.server.process is dead:  # noqa: ASYNC110 - a process that starts gives no sign
        await asyncio.sleep(0.01)
    await asyncio.wait([starting], timeout=ground.chosen.uniform(0, 1.5))
    await ground.server.kill()
    with suppress(RuntimeError):  # killed before it was ready
        await starting
    await ground.start()


async def _cut_power(ground: Ground) -> None:
    """Needs a server that notes its writes, see `unsynced`."""
    await ground.kill()
    cut_power(ground.server.store, ground.chosen)
    await ground.start()


async def _freeze(ground: Ground) -> None:
    ground.send(signal.SIGSTOP)
    await asyncio.sleep(ground.chosen.uniform(0.2, 2))
    ground.send(signal.SIGCONT)


async def _hang_up(ground: Ground) -> None:
    before, ground.mood.hangs_up = ground.mood.hangs_up, 0.7
    await asyncio.sleep(0.5)
    ground.mood.hangs_up = before


async def _cut(ground: Ground) -> None:
    for _ in range(3):
        ground.proxy.cut()
        await asyncio.sleep(ground.chosen.uniform(0.05, 0.3))


async def _delay(ground: Ground) -> None:
    ground.proxy.delay = ground.chosen.uniform(0.02, 0.15)
    await asyncio.sleep(0.7)
    ground.proxy.delay = 0.0


async def _swallow(ground: Ground) -> None:
    ground.proxy.swallows = True
    await asyncio.sleep(ground.chosen.uniform(0.2, 1))
    # What was lost is never sent again, so these connections are of no more use.
    ground.proxy.cut()
    ground.proxy.swallows = False


async def _stall(ground: Ground) -> None:
    ground.mood.reading.clear()
    await asyncio.sleep(ground.chosen.uniform(0.3, 1.5))
    ground.mood.reading.set()


FAULTS: dict[str, Callable[[Ground], Awaitable[None]]] = {
    "kill -9": _kill,
    "kill -9 while starting": _kill_while_starting,
    "SIGTERM": _drain,
    "power cut": _cut_power,
    "frozen process": _freeze,
    "clients hang up": _hang_up,
    "cut connections": _cut,
    "slow network": _delay,
    "silent network": _swallow,
    "stalled watchers": _stall,
}
