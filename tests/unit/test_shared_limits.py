"""Limits of a key on several servers of one store: they hold for all of them together."""

from collections.abc import Iterable, Sequence
from heapq import heapify, heapreplace

import pytest

from countermand.core.errors import Refused
from countermand.core.keys import KeyLimits
from countermand.core.knobs import KeyUseKnobs
from countermand.engine.key_uses import KeyUses
from countermand.engine.keyring import Principal
from countermand.engine.watching.open_watches import Watchers
from countermand.rpc.guard.limits import CallLimits, Kind, Throttled
from countermand.rpc.guard.shared_limits import SharedLimits
from countermand.store.contract import KeyUse
from tests.support.knobs import PRODUCTION

SECOND = 1_000_000_000
KNOBS = KeyUseKnobs()


class Uses:
    """What servers told each other, as a store keeps it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.told: dict[tuple[str, str, str], tuple[KeyUse, float]] = {}

    def of(self, replica: str) -> "UsesOfOne":
        return UsesOfOne(self, replica)


class UsesOfOne:
    """The store as one of the servers has it."""

    def __init__(self, uses: Uses, replica: str) -> None:
        self._uses = uses
        self.replica = replica

    async def note_key_uses(self, uses: Iterable[KeyUse], seconds: float) -> list[KeyUse]:
        all_of_them, now = self._uses.told, self._uses.time
        for use in uses:
            told = use._replace(replica=self.replica)
            all_of_them[use.key_id, use.kind, self.replica] = told, now
        return [
            use
            for use, time in all_of_them.values()
            if use.replica != self.replica and time > now - seconds
        ]


class Server:
    def __init__(self, uses: Uses, name: str) -> None:
        self._store = uses.of(name)
        self.key_uses = KeyUses(KNOBS, lambda: uses.time)
        clock = lambda: round(uses.time * SECOND)  # noqa: E731
        shared = SharedLimits(self.key_uses, KNOBS, clock)
        self.limits = CallLimits(1, PRODUCTION.calls, clock, shared)
        self.admitted = 0
        self.waits: list[float | None] = []

    async def exchange(self) -> None:
        await self.key_uses.exchange(self._store)  # type: ignore[arg-type]

    def call(self, per_second: int) -> None:
        key = Principal("k", 1, frozenset(), KeyLimits(per_second), counted_as="k")
        try:
            self.limits.admit(key, Kind.WRITE)
        except Throttled as throttled:
            self.waits.append(throttled.retry_after)
        else:
            self.admitted += 1


async def played(limit: int, rates: Sequence[float], seconds: float) -> list[int]:
    """How many calls each of some servers let in, of which each was asked evenly so many a second.
    They exchange what they used at moments of their own."""
    uses = Uses()
    servers = [Server(uses, f"server-{number}") for number in range(len(rates))]
    for server in servers:  # They have been running for a while.
        await server.exchange()
    events = [(1 / rate, 1 / rate, number) for number, rate in enumerate(rates) if rate]
    events += [(0.17 * number, 0.0, number) for number in range(len(rates))]
    heapify(events)
    while events[0][0] < seconds:
        uses.time, pause, number = events[0]
        heapreplace(events, (uses.time + (pause or KNOBS.interval), pause, number))
        if pause:
            servers[number].call(limit)
        else:
            await servers[number].exchange()
    for server in servers:
        assert all(wait is not None and 0 < wait < 60 for wait in server.waits)
    return [server.admitted for server in servers]


@pytest.mark.parametrize(
    "rates", [(100, 100, 100), (200, 60, 30), (17, 17, 17), (500, 1, 1), (40, 40, 0)]
)
async def test_callers_spread_over_servers_get_the_limit_of_their_key_together(
    rates: tuple[int, ...],
) -> None:
    admitted = await played(50, rates, 10)
    assert 450 <= sum(admitted) <= 600


async def test_a_caller_on_one_server_gets_the_limit_of_its_key() -> None:
    assert 500 <= sum(await played(50, (100, 0, 0), 10)) <= 560


async def test_no_server_starves_its_callers_while_others_are_asked_more() -> None:
    few, *many = await played(50, (5, 200, 200), 10)
    assert few >= 25
    assert few + sum(many) <= 600


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_a_small_limit_holds_over_servers_and_lets_somebody_in(limit: int) -> None:
    admitted = sum(await played(limit, (20, 20, 20), 60))
    assert 0.6 * limit * 60 <= admitted <= 1.35 * limit * 60 + 3 * limit


async def test_watches_of_a_key_are_counted_over_servers() -> None:
    uses = Uses()
    servers = [Server(uses, name) for name in ("a", "b")]
    first, second = [
        Watchers(PRODUCTION.watching.watchers, uses=server.key_uses) for server in servers
    ]
    with first.opened("k", 12), first.opened("k", 12):
        for _ in range(2):
            for server in servers:
                await server.exchange()
        assert servers[1].key_uses.max_open("k", 12) == 10
        assert servers[1].key_uses.max_open("k", 3) == 1
        assert servers[1].key_uses.max_open("k", 2) == 0
        with pytest.raises(Refused), second.opened("k", 2):
            pass
        uses.time += KNOBS.max_age - 1
        await servers[0].exchange()  # It is still there.
        uses.time += 2
        await servers[1].exchange()
        assert servers[1].key_uses.max_open("k", 12) == 10
    await servers[0].exchange()
    await servers[1].exchange()
    assert servers[1].key_uses.max_open("k", 12) == 12


async def test_what_a_server_that_is_gone_had_open_counts_for_a_moment_alone() -> None:
    uses = Uses()
    servers = [Server(uses, name) for name in ("a", "b")]
    for server in servers:
        await server.exchange()
    servers[0].key_uses.opened("k", 5)
    await servers[0].exchange()
    servers[1].key_uses.opened("k", 0)
    await servers[1].exchange()
    assert servers[1].key_uses.max_open("k", 12) == 7
    uses.time += KNOBS.max_age + 0.1
    await servers[1].exchange()
    assert servers[1].key_uses.max_open("k", 12) == 12


def test_a_server_alone_asks_nobody() -> None:
    limits = CallLimits(1, PRODUCTION.calls)
    key = Principal("k", 1, frozenset(), KeyLimits(2), counted_as="k")
    limits.admit(key, Kind.WRITE)
    limits.admit(key, Kind.WRITE)
    with pytest.raises(Throttled):
        limits.admit(key, Kind.WRITE)
