"""Webhooks and deliveries."""

from countermand.core.records import SECOND
from countermand.core.webhooks import Attempt, Delivery, Webhook
from countermand.rpc.wire.enums import DELIVERY_STATES, WEBHOOK_STATES
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import webhook_service_pb2 as pb


def render_webhook(webhook: Webhook) -> pb.Webhook:
    """Returns the message of an endpoint."""
    message = pb.Webhook(
        webhook_id=webhook.webhook_id,
        name=webhook.name,
        url=webhook.url,
        event_types=webhook.event_types,
        state=WEBHOOK_STATES[webhook.state],
        disable_reason=webhook.disable_reason.value,
        missed_count=webhook.missed_count,
    )
    set_time(message.create_time, webhook.create_time)
    set_time(message.update_time, webhook.update_time)
    set_time(message.last_success_time, webhook.health.last_success_time)
    return message


def render_delivery(delivery: Delivery) -> pb.Delivery:
    """Returns the message of a delivery."""
    message = pb.Delivery(
        delivery_id=delivery.notice.message_id,
        webhook_id=delivery.webhook_id,
        event_type=delivery.notice.type,
        state=DELIVERY_STATES[delivery.state],
        attempt_count=delivery.attempt_count,
        attempts=map(_render_attempt, delivery.attempts),
        body=delivery.notice.body,
    )
    set_time(message.event_time, delivery.notice.time)
    set_time(message.next_attempt_time, delivery.next_time)
    set_time(message.end_time, delivery.end_time)
    return message


def _render_attempt(attempt: Attempt) -> pb.DeliveryAttempt:
    message = pb.DeliveryAttempt(status=attempt.status, error=attempt.error)
    set_time(message.time, attempt.time)
    seconds, microseconds = divmod(attempt.duration, SECOND)
    message.duration.seconds, message.duration.nanos = seconds, microseconds * 1000
    return message
