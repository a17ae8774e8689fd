"""Keeping endpoints, and what became of what was sent to them."""

from itertools import takewhile
from typing import TypeVar

from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, not_found
from countermand.core.outbox import make_test
from countermand.core.rows import Rows, Wanted
from countermand.core.webhook_commands import (
    CreateWebhook,
    DeleteWebhook,
    NoteOutcomes,
    PurgedNotices,
    PurgeNotices,
    Redeliver,
    RotateSecret,
    SendTest,
    UpdateWebhook,
)
from countermand.core.webhook_rows import StaleSearch, WantedWebhooks, WebhookChanges
from countermand.core.webhooks import (
    FAILING_AFTER,
    MAX_SECRETS,
    MAX_WEBHOOKS,
    Delivery,
    DeliveryState,
    DisableReason,
    Health,
    Notice,
    Secret,
    Webhook,
    WebhookState,
)

OfEndpoint = TypeVar(
    "OfEndpoint", bound=UpdateWebhook | DeleteWebhook | RotateSecret | SendTest | Redeliver
)


def wants_to_create_webhook(command: CreateWebhook, rows: Rows, wanted: Wanted) -> None:
    """A new endpoint is counted among the others."""
    _wants(wanted).endpoints.add(command.namespace)


def create_webhook(command: CreateWebhook, draft: Draft) -> Webhook:
    """Keeps a new endpoint; it is sent what is committed after it."""
    endpoints = draft.rows.webhooks.endpoints[command.namespace]
    if endpoints.tenant_count >= MAX_WEBHOOKS:
        raise Refused(
            Reason.TOO_MANY_WEBHOOKS, f"a tenant may have {MAX_WEBHOOKS} webhooks; delete one first"
        )
    return _save(
        command.webhook.evolve(
            webhook_id=draft.new_uuid(),
            environment=endpoints.outbox.environment,
            create_time=draft.now,
            update_time=draft.now,
            cursor=endpoints.outbox.last,
        ),
        draft,
    )


def wants_endpoints(command: OfEndpoint, rows: Rows, wanted: Wanted) -> None:
    """A change of an endpoint needs it."""
    _wants(wanted).endpoints.add(command.namespace)


def update_webhook(command: UpdateWebhook, draft: Draft) -> Webhook:
    """Changes what its owner says of an endpoint. One that is enabled goes on where it stood."""
    webhook = _find(command, draft)
    changed = webhook.evolve(
        name=webhook.name if command.name is None else command.name,
        url=webhook.url if command.url is None else command.url,
        event_types=webhook.event_types if command.event_types is None else command.event_types,
        update_time=max(draft.now, webhook.update_time),
    )
    if command.state is WebhookState.ENABLED:
        changed = changed.evolve(
            state=WebhookState.ENABLED,
            disable_reason=DisableReason.NONE,
            health=Health(webhook.health.last_success_time),
            epoch=webhook.epoch + 1,
        )
    elif command.state is WebhookState.DISABLED and webhook.state is not WebhookState.DISABLED:
        changed = changed.evolve(
            state=WebhookState.DISABLED,
            disable_reason=DisableReason.REQUESTED,
            epoch=webhook.epoch + 1,
        )
    return _save(changed, draft)


def delete_webhook(command: DeleteWebhook, draft: Draft) -> None:
    """Removes an endpoint, and all that was to be delivered to it."""
    webhook = _find(command, draft)
    _changes(draft).deleted.append((webhook.namespace, webhook.webhook_id))


def rotate_secret(command: RotateSecret, draft: Draft) -> Webhook:
    """Keeps a new secret; the one before it signs, too, until the overlap is over."""
    webhook = _find(command, draft)
    ends = draft.now + command.overlap
    older = [
        secret._replace(expire_time=min(secret.expire_time or ends, ends))
        for secret in webhook.secrets
        if secret.expire_time is None or draft.now < secret.expire_time
    ]
    secrets = (Secret(command.sealed), *older)[:MAX_SECRETS]
    return _save(
        webhook.evolve(secrets=secrets, update_time=max(draft.now, webhook.update_time)), draft
    )


def send_test(command: SendTest, draft: Draft) -> Delivery:
    """Keeps a test to be delivered to one endpoint, whatever its state."""
    webhook = _find(command, draft)
    outbox = draft.rows.webhooks.endpoints[command.namespace].outbox
    notice = make_test(webhook, outbox, draft.now)
    draft.rows.saves.outboxes[command.namespace] = outbox.last
    return _save_delivery(
        Delivery(
            webhook_id=webhook.webhook_id,
            notice=notice,
            begin_time=draft.now,
            next_time=draft.instant.steady,
            once=True,
        ),
        draft,
    )


def wants_to_redeliver(command: Redeliver, rows: Rows, wanted: Wanted) -> None:
    """A notice is sent again from its delivery, or else from the outbox."""
    wants_endpoints(command, rows, wanted)
    _wants(wanted).deliveries.add((command.namespace, command.webhook_id, command.number))
    _wants(wanted).notices.add((command.namespace, command.number))


