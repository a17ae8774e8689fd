"""The outbox: one notice for each change of a namespace with endpoints, in the change's commit."""

import json
from typing import Any

import pytest

from countermand.core import commands as c
from countermand.core import webhook_commands as w
from countermand.core.errors import Reason, Refused
from countermand.core.outbox import FIELDS
from countermand.core.records import SECOND
from countermand.core.states import ChargeState, RefundState
from countermand.core.webhooks import (
    DAY,
    EVENT_TYPES,
    FAILING_AFTER,
    HOUR,
    LIFETIME,
    MAX_WEBHOOKS,
    Attempt,
    Delivery,
    DeliveryState,
    DisableReason,
    Health,
    Secret,
    Webhook,
    WebhookState,
)
from tests.support import ask
from tests.support.ask import C1, NS, O1, OTHER, T1, T2, X1
from tests.support.stores import Keeper

MINUTE = 60 * SECOND
ODD = 'so "it"\n\\is\x01 \u2028 \U0001f6d1'


def new_webhook(ns: int = NS, *types: str) -> w.CreateWebhook:
    fields: dict[str, Any] = {"name": "shop", "url": "https://shop.example/"}
    fields |= {"webhook_id": "", "environment": ""}
    return w.CreateWebhook(
        ns,
        Webhook(namespace=ns, event_types=types, secrets=(Secret("whsec_a"),), **fields),
    )


async def said(keeper: Keeper, ns: int = NS) -> list[tuple[str, str | None, str | None]]:
    """Returns the type and states of each notice, in order."""
    found = [json.loads(notice.body) for notice in await keeper.store.notices(ns, 0, 1000)]
    return [(one["type"], one["data"]["old_state"], one["data"]["state"]) for one in found]


async def outcomes(keeper: Keeper, webhook: Webhook, **fields: Any) -> Any:
    given: dict[str, Any] = {
        "of": webhook.namespace,
        "webhook_id": webhook.webhook_id,
        "epoch": webhook.epoch,
        "cursor": 0,
        "deliveries": (),
        "health": Health(),
        "missed": 0,
    }
    return await keeper.do(w.NoteOutcomes(0, **(given | fields)))


def tried(now: int) -> tuple[Attempt, ...]:
    return (Attempt(now, 5, 500, "answered 500"),)


async def purge(keeper: Keeper, *, age: int = LIFETIME, limit: int = 1000) -> w.PurgedNotices:
    before = keeper.now - age
    found: w.PurgedNotices = await keeper.do(
        w.PurgeNotices(0, NS, before, keeper.now - 30 * DAY, limit)
    )
    return found


async def test_without_endpoints_nothing_is_kept_and_other_tenants_see_nothing(
    keeper: Keeper,
) -> None:
    await keeper.do(new_webhook(OTHER))
    await keeper.run(ask.create(T1), ask.cancel(T1))
    assert await said(keeper) == []
    assert await said(keeper, OTHER) == []


async def test_a_task_says_each_new_state_once_and_the_body_is_whole(keeper: Keeper) -> None:
    await keeper.do(new_webhook())
    await keeper.run(ask.create(T1), ask.start(T1))
    accepted = await keeper.do(ask.cancel(T1, reason="fraud", message=ODD))
    await keeper.do(ask.cancel(T1, grace_period=SECOND))  # A nearer deadline: no new state.
    await keeper.do(ask.acknowledged(T1))
    assert await said(keeper) == [
        ("task.cancelling", "RUNNING", "CANCELLING"),
        ("task.cancelled", "CANCELLING", "CANCELLED"),
        ("cancellation.ended", "IN_PROGRESS", "SUCCEEDED"),
    ]
    notices = await keeper.store.notices(NS, 0, 10)
    assert [notice.number for notice in notices] == [1, 2, 3]
    assert len({notice.message_id for notice in notices}) == 3
    assert notices[0].trace.startswith(ask.TRACE.trace_id)
    body = json.loads(notices[1].body)
    assert body.keys() == {"type", "timestamp", "data"}
    assert body["timestamp"].endswith("Z")
    assert list(body["data"]) == list(FIELDS)
    assert body["data"] == {
        "environment": "sandbox",
        "task_id": T1,
        "group_id": None,
        "checkout_id": None,
        "order_id": None,
        "cancellation_id": accepted.cancellation.cancellation_id,
        "state": "CANCELLED",
        "old_state": "CANCELLING",
        "version": 5,
        "reason": "fraud",
        "message": ODD,
        "cancel_proof": "ACKNOWLEDGED",
        "refund_state": "NONE",
        "refund_required": False,
    }


