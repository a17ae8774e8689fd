"""Several servers on one PostgreSQL with a synchronous standby, and what fails there."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.chaos.robustness.actor import Mood
from tests.chaos.robustness.clients import ServerFailed
from tests.chaos.robustness.faults import Ground
from tests.chaos.robustness.history import History
from tests.chaos.robustness.kept import Kept, KeptInDatabase
from tests.chaos.robustness.proxy import Proxy
from tests.support.postgres import Cluster, cluster_folder
from tests.support.server import READY_SECONDS, Server

REPLICAS = 3
CLOCK_SLACK = 0.15
"""They have one clock together, as far as they can tell."""


class Pair:
    """A primary and its standby, each on a port that stays."""

    def __init__(self, primary: Cluster, *, synchronous: bool) -> None:
        self.primary = primary
        self._synchronous = synchronous
        self.standby: Cluster
        self.every = [primary]
        """All that there have been."""
        self._follow(None)
        ports = (primary.port, self.standby.port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.url = f"postgresql://postgres:correct-horse@{hosts}/postgres"
        """The store of the replicas."""

    def _follow(self, port: int | None) -> None:
        """Makes a standby; if it is synchronous, nothing is committed without it from then on."""
        self.standby = self.primary.standby(port, synchronous_standby_names="''")
        self.every.append(self.standby)
        if self._synchronous:
            self.primary.set(synchronous_standby_names=self.standby.name)

    def promote(self) -> Cluster:
        """Makes the standby the primary. Returns the primary of before."""
        before, self.primary = self.primary, self.standby
        self.primary.promote()
        return before

    def replace(self, before: Cluster) -> None:
        """Makes a new standby in the place of a primary of before."""
        before.thaw()
        before.kill()
        self._follow(before.port)

    def deadlocks(self) -> int:
        """Returns how often PostgreSQL had to end one."""
        return sum(one.log.read_text().count("deadlock detected") for one in self.every)


@contextmanager
def pair(*, synchronous: bool = True) -> Iterator[Pair]:
    """Gives a pair that runs."""
    with cluster_folder() as folder:
        found = Pair(Cluster(folder, "primary").make(), synchronous=synchronous)
        try:
            yield found
        finally:
            for one in found.every:
                one.thaw()
                one.kill()


class Database(Protocol):
    """What replicas have their store on."""

    url: str
    """With every server that may be the primary."""

    @property
    def primary(self) -> Cluster:
        """The server that takes writes."""

    def deadlocks(self) -> int:
        """Returns how often PostgreSQL had to end one."""


OnDatabase = TypeVar("OnDatabase", bound=Database)
Faults = Mapping[str, Callable[["Replicas[OnDatabase]"], Awaitable[None]]]


class Replicas(Ground, Generic[OnDatabase]):
    """What faults act on: all replicas, a proxy before each, and their database."""

    def __init__(
        self,
        server: Server,
        mood: Mood,
        history: History,
        chosen: random.Random,
        pair: OnDatabase,
        faults: "Faults[OnDatabase]",
    ) -> None:
        """`server` says how the replicas are started, and is the first of them."""
        super().__init__(server, mood, history, chosen)
        history.clock_slack = CLOCK_SLACK
        self.pair = pair
        self._faults = faults
        self.replicas = [server]
        for number in range(1, REPLICAS):
            folder = server.folder / f"replica-{number}"
            folder.mkdir()
            self.replicas.append(Server(folder, program=server.program, knobs=server.knobs))
        self.proxies = [self.proxy, *(Proxy() for _ in self.replicas[1:])]
        for one in self.replicas:
            one.store_url = pair.url

    async def spread(self) -> None:
        """Starts the others, which find the schema and all keys."""
        await asyncio.gather(*(self.begin(one) for one in self.replicas[1:]))
        for one, proxy in zip(self.replicas, self.proxies, strict=True):
            if not proxy.address:
                proxy.start(one.address)

    async def begin(self, one: Server) -> None:
        """Starts one. Raises ServerFailed."""
        try:
            await one.start()
        except (RuntimeError, TimeoutError) as error:
            raise ServerFailed(f"a replica did not start: {error}") from error

    async def kill(self) -> None:
        self._gone()
        await asyncio.gather(*(one.kill() for one in self.replicas))

    async def stop(self) -> None:
        self._gone()
        if any(await asyncio.gather(*(one.stop() for one in self.replicas))):
            raise ServerFailed("after SIGTERM, a replica left with another status than 0")

    async def close(self) -> None:
        for one in self.replicas:
            await one.kill()
        for proxy in self.proxies:
            await proxy.close()

    def address(self, *, proxied: bool) -> str:
        """Returns all, each for the next call: what one gave out, such as a token, another gets."""
        places = self.proxies if proxied else self.replicas
        return "ipv4:" + ",".join(one.address for one in places)

    @property
    def kept(self) -> Kept:
        return KeptInDatabase(self.server.folder, lambda: self.pair.primary.url())

    async def cause(self, fault: str) -> None:
        await self._faults[fault](self)
        if deadlocks := self.pair.deadlocks():
            raise ServerFailed(f"PostgreSQL found {deadlocks} deadlocks")

    async def expect_health(self) -> None:
        """Returns when all serve; raises if they do not in time."""
        end = monotonic() + READY_SECONDS
        for one in self.replicas:
            while (status := await _health(one)) != health_pb2.HealthCheckResponse.SERVING:
                if monotonic() > end:
                    raise ServerFailed(f"the health of {one.address} is {status}: {one.log[-3:]}")
                await asyncio.sleep(0.05)

    def one(self) -> Server:
        """Any replica."""
        return self.chosen.choice(self.replicas)


async def _health(one: Server) -> int:
    """Returns what a replica says of itself; -1 if it says nothing."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(one.address, options=options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError:
            return -1
    return int(answer.status)


