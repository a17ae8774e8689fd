"""What there is to tell of webhooks and deliveries."""

from countermand.cli.output import moment, show, show_facts, to_json, word
from countermand.v1 import webhook_service_pb2 as pb


def show_delivery(delivery: pb.Delivery, as_json: bool) -> None:
    """Shows a delivery to a person, or as JSON."""
    if as_json:
        show(to_json(delivery, indent=2))
    else:
        show_facts(about_delivery(delivery))


def about_webhook(webhook: pb.Webhook) -> list[tuple[str, str]]:
    """Returns the facts of a webhook."""
    return [
        ("webhook", webhook.webhook_id),
        ("name", webhook.name or "-"),
        ("url", webhook.url),
        ("events", ",".join(webhook.event_types) or "all"),
        ("state", word(pb.WebhookState, webhook.state)),
        ("reason", webhook.disable_reason or "-"),
        ("missed", str(webhook.missed_count) if webhook.missed_count else "-"),
        ("last success", moment(webhook.last_success_time)),
    ]


def about_delivery(delivery: pb.Delivery) -> list[tuple[str, str]]:
    """Returns the facts of a delivery."""
    last = delivery.attempts[-1] if delivery.attempts else pb.DeliveryAttempt()
    return [
        ("delivery", delivery.delivery_id),
        ("event", delivery.event_type),
        ("state", word(pb.DeliveryState, delivery.state)),
        ("tries", str(delivery.attempt_count)),
        ("last answer", last.error or (str(last.status) if last.status else "-")),
        ("next try", moment(delivery.next_attempt_time)),
        ("committed", moment(delivery.event_time)),
    ]
