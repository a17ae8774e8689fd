"""The owner of webhooks: makes them, changes them, and asks for what became of their events."""

from typing import TYPE_CHECKING

from countermand.v1 import webhook_service_pb2 as w
from tests.chaos.robustness.clients import Client
from tests.simulation.script import STEP
from tests.support.caller import span

if TYPE_CHECKING:
    from tests.simulation.play import Play

MIX = {
    "create_webhook": 2,
    "update_webhook": 2,
    "delete_webhook": 1,
    "rotate_secret": 1,
    "send_test": 1,
    "redeliver": 2,
    "read_webhooks": 1,
}
"""How often an owner does what, after the first was made."""
TYPES = ((), (), ("task.cancelled", "cancellation.ended"), ("task.cancelling",))
ENABLED, DISABLED = w.WEBHOOK_STATE_ENABLED, w.WEBHOOK_STATE_DISABLED


class HookOwner:
    """The owner of one tenant's webhooks."""

    def __init__(self, client: Client, tenant: str, play: "Play") -> None:
        self._client = client
        self._tenant = tenant
        self._play = play
        self._made = 0
        self._ids: list[str] = []

    def _some(self) -> str | None:
        return STEP.get().choice(self._ids) if self._ids else None

    async def create_webhook(self) -> None:
        self._made += 1
        request = w.CreateWebhookRequest(
            name=f"hook {self._made}",
            url=f"https://hooks.example.com/{self._tenant}/{self._made}",
            event_types=STEP.get().choice(TYPES),
        )
        made = await self._client.call(request)
        if made.done:
            self._ids.append(made.answer.webhook.webhook_id)

    async def update_webhook(self) -> None:
        if id := self._some():
            webhook = w.Webhook(webhook_id=id, name=f"name {STEP.get().random():.3f}")
            path = STEP.get().choice(("name", "name", "state"))
            if path == "state":
                webhook.state = STEP.get().choice((ENABLED, DISABLED))
            request = w.UpdateWebhookRequest(webhook=webhook)
            request.update_mask.paths.append(path)
            await self._client.call(request)

    async def delete_webhook(self) -> None:
        if id := self._some():
            deleted = await self._client.call(w.DeleteWebhookRequest(webhook_id=id))
            if deleted.done:
                self._ids.remove(id)

    async def rotate_secret(self) -> None:
        if id := self._some():
            await self._client.call(w.RotateSecretRequest(webhook_id=id, overlap=span(1)))

    async def send_test(self) -> None:
        if id := self._some():
            await self._client.call(w.SendTestRequest(webhook_id=id))

    async def redeliver(self) -> None:
        """Asks for something again that an endpoint has had, or has not."""
        if (id := self._some()) is None:
            return
        endpoints = self._play.endpoints
        known = [
            one
            for namespace, webhook_id in endpoints.begins
            if webhook_id == id
            for one in endpoints.committed[namespace].values()
        ]
        if known:
            notice = STEP.get().choice(known)
            endpoints.by_hand.add(notice.subject)
            await self._client.call(
                w.RedeliverRequest(webhook_id=id, delivery_id=notice.message_id)
            )

    async def read_webhooks(self) -> None:
        page = await self._client.call(w.ListWebhooksRequest(page_size=1))
        if page.done and page.answer.next_page_token:
            token = page.answer.next_page_token
            await self._client.call(w.ListWebhooksRequest(page_size=1, page_token=token))
        if id := self._some():
            await self._client.call(w.GetWebhookRequest(webhook_id=id))
            await self._client.call(w.ListDeliveriesRequest(webhook_id=id, page_size=2))
