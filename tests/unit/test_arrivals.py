"""Requests that are on their way: who is waited for, and for how long."""

import asyncio
from typing import Any

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.knobs import ArrivalKnobs
from countermand.rpc.guard.arrivals import Arrivals


class Call:
    """A call as gRPC hands it over, whose request comes when the test says so."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.sent: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        return await self.sent

    def peer(self) -> str:
        return f"ipv4:{self._address}:50051"


async def settled() -> None:
    """Lets everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


class Waiting:
    """Calls whose requests are waited for; nothing looks at them but the test."""

    def __init__(self, **knobs: float) -> None:
        self.arrivals = Arrivals(ArrivalKnobs(interval=3600, **knobs))
        self.tasks: dict[str, asyncio.Task[bytes]] = {}
        self.calls: dict[str, Call] = {}

    async def begin(self, *names: str) -> None:
        """Begins calls; their names are their addresses and a letter each."""
        for name in names:
            call: Any = Call(name.rstrip("abcdefgh"))
            self.calls[name] = call
            self.tasks[name] = asyncio.create_task(self.arrivals.request(call))
        await asyncio.sleep(0)

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.arrivals._look()
            await settled()

    def refused(self) -> dict[str, Reason]:
        """How the calls were refused that have ended."""
        return {
            name: task.exception().reason
            for name, task in self.tasks.items()
            if task.done() and isinstance(task.exception(), Refused)
        }


@pytest.fixture
async def no_task_left():
    yield
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


pytestmark = pytest.mark.usefixtures("no_task_left")


async def test_of_slow_requests_so_many_are_waited_for_the_latest_of_each_address():
    waiting = Waiting(max_slow=100, max_slow_per_address=2)
    await waiting.begin("1.1.1.1a", "1.1.1.1b", "2.2.2.2a", "1.1.1.1c", "1.1.1.1d")
    await waiting.look()
    assert waiting.refused() == {}  # it may be the first look that came late
    await waiting.look()
    assert set(waiting.refused()) == {"1.1.1.1a", "1.1.1.1b"}
    assert set(waiting.refused().values()) == {Reason.RATE_LIMITED}


async def test_of_all_addresses_who_has_the_most_makes_room():
    waiting = Waiting(max_slow=3, max_slow_per_address=3)
    await waiting.begin("1.1.1.1a", "1.1.1.1b", "1.1.1.1c", "2.2.2.2a", "3.3.3.3a")
    await waiting.look(2)
    assert set(waiting.refused()) == {"1.1.1.1a", "1.1.1.1b"}


async def test_addresses_of_one_network_are_one_and_many_addresses_cannot_push_one_out_for_long():
    waiting = Waiting(max_slow=2, max_slow_per_address=2)
    await waiting.begin("9.9.9.9a")
    await waiting.begin(*(f"1.1.1.{number}a" for number in range(4)))
    await waiting.look(2)
    assert len(waiting.refused()) == 3


async def test_requests_that_come_between_two_looks_are_never_slow():
    waiting = Waiting(max_slow=1, max_slow_per_address=1)
    for round in "abcdefgh":
        await waiting.begin(f"1.1.1.1{round}", f"2.2.2.2{round}")
        await waiting.look()
        for name in (f"1.1.1.1{round}", f"2.2.2.2{round}"):
            waiting.calls[name].sent.set_result(b"request")
        await settled()
        await waiting.look()
    assert waiting.refused() == {}
    assert {await task for task in waiting.tasks.values()} == {b"request"}


async def test_a_request_that_does_not_come_in_time_is_not_waited_for():
    waiting = Waiting(timeout=0.0)
    await waiting.begin("1.1.1.1a")
    await waiting.look()
    assert waiting.refused() == {"1.1.1.1a": Reason.INVALID_REQUEST}


async def test_a_drain_ends_those_that_wait_and_lets_later_ones_come():
    waiting = Waiting()
    await waiting.begin("1.1.1.1a")
    waiting.arrivals.drain()
    await waiting.begin("1.1.1.1b")
    await asyncio.sleep(0)
    assert waiting.refused() == {"1.1.1.1a": Reason.DRAINING}
    waiting.calls["1.1.1.1b"].sent.set_result(b"request")
    assert await waiting.tasks["1.1.1.1b"] == b"request"