async def _kill_one(ground: Replicas[Any]) -> None:
    one = ground.one()
    await one.kill()
    await asyncio.sleep(ground.chosen.uniform(0, 1))
    await ground.begin(one)


async def _drain_one(ground: Replicas[Any]) -> None:
    one = ground.one()
    if status := await one.stop():
        raise ServerFailed(f"after SIGTERM, a replica left with {status}")
    await ground.begin(one)


async def _freeze_one(ground: Replicas[Any]) -> None:
    """Stops it wherever it is, and for longer than the others wait for what it has locked."""
    one = ground.one()
    assert one.process is not None
    one.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(ground.chosen.uniform(0.2, 3.5))
    one.process.send_signal(signal.SIGCONT)


async def _cut_clients(ground: Replicas[Any]) -> None:
    for proxy in ground.proxies:
        proxy.cut()
        await asyncio.sleep(ground.chosen.uniform(0, 0.2))


async def _cut_database(ground: Replicas[Any]) -> None:
    """Ends the connections of all replicas, whatever they are doing."""
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    for _ in range(3):
        await asyncio.to_thread(ground.pair.primary.execute, ended)
        await asyncio.sleep(ground.chosen.uniform(0.05, 0.3))


async def _kill_primary(ground: Replicas[Pair]) -> None:
    ground.pair.primary.kill()
    await asyncio.sleep(ground.chosen.uniform(0, 0.5))
    await _promote(ground)


async def _freeze_primary(ground: Replicas[Pair]) -> None:
    """It wakes up when another is the primary: nobody may believe what it shows."""
    before = ground.pair.primary
    before.freeze()
    await asyncio.sleep(ground.chosen.uniform(0.2, 1))
    await _promote(ground, lambda: before.thaw())


async def _lose(ground: Replicas[Pair]) -> None:
    """Promotes a standby that has not got what was committed of late."""
    await asyncio.to_thread(ground.pair.standby.set, primary_conninfo="")
    await asyncio.sleep(1)
    ground.pair.primary.kill()
    await _promote(ground)


async def _promote(ground: Replicas[Pair], wake: Callable[[], Any] = lambda: None) -> None:
    before = await asyncio.to_thread(ground.pair.promote)
    await ground.expect_health()
    wake()
    await asyncio.sleep(ground.chosen.uniform(0.2, 0.5))
    await asyncio.to_thread(ground.pair.replace, before)


OF_REPLICAS: dict[str, Callable[[Replicas[Any]], Awaitable[None]]] = {
    "replica kill -9": _kill_one,
    "replica SIGTERM": _drain_one,
    "replica frozen": _freeze_one,
    "clients cut": _cut_clients,
    "database cut": _cut_database,
}
FAILOVERS: dict[str, Callable[[Replicas[Pair]], Awaitable[None]]] = {
    "failover, primary killed": _kill_primary,
    "failover, primary frozen": _freeze_primary,
}
LOSSES: dict[str, Callable[[Replicas[Pair]], Awaitable[None]]] = {"standby behind": _lose}
"""What loses commits, so that the checks must find something."""