async def test_what_money_does_is_said_beside_the_end_and_after_it(keeper: Keeper) -> None:
    await keeper.do(new_webhook())
    await keeper.run(ask.create(T1), ask.start(T1))
    await keeper.run(c.BeginCharge(NS, T1, 1), ask.cancel(T1))
    await keeper.do(ask.acknowledged(T1))
    await keeper.do(c.ReportCharge(NS, T1, 1, ChargeState.VOIDED))
    found = await said(keeper)
    assert [type for type, *_ in found] == [
        "task.cancelling",
        "task.cancelled",
        "task.refund_required",
        "cancellation.ended",
        "task.refund_settled",
    ]
    last = json.loads((await keeper.store.notices(NS, 4, 1))[0].body)
    assert last["data"]["refund_state"] == RefundState.NOT_OWED


async def test_checkouts_and_orders_say_how_they_ended(keeper: Keeper) -> None:
    await keeper.do(new_webhook())
    await keeper.do(ask.create_checkout(T1, checkout_id=X1, cart_id=C1))
    await keeper.run(ask.create_order(order_id=O1, checkout_ids=(X1,)), ask.create(T2, order_id=O1))
    await keeper.run(ask.start(T1), ask.start(T2))
    await keeper.do(ask.cancel_order(O1))
    await keeper.do(ask.acknowledged(T1))
    await keeper.do(ask.completed(T2))
    assert await said(keeper) == [
        ("task.cancelling", "RUNNING", "CANCELLING"),
        ("task.cancelling", "RUNNING", "CANCELLING"),
        ("task.cancelled", "CANCELLING", "CANCELLED"),
        ("checkout.cancelled", "CANCELLING", "CANCELLED"),
        ("task.completed", "CANCELLING", "COMPLETED"),
        ("order.partially_cancelled", "CANCELLING", "PARTIALLY_CANCELLED"),
        ("cancellation.ended", "IN_PROGRESS", "PARTIAL"),
    ]


async def test_a_cancel_that_waited_in_vain_says_so(keeper: Keeper) -> None:
    await keeper.do(new_webhook())
    await keeper.do(ask.cancel(T1, allow_missing=True))
    keeper.now += 25 * HOUR
    await keeper.do(c.Reap(0, 100))
    assert await said(keeper) == [("cancellation.ended", "IN_PROGRESS", "TOO_LATE")]


async def test_refused_and_rehearsed_calls_say_nothing(keeper: Keeper) -> None:
    await keeper.do(new_webhook())
    await keeper.do(ask.create(T1))
    before = await said(keeper)
    batch = await keeper.commit(
        [ask.cancel(T1, validate_only=True), ask.cancel(T2), ask.cancel(T1, expected_version=9)]
    )
    assert [isinstance(answer, Refused) for answer in batch.answers] == [False, True, True]
    assert await said(keeper) == before


async def test_an_endpoint_hears_of_what_comes_after_it_in_its_own_batch_too(
    keeper: Keeper,
) -> None:
    batch = [ask.create(T1), ask.create(T2), ask.cancel(T1), new_webhook(), ask.cancel(T2)]
    webhook = (await keeper.run(*batch))[3]
    assert webhook.cursor == 0
    notices = await keeper.store.notices(NS, 0, 10)
    assert {json.loads(one.body)["data"]["task_id"] for one in notices} == {T2}
    assert (await keeper.do(new_webhook())).cursor == len(notices)