def redeliver(command: Redeliver, draft: Draft) -> Delivery:
    """Keeps a notice to be sent to an endpoint again, by a schedule of its own from now on."""
    webhook = _find(command, draft)
    rows = draft.rows.webhooks
    known = rows.deliveries[command.namespace, command.webhook_id, command.number]
    kept = known.notice if known is not None else rows.notices[command.namespace, command.number]
    if kept is None or kept.time != command.time:
        asked = Notice(command.namespace, command.number, "", "", command.time, "")
        raise not_found("delivery", asked.message_id)
    delivery = known or Delivery(webhook_id=webhook.webhook_id, notice=kept, begin_time=draft.now)
    return _save_delivery(
        delivery.evolve(
            state=DeliveryState.PENDING,
            failures=0,
            begin_time=draft.now,
            end_time=None,
            next_time=draft.instant.steady,
        ),
        draft,
    )


def wants_to_note_outcomes(command: NoteOutcomes, rows: Rows, wanted: Wanted) -> None:
    """Outcomes change the endpoint."""
    _wants(wanted).endpoints.add(command.of)


def note_outcomes(command: NoteOutcomes, draft: Draft) -> Webhook | None:
    """Moves an endpoint's cursor, keeps what failed, and judges its health.

    What its owner said of its state meanwhile stands above what was seen before. Whoever has lost
    the claim changes nothing: another server goes on from what was written down until then.
    """
    endpoints = draft.rows.webhooks.endpoints[command.of]
    webhook = endpoints.webhooks.get(command.webhook_id)
    if webhook is None or webhook.claim != command.claim:
        return None
    for delivery in command.deliveries:
        _save_delivery(delivery, draft)
    changed = webhook.evolve(
        cursor=max(webhook.cursor, command.cursor),
        missed_count=webhook.missed_count + command.missed,
    )
    if command.epoch == webhook.epoch:
        changed = changed.evolve(
            health=command.health,
            disable_reason=command.health.disable_reason or webhook.disable_reason,
            state=_state(webhook, command.health, draft.instant.steady),
        )
        if changed.state is not webhook.state:
            changed = changed.evolve(update_time=max(draft.now, webhook.update_time))
    return _save(changed, draft)


def _state(webhook: Webhook, health: Health, now: int) -> WebhookState:
    if webhook.state is WebhookState.DISABLED or health.disable_reason:
        return WebhookState.DISABLED
    since = health.failing_since
    if since is not None and now - since >= FAILING_AFTER:
        return WebhookState.FAILING
    return WebhookState.ENABLED


def wants_to_purge_notices(command: PurgeNotices, rows: Rows, wanted: Wanted) -> None:
    """A purge needs what is old, and the endpoints that may still want it."""
    _wants(wanted).endpoints.add(command.of)
    _wants(wanted).stale = StaleSearch(
        command.of, command.before, command.ended_before, command.limit
    )


def purge_notices(command: PurgeNotices, draft: Draft) -> PurgedNotices:
    """Removes notices that every endpoint has dealt with, and drops those that are too old."""
    webhooks = draft.rows.webhooks.endpoints[command.of].webhooks
    stale = draft.rows.webhooks.stale
    assert stale is not None
    lowest = min((webhook.cursor for webhook in webhooks.values()), default=None)
    gone = [
        (number, type)
        for number, _, type in takewhile(
            lambda row: lowest is None or row[0] <= lowest or row[1] <= command.before,
            stale.notices,
        )
    ]
    missed = 0
    if gone:
        last = gone[-1][0]
        _changes(draft).dropped[command.of] = last
        for webhook in webhooks.values():
            if webhook.cursor < last:
                lost = sum(number > webhook.cursor and webhook.wants(type) for number, type in gone)
                missed += lost
                _save(webhook.evolve(cursor=last, missed_count=webhook.missed_count + lost), draft)
    for delivery in stale.expired:
        _save_delivery(
            delivery.evolve(state=DeliveryState.FAILED, next_time=None, end_time=draft.now), draft
        )
        webhook = draft.rows.webhooks.endpoints[command.of].webhooks[delivery.webhook_id]
        webhook = _changes(draft).webhooks.get((command.of, delivery.webhook_id), webhook)
        _save(webhook.evolve(missed_count=webhook.missed_count + 1), draft)
    _changes(draft).removed_deliveries.extend(stale.ended)
    most = max(len(stale.notices), len(stale.expired), len(stale.ended))
    more = most >= command.limit and bool(gone or stale.expired or stale.ended)
    return PurgedNotices(len(gone) + len(stale.ended), missed + len(stale.expired), more)


def _wants(wanted: Wanted) -> WantedWebhooks:
    if wanted.webhooks is None:
        wanted.webhooks = WantedWebhooks()
    return wanted.webhooks


def _changes(draft: Draft) -> WebhookChanges:
    if draft.webhooks is None:
        draft.webhooks = WebhookChanges()
    return draft.webhooks


def _find(command: OfEndpoint, draft: Draft) -> Webhook:
    webhooks = draft.rows.webhooks.endpoints[command.namespace].webhooks
    webhook = webhooks.get(command.webhook_id)
    if webhook is None:
        raise not_found("webhook", command.webhook_id)
    return webhook


def _save(webhook: Webhook, draft: Draft) -> Webhook:
    _changes(draft).webhooks[webhook.namespace, webhook.webhook_id] = webhook
    return webhook


def _save_delivery(delivery: Delivery, draft: Draft) -> Delivery:
    _changes(draft).deliveries[delivery.key] = delivery
    return delivery
