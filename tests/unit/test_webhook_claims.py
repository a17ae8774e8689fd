"""Which endpoints a process serves, and until when, by a clock that the test moves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from countermand.core.knobs import WebhookKnobs
from countermand.core.webhooks import WebhookState
from countermand.store.contract import Held, Holdings, StoreFailed
from countermand.webhooks.claims import Claim, Claims, Served

KNOBS = WebhookKnobs()
KEY = (1, "w1")


@dataclass
class Table:
    """The claims of one endpoint, as a store keeps them."""

    now: float = 0.0
    owner: str = ""
    until: float = -1.0
    number: int = 0
    asked: int = 0
    is_away: bool = False
    slowness: float = 0.0
    is_locked: bool = False
    """Whether somebody looks at the row, so that nobody else can claim it."""
    seen: list[list[Served]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def claim(self, by: str, seconds: float, limit: int) -> list[tuple[int, str, int]]:
        if self.is_away:
            raise StoreFailed("away")
        self.asked += 1
        self.now += self.slowness
        if self.is_locked or (by != self.owner and self.now < self.until):
            return []
        self.number += by != self.owner
        self.owner, self.until = by, self.now + seconds
        return [(*KEY, self.number)]

    async def holdings(self, by: str) -> Holdings:
        if self.is_away:
            raise StoreFailed("away")
        held = [Held(*KEY, self.number, 0, 0, WebhookState.ENABLED)] if by == self.owner else []
        return Holdings(held, self.until <= self.now)

    async def release(self, by: str) -> None:
        self.until = self.now

    def hear(self, served: Sequence[Served]) -> None:
        self.seen.append(list(served))
        self.heard.set()

    def claims(self) -> Claims:
        return Claims(self, KNOBS, self.hear, lambda: self.now)

    @property
    def claim_seen(self) -> Claim:
        [(_, claim)] = self.seen[-1]
        return claim


async def test_a_claim_is_good_until_5_seconds_before_its_end_as_of_before_it_was_asked_for() -> (
    None
):
    table = Table(slowness=2.0)
    await table.claims().look()
    claim = table.claim_seen
    assert claim.until == 15.0
    assert table.until == 17.0, "it ends here before it ends there"
    table.now = 10.0
    assert claim.is_good
    table.now = 10.001
    assert not claim.is_good


async def test_it_is_renewed_every_3_seconds_and_is_then_good_for_longer() -> None:
    table = Table()
    claims = table.claims()
    for second in range(10):
        table.now = float(second)
        await claims.look()
    assert table.asked == 4
    assert table.claim_seen.until == 9.0 + KNOBS.claim_duration


async def test_who_was_frozen_finds_its_claim_over_and_another_has_the_endpoint() -> None:
    table = Table()
    one, other = table.claims(), table.claims()
    await one.look()
    claim = table.claim_seen
    await other.look()
    assert table.seen[-1] == []
    table.now = 16.0  # The first one was frozen.
    await other.look()
    assert not claim.is_good
    assert table.claim_seen.number == claim.number + 1
    await one.look()
    assert table.seen[-1] == []
    table.now = 32.0
    await one.look()
    assert table.claim_seen is not claim
    assert table.claim_seen.number == claim.number + 2


async def test_who_cannot_reach_the_store_sends_nothing_soon_and_goes_on_when_it_is_back() -> None:
    table = Table()
    claims = table.claims()
    await claims.look()
    claim = table.claim_seen
    table.is_away, table.now = True, 11.0
    with pytest.raises(StoreFailed):
        await claims.look()
    assert not claim.is_good
    table.is_away = False
    await claims.look()
    assert table.claim_seen is claim
    assert claim.is_good


async def test_a_row_that_is_locked_is_renewed_as_soon_as_it_is_not() -> None:
    table = Table()
    claims = table.claims()
    await claims.look()
    table.now, table.is_locked = 4.0, True
    await claims.look()
    assert table.claim_seen.until == 15.0
    table.now, table.is_locked = 4.2, False
    await claims.look()
    assert table.claim_seen.until == 4.2 + KNOBS.claim_duration


async def test_a_process_that_leaves_lets_another_go_on_at_once() -> None:
    table = Table()
    one = asyncio.create_task(table.claims().run())
    await table.heard.wait()
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    await table.claims().look()
    assert table.claim_seen.is_good