async def test_numbers_are_never_given_again(keeper: Keeper) -> None:
    webhook = await keeper.do(new_webhook())
    await keeper.run(ask.create(T1), ask.cancel(T1))
    await keeper.do(w.DeleteWebhook(NS, webhook.webhook_id))
    assert (await purge(keeper)).removed == 2
    await keeper.run(new_webhook(), ask.create(T2), ask.cancel(T2))
    assert [notice.number for notice in await keeper.store.notices(NS, 0, 9)] == [3, 4]


async def test_a_tenant_has_a_hundred_endpoints_at_most(keeper: Keeper) -> None:
    await keeper.run(*[new_webhook() for _ in range(MAX_WEBHOOKS)])
    with pytest.raises(Refused) as refusal:
        await keeper.do(new_webhook())
    assert refusal.value.reason is Reason.TOO_MANY_WEBHOOKS
    await keeper.do(new_webhook(OTHER))
    oldest = (await keeper.store.webhooks(NS))[0]
    await keeper.run(w.DeleteWebhook(NS, oldest.webhook_id), new_webhook())
    assert len(await keeper.store.webhooks(NS)) == MAX_WEBHOOKS
    assert len(await keeper.store.webhooks(None)) == MAX_WEBHOOKS + 1


async def test_changes_of_an_endpoint_are_read_as_they_were_answered(keeper: Keeper) -> None:
    webhook = await keeper.do(new_webhook(NS, "task.failed"))
    keeper.now += SECOND
    update = w.UpdateWebhook(NS, webhook.webhook_id, "n", "https://b.example/", EVENT_TYPES[:2])
    answered = await keeper.do(update)
    assert await keeper.store.webhook(NS, webhook.webhook_id) == answered
    assert answered.event_types == EVENT_TYPES[:2]
    for command in (update, w.DeleteWebhook(NS, webhook.webhook_id)):
        foreign = type(command)(OTHER, webhook.webhook_id)
        with pytest.raises(Refused) as refusal:
            await keeper.do(foreign)
        assert refusal.value.reason is Reason.WEBHOOK_NOT_FOUND
    assert await keeper.store.webhook(OTHER, webhook.webhook_id) is None


async def test_two_secrets_are_live_while_one_is_rotated(keeper: Keeper) -> None:
    webhook = await keeper.do(new_webhook())
    for sealed in ("whsec_b", "whsec_c"):
        webhook = await keeper.do(w.RotateSecret(NS, webhook.webhook_id, HOUR, sealed))
    assert webhook.live_secrets(keeper.now) == ("whsec_c", "whsec_b")
    assert webhook.live_secrets(keeper.now + HOUR) == ("whsec_c",)
    assert await keeper.store.webhook(NS, webhook.webhook_id) == webhook


async def test_an_endpoint_is_failing_after_an_hour_and_its_end_is_said_to_the_others(
    keeper: Keeper,
) -> None:
    webhook = await keeper.do(new_webhook())
    health = Health(failing_since=keeper.now)
    assert (await outcomes(keeper, webhook, health=health)).state is WebhookState.ENABLED
    keeper.now += FAILING_AFTER
    assert (await outcomes(keeper, webhook, health=health)).state is WebhookState.FAILING
    gone = health._replace(disable_reason=DisableReason.GONE)
    disabled = await outcomes(keeper, webhook, health=gone)
    assert (disabled.state, disabled.disable_reason) == (WebhookState.DISABLED, "gone")
    assert await said(keeper) == [("webhook.disabled", "FAILING", "DISABLED")]
    enabled = await keeper.do(w.UpdateWebhook(NS, webhook.webhook_id, state=WebhookState.ENABLED))
    assert (enabled.state, enabled.disable_reason, enabled.health) == ("ENABLED", "", Health())
    # What was seen before its owner enabled it counts no more.
    late = await outcomes(keeper, webhook, health=gone, cursor=1)
    assert (late.state, late.cursor) == (WebhookState.ENABLED, 1)


