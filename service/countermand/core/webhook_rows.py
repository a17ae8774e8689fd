"""What a batch asks, has and changes of webhooks. Few batches do, so it is kept apart."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from countermand.core.webhooks import Delivery, DeliveryKey, Notice, Webhook

NoticeKey = tuple[int, int]
"""A namespace, and the number of a notice in it."""
WebhookKey = tuple[int, str]


@dataclass(slots=True)
class Outbox:
    """Where the notices of a namespace with endpoints go."""

    environment: str
    last: int
    """The number of the last notice."""
    moment: tuple[int | None, str] = (None, "")
    """A time, and how notices say it: most of one batch have the same."""


class Endpoints(NamedTuple):
    """The endpoints of one namespace."""

    outbox: Outbox
    tenant_count: int
    """How many the tenant has, in all of its namespaces."""
    webhooks: dict[str, Webhook]


class StaleSearch(NamedTuple):
    """Looks for what of one namespace may go."""

    namespace: int
    before: int
    ended_before: int
    limit: int


class Stale(NamedTuple):
    """What that came upon."""

    notices: list[tuple[int, int, str]]
    """The number, time and type of the oldest notices, by their numbers."""
    expired: list[Delivery]
    """Those that still wait, and are too old."""
    ended: list[DeliveryKey]
    """Those that ended long ago, or are too many."""


@dataclass(slots=True)
class WantedWebhooks:
    """What a batch asks the store for."""

    endpoints: set[int] = field(default_factory=set)
    """Namespaces of which all endpoints are wanted."""
    deliveries: set[DeliveryKey] = field(default_factory=set)
    notices: set[NoticeKey] = field(default_factory=set)
    stale: StaleSearch | None = None

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.deliveries or self.notices or self.stale)


class LoadedWebhooks(NamedTuple):
    """What the store answers. What does not exist is left out."""

    endpoints: Iterable[tuple[int, Endpoints]] = ()
    deliveries: Iterable[Delivery] = ()
    notices: Iterable[Notice] = ()
    stale: Stale | None = None


class WebhookChanges:
    """What commands change of webhooks."""

    def __init__(self) -> None:
        self.webhooks: dict[WebhookKey, Webhook] = {}
        self.deliveries: dict[DeliveryKey, Delivery] = {}
        self.deleted: list[WebhookKey] = []
        """Endpoints that are removed, with their deliveries."""
        self.removed_deliveries: list[DeliveryKey] = []
        self.dropped: dict[int, int] = {}
        """By namespace: up to which number its notices are removed."""

    def update(self, changes: "WebhookChanges") -> None:
        """Adds what was changed later."""
        self.webhooks |= changes.webhooks
        self.deliveries |= changes.deliveries
        for key in changes.deleted:
            self.webhooks.pop(key, None)
            for delivery in [one for one in self.deliveries if one[:2] == key]:
                del self.deliveries[delivery]
        self.deleted += changes.deleted
        self.removed_deliveries += changes.removed_deliveries
        self.dropped |= changes.dropped


class WebhookRows:
    """The rows of one batch."""

    def __init__(self) -> None:
        self.endpoints: dict[int, Endpoints] = {}
        self.deliveries: dict[DeliveryKey, Delivery | None] = {}
        self.notices: dict[NoticeKey, Notice | None] = {}
        self.stale: Stale | None = None

    def unknown(self, wanted: WantedWebhooks | None) -> WantedWebhooks | None:
        """Returns what of that is not here yet."""
        if wanted is None:
            return None
        return WantedWebhooks(
            wanted.endpoints - self.endpoints.keys(),
            wanted.deliveries - self.deliveries.keys(),
            wanted.notices - self.notices.keys(),
            wanted.stale if self.stale is None else None,
        )

    def add(
        self, wanted: WantedWebhooks, loaded: LoadedWebhooks, outboxes: dict[int, Outbox]
    ) -> None:
        """Keeps what was loaded. A namespace has one outbox, whoever loaded it first."""
        self.deliveries.update(dict.fromkeys(wanted.deliveries))
        self.notices.update(dict.fromkeys(wanted.notices))
        for namespace, endpoints in loaded.endpoints:
            outbox = outboxes.get(namespace, endpoints.outbox)
            self.endpoints[namespace] = endpoints._replace(outbox=outbox)
            if endpoints.webhooks:
                outboxes[namespace] = outbox
        for delivery in loaded.deliveries:
            self.deliveries[delivery.key] = delivery
        for notice in loaded.notices:
            self.notices[notice.namespace, notice.number] = notice
        if loaded.stale is not None:
            self.stale = loaded.stale

    def apply(self, changes: WebhookChanges, outboxes: dict[int, Outbox]) -> None:
        """Makes one command's changes the present state, for the commands that come after."""
        for (namespace, webhook_id), webhook in changes.webhooks.items():
            endpoints = self.endpoints[namespace]
            if webhook_id not in endpoints.webhooks:
                self.endpoints[namespace] = endpoints._replace(
                    tenant_count=endpoints.tenant_count + 1
                )
            endpoints.webhooks[webhook_id] = webhook
            outboxes[namespace] = endpoints.outbox
        for namespace, webhook_id in changes.deleted:
            endpoints = self.endpoints[namespace]
            del endpoints.webhooks[webhook_id]
            self.endpoints[namespace] = endpoints._replace(tenant_count=endpoints.tenant_count - 1)
            if not endpoints.webhooks:
                outboxes.pop(namespace, None)
            for key in [one for one in self.deliveries if one[:2] == (namespace, webhook_id)]:
                self.deliveries[key] = None
        self.deliveries.update(changes.deliveries)
