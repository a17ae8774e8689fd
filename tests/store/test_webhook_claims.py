"""Servers on one store share the endpoints of webhooks: each is one server's for a while."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from countermand.core import webhook_commands as w
from countermand.core.webhooks import HOUR, LIFETIME, Health, Webhook
from countermand.store.contract import WebhookClaims
from tests.store.test_outbox import new_webhook, outcomes, purge, tried
from tests.store.test_postgres_writing import held
from tests.support import ask
from tests.support.ask import NS, OTHER, T1
from tests.support.knobs import DRAWN
from tests.support.postgres_store import EmptyStores, postgres_store
from tests.support.stores import Keeper

MANY = 16


@pytest.fixture
def url(empty_stores: EmptyStores) -> Iterator[str]:
    with empty_stores.database() as url:
        yield url


@pytest.fixture
async def keeper(url: str) -> AsyncIterator[Keeper]:
    few = replace(DRAWN.store, quick_threads=1, long_threads=1, watch_threads=1, agent_threads=1)
    keeper = Keeper(postgres_store(url, few))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    yield keeper
    await keeper.store.close()


@pytest.fixture
def claims(keeper: Keeper) -> WebhookClaims:
    found = keeper.store.claims
    assert found is not None
    return found


async def test_an_endpoint_is_one_servers_until_its_claim_ends_and_then_nothing_of_it_counts(
    keeper: Keeper, claims: WebhookClaims
) -> None:
    webhook = await keeper.do(new_webhook())
    other = await keeper.do(new_webhook(OTHER))
    keys = {(NS, webhook.webhook_id, 1), (OTHER, other.webhook_id, 1)}
    assert (await claims.holdings("one")).any_free
    assert set(await claims.claim("one", 15, MANY)) == keys
    assert set(await claims.claim("one", 15, MANY)) == keys  # It renews them.
    assert await claims.claim("two", 15, MANY) == []
    assert not (await claims.holdings("two")).any_free
    await claims.release("one")
    assert (await claims.holdings("two")).any_free
    assert len(await claims.claim("two", 0, 1)) == 1  # Of one namespace, and it is over at once.
    # The other one was nobody else's meanwhile.
    assert {number for _, _, number in await claims.claim("one", 15, MANY)} == {1, 3}
    [number] = [n for _, id, n in await claims.claim("one", 15, MANY) if id == webhook.webhook_id]
    failed = Health(failing_since=keeper.now)
    assert await outcomes(keeper, webhook, cursor=5, health=failed, claim=number - 1) is None
    assert (await keeper.store.webhook(NS, webhook.webhook_id)).cursor == 0
    assert (await outcomes(keeper, webhook, cursor=5, claim=number)).cursor == 5


async def test_who_takes_an_endpoint_waits_for_no_commit_and_renews_beside_it(
    keeper: Keeper, claims: WebhookClaims, url: str
) -> None:
    webhook = await keeper.do(new_webhook())
    with held(url, NS):
        assert await claims.claim("one", 15, MANY) == []
    assert await claims.claim("one", 15, MANY) == [(NS, webhook.webhook_id, 1)]
    with held(url, NS):
        assert await claims.claim("one", 15, MANY) == [(NS, webhook.webhook_id, 1)]


async def test_who_serves_an_endpoint_sees_what_others_change_of_it(
    keeper: Keeper, claims: WebhookClaims
) -> None:
    webhook: Webhook = await keeper.do(new_webhook())
    await claims.claim("one", 15, MANY)
    id, seen = webhook.webhook_id, [await revision(claims)]

    async def changes(command: Any) -> Any:
        answer = await keeper.do(command)
        seen.append(await revision(claims))
        assert seen[-1] > seen[-2], command
        return answer

    await changes(w.UpdateWebhook(NS, id, name="another"))
    await changes(w.RotateSecret(NS, id, HOUR, "whsec_b"))
    await changes(w.SendTest(NS, id))
    await keeper.run(ask.create(T1), ask.cancel(T1))
    [held_one] = (await claims.holdings("one")).held
    assert held_one.last_notice == 3
    assert held_one.revision == seen[-1], "notices are no change of the endpoint"
    [first, _] = await keeper.store.notices(NS, 0, 9)
    await changes(w.Redeliver(NS, id, first.number, first.time))
    keeper.now += 1
    delivery = await changes(w.Redeliver(NS, id, first.number, first.time))
    # What its server writes down is none, nor what it keeps of tries.
    kept = delivery.evolve(attempts=tried(keeper.now), attempt_count=1)
    await outcomes(keeper, webhook, cursor=2, deliveries=(kept,), claim=1)
    assert await revision(claims) == seen[-1]
    keeper.now += 2 * LIFETIME
    await purge(keeper)  # It gives up what waited.
    assert await revision(claims) > seen[-1]
    await keeper.do(w.DeleteWebhook(NS, id))
    assert (await claims.holdings("one")).held == []


async def revision(claims: WebhookClaims) -> int:
    [found] = (await claims.holdings("one")).held
    return found.revision