async def test_what_every_endpoint_dealt_with_goes_and_what_is_too_old_is_counted(
    keeper: Keeper,
) -> None:
    all_types = await keeper.do(new_webhook())
    some = await keeper.do(new_webhook(NS, "cancellation.ended"))
    await keeper.run(ask.create(T1), ask.cancel(T1))  # Numbers 1 and 2.
    assert (await purge(keeper)).removed == 0
    await outcomes(keeper, all_types, cursor=1)
    assert (await purge(keeper)).removed == 0
    await outcomes(keeper, some, cursor=2)
    assert (await purge(keeper)).removed == 1
    keeper.now += LIFETIME
    await keeper.run(ask.create(T2), ask.cancel(T2))
    assert await purge(keeper) == w.PurgedNotices(1, 1, more=False)
    found = {one.webhook_id: one for one in await keeper.store.webhooks(NS)}
    assert found[all_types.webhook_id].missed_count == 1
    assert found[all_types.webhook_id].cursor == 2
    assert found[some.webhook_id].missed_count == 0
    assert [notice.number for notice in await keeper.store.notices(NS, 0, 9)] == [3, 4]
    keeper.now += LIFETIME
    assert await purge(keeper, limit=1) == w.PurgedNotices(1, 1, more=True)
    assert await purge(keeper, limit=1) == w.PurgedNotices(1, 2, more=True)
    assert await purge(keeper, limit=1) == w.PurgedNotices(0, 0, more=False)


async def test_a_notice_outlives_its_task_and_its_delivery_outlives_the_outbox(
    keeper: Keeper,
) -> None:
    webhook = await keeper.do(new_webhook())
    await keeper.run(ask.create(T1), ask.cancel(T1))
    [first, second] = await keeper.store.notices(NS, 0, 10)
    keeper.now += 2 * DAY
    await keeper.purge(DAY)
    assert await keeper.store.task(NS, T1) is None
    assert await keeper.store.notices(NS, 0, 10) == [first, second]
    attempts = tried(keeper.now)
    waiting = Delivery(
        webhook_id=webhook.webhook_id,
        notice=first,
        begin_time=first.time,
        attempts=attempts,
        attempt_count=1,
        failures=1,
        next_time=keeper.now + MINUTE,
    )
    await outcomes(keeper, webhook, cursor=2, deliveries=(waiting,))
    assert (await purge(keeper)).removed == 2
    assert await keeper.store.pending_deliveries(NS, webhook.webhook_id, 10) == [waiting]
    keeper.now += LIFETIME
    assert (await purge(keeper)).missed == 1
    [ended] = await keeper.store.deliveries(NS, webhook.webhook_id, None, None, 10)
    assert (ended.state, ended.end_time) == (DeliveryState.FAILED, keeper.now)
    again = await keeper.do(w.Redeliver(NS, webhook.webhook_id, first.number, first.time))
    assert (again.state, again.failures, again.attempts) == (DeliveryState.PENDING, 0, attempts)
    assert again.notice == first
    with pytest.raises(Refused) as refusal:
        await keeper.do(w.Redeliver(NS, webhook.webhook_id, first.number, first.time + 1))
    assert refusal.value.reason is Reason.DELIVERY_NOT_FOUND


async def test_ended_deliveries_go_after_30_days_and_with_their_endpoint(keeper: Keeper) -> None:
    webhook = await keeper.do(new_webhook())
    for _ in range(3):
        await keeper.do(w.SendTest(NS, webhook.webhook_id))
    pending = await keeper.store.pending_deliveries(NS, webhook.webhook_id, 10)
    assert [json.loads(one.notice.body)["type"] for one in pending] == ["webhook.test"] * 3
    ended = tuple(
        one.evolve(state=DeliveryState.SUCCEEDED, next_time=None, end_time=keeper.now)
        for one in pending[:2]
    )
    await outcomes(keeper, webhook, deliveries=ended)
    keeper.now += 30 * DAY
    assert await purge(keeper, age=40 * DAY) == w.PurgedNotices(2, 0, more=False)
    await keeper.do(w.DeleteWebhook(NS, webhook.webhook_id))
    assert await keeper.store.deliveries(NS, webhook.webhook_id, None, None, 10) == []
    assert await keeper.store.webhooks(None) == []
