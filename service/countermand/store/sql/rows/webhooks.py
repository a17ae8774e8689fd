"""Rows of endpoints, of the outbox, and of deliveries."""

import json
from typing import Any

from countermand.core.webhook_rows import Endpoints, Outbox
from countermand.core.webhooks import (
    Attempt,
    Delivery,
    DeliveryState,
    DisableReason,
    Health,
    Notice,
    Secret,
    Webhook,
    WebhookState,
)
from countermand.store.sql.rows.ids import uuid_bytes, uuid_text


def read_webhook(row: list[Any]) -> Webhook:
    """Returns the endpoint of a `{webhook}` row."""
    namespace, webhook_id, name, url, event_types, secrets, created, updated, *rest = row
    (
        state,
        disable_reason,
        missed,
        cursor,
        success,
        failing,
        probes,
        next_time,
        epoch,
        environment,
        claim,
    ) = rest
    return Webhook(
        namespace=namespace,
        environment=environment,
        webhook_id=str(uuid_text(webhook_id)),
        name=name,
        url=url,
        event_types=tuple(json.loads(event_types)),
        secrets=tuple(Secret(*secret) for secret in json.loads(secrets)),
        create_time=created,
        update_time=updated,
        state=WebhookState(state),
        disable_reason=DisableReason(disable_reason),
        missed_count=missed,
        cursor=cursor,
        health=Health(success, failing, probes, next_time),
        epoch=epoch,
        claim=claim,
    )


def write_webhook(webhook: Webhook) -> tuple[Any, ...]:
    """Returns the row of an endpoint."""
    health = webhook.health
    return (
        webhook.namespace,
        uuid_bytes(webhook.webhook_id),
        webhook.name,
        webhook.url,
        json.dumps(webhook.event_types),
        json.dumps(webhook.secrets),
        webhook.create_time,
        webhook.update_time,
        webhook.state.value,
        webhook.disable_reason.value,
        webhook.missed_count,
        webhook.cursor,
        health.last_success_time,
        health.failing_since,
        health.probes,
        health.next_time,
        webhook.epoch,
    )


def read_endpoints(row: list[Any]) -> tuple[int, Endpoints]:
    """Returns a namespace with all of its endpoints."""
    namespace, environment, last, tenant_count, webhooks = row
    found = {webhook.webhook_id: webhook for webhook in map(read_webhook, webhooks)}
    return namespace, Endpoints(Outbox(environment, last), tenant_count, found)


def read_notice(row: list[Any]) -> Notice:
    """Returns the notice of a `{notice}` row."""
    namespace, number, time, type, subject, body, trace = row
    return Notice(namespace, number, type, subject, time, body, trace)


def write_notice(notice: Notice) -> tuple[Any, ...]:
    """Returns the row of a notice."""
    namespace, number, type, subject, time, body, trace = notice
    return namespace, number, time, type, subject, body, trace


def read_delivery(row: list[Any]) -> Delivery:
    """Returns the delivery of a `{delivery}` row."""
    webhook_id, *notice = row[:8]
    state, attempts, attempt_count, failures, begin_time, next_time, end_time, once = row[8:]
    return Delivery(
        webhook_id=str(uuid_text(webhook_id)),
        notice=read_notice(notice),
        state=DeliveryState(state),
        attempts=tuple(Attempt(*attempt) for attempt in json.loads(attempts)),
        attempt_count=attempt_count,
        failures=failures,
        begin_time=begin_time,
        next_time=next_time,
        end_time=end_time,
        once=bool(once),
    )


def write_delivery(delivery: Delivery) -> tuple[Any, ...]:
    """Returns the row of a delivery."""
    return (
        uuid_bytes(delivery.webhook_id),
        *write_notice(delivery.notice),
        delivery.state.value,
        json.dumps(delivery.attempts),
        delivery.attempt_count,
        delivery.failures,
        delivery.begin_time,
        delivery.next_time,
        delivery.end_time,
        int(delivery.once),
    )
