"""What a store reads of webhooks, and who serves which; part of its contract."""

from typing import NamedTuple, Protocol

from countermand.core.webhooks import Delivery, DeliveryState, Notice, Webhook, WebhookState


class Held(NamedTuple):
    """An endpoint that is claimed by one server, as it is at present."""

    namespace: int
    webhook_id: str
    claim: int
    """The number of the claim: it grows with each server that takes the endpoint over."""
    revision: int
    """Another one after each change that others than who serves it may have made: by its owner, by
    a purge, or to its deliveries by hand."""
    last_notice: int
    """The number of the last notice of its outbox."""
    state: WebhookState


class Holdings(NamedTuple):
    """What a server has claimed, and whether there is more to claim."""

    held: list[Held]
    any_free: bool


class WebhookClaims(Protocol):
    """Who serves which endpoint, where several servers share a store.

    A claim lasts for a span from when it was granted, by the clock of the store. Whoever takes an
    endpoint over sees all that was written down by the claim before, and after it nothing is.
    Each of these raises StoreFailed.
    """

    async def claim(self, by: str, seconds: float, limit: int) -> list[tuple[int, str, int]]:
        """Renews the claims of a server, and takes what is free, of so many namespaces at most.

        Returns the namespace, endpoint and number of each claim that lasts for so many seconds from
        now: those that others look at just now are left as they are.
        """

    async def holdings(self, by: str) -> Holdings:
        """Returns what a server has claimed."""

    async def release(self, by: str) -> None:
        """Ends the claims of a server."""


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
