"""What a store reads of webhooks; part of its contract."""

from typing import Protocol

from countermand.core.webhooks import Delivery, DeliveryState, Notice, Webhook


class WebhookReadings(Protocol):
    """The readings of endpoints, of the outbox, and of what could not be delivered at once.

    They raise StoreFailed as the others do.
    """

    async def webhooks(self, namespace: int | None) -> list[Webhook]:
        """Returns the endpoints of a namespace, oldest first; of all if None."""

    async def webhook(self, namespace: int, webhook_id: str) -> Webhook | None:
        """Returns an endpoint."""

    async def namespaces_with_notices(self) -> list[int]:
        """Returns the namespaces that have notices or endpoints."""

    async def notices(self, namespace: int, after: int, limit: int) -> list[Notice]:
        """Returns the first notices with higher numbers, in order."""

    async def pending_deliveries(
        self, namespace: int, webhook_id: str, limit: int
    ) -> list[Delivery]:
        """Returns the first deliveries of an endpoint that wait, by their numbers."""

    async def deliveries(
        self,
        namespace: int,
        webhook_id: str,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> list[Delivery]:
        """Returns the last deliveries of an endpoint with numbers below `before`, newest first."""
