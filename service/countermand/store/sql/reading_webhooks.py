"""The readings of webhooks, of the outbox, and of deliveries."""

from countermand.core.webhooks import Delivery, DeliveryState, Notice, Webhook
from countermand.store.sql.queries import NO_NUMBER, Queries
from countermand.store.sql.rows.ids import uuid_bytes
from countermand.store.sql.rows.webhooks import read_delivery, read_notice, read_webhook


class WebhookReader(Queries):
    """Reads webhooks, and what is to be sent to them."""

    def webhooks(self, namespace: int | None) -> list[Webhook]:
        found = self._all("webhooks", {"namespace": namespace})
        webhooks = map(read_webhook, found)
        return sorted(webhooks, key=lambda webhook: (webhook.namespace, webhook.webhook_id))

    def webhook(self, namespace: int, webhook_id: str) -> Webhook | None:
        row = self._one("webhook", (namespace, uuid_bytes(webhook_id)))
        return None if row is None else read_webhook(row)

    def namespaces_with_notices(self) -> list[int]:
        return sorted(self._all("namespaces_with_notices", ()))

    def notices(self, namespace: int, after: int, limit: int) -> list[Notice]:
        found = map(read_notice, self._all("notices", (namespace, after, limit)))
        return sorted(found, key=lambda notice: notice.number)

    def pending_deliveries(self, namespace: int, webhook_id: str, limit: int) -> list[Delivery]:
        found = self._all("pending_deliveries", (namespace, uuid_bytes(webhook_id), limit))
        return sorted(map(read_delivery, found), key=lambda delivery: delivery.notice.number)

    def deliveries(
        self,
        namespace: int,
        webhook_id: str,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> list[Delivery]:
        asked = {
            "namespace": namespace,
            "webhook_id": uuid_bytes(webhook_id),
            "state": state,
            "before": NO_NUMBER if before is None else before,
            "limit": limit,
        }
        found = map(read_delivery, self._all("list_deliveries", asked))
        return sorted(found, key=lambda delivery: -delivery.notice.number)
