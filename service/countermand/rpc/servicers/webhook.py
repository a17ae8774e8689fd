"""WebhookService."""

from countermand.core.errors import not_found
from countermand.core.knobs import PagingKnobs
from countermand.core.webhook_commands import (
    CreateWebhook,
    DeleteWebhook,
    RotateSecret,
    SendTest,
)
from countermand.engine.keyring import Keyring
from countermand.engine.vault import Vault
from countermand.engine.writer import Writer
from countermand.rpc.method import Call, needs
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.parse.webhooks import (
    Places,
    parse_create_webhook,
    parse_delivery_state,
    parse_redeliver,
    parse_rotate_secret,
    parse_update_webhook,
    parse_webhook_id,
)
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.render.webhooks import render_delivery, render_webhook
from countermand.rpc.wire.tokens import decode_numbers, encode_numbers
from countermand.store.contract import Store
from countermand.v1 import webhook_service_pb2 as pb

LARGEST_PAGE = 100
"""Of deliveries, which have their bodies with them."""


class WebhookService:
    """Manages the endpoints of one tenant and environment."""

    SERVICE = pb.DESCRIPTOR.services_by_name["WebhookService"]

    def __init__(
        self,
        store: Store,
        writer: Writer,
        keyring: Keyring,
        vault: Vault,
        paging: PagingKnobs,
        allow_loopback: bool,
    ) -> None:
        """`allow_loopback` lets endpoints in sandbox be on this machine."""
        self._store = store
        self._writer = writer
        self._keyring = keyring
        self._vault = vault
        self._paging = paging
        self._allow_loopback = allow_loopback

    def _places(self, call: Call) -> Places:
        return Places(self._keyring.environment(call.principal.key_id), self._allow_loopback)

    @needs("webhooks:write")
    async def create_webhook(
        self, call: Call, request: pb.CreateWebhookRequest
    ) -> pb.CreateWebhookResponse:
        secret = self._vault.make()
        sealed = self._vault.seal(secret)
        new = parse_create_webhook(request, call.namespace, self._places(call), sealed)
        webhook = await self._writer.submit(CreateWebhook(call.namespace, new))
        return pb.CreateWebhookResponse(webhook=render_webhook(webhook), secret=secret)

    @needs("webhooks:write")
    async def get_webhook(self, call: Call, request: pb.GetWebhookRequest) -> pb.GetWebhookResponse:
        webhook_id = parse_webhook_id(request.webhook_id)
        webhook = await self._store.webhook(call.namespace, webhook_id)
        if webhook is None:
            raise not_found("webhook", webhook_id)
        return pb.GetWebhookResponse(webhook=render_webhook(webhook))

    @needs("webhooks:write")
    async def list_webhooks(
        self, call: Call, request: pb.ListWebhooksRequest
    ) -> pb.ListWebhooksResponse:
        form = Form()
        limit = form.page_size(request.page_size)
        form.check()
        bound = ("webhooks", call.namespace)
        [begin] = decode_numbers(request.page_token, 1, *bound) or (0,)
        webhooks = await self._store.webhooks(call.namespace)
        end = begin + limit
        return pb.ListWebhooksResponse(
            webhooks=map(render_webhook, webhooks[begin:end]),
            next_page_token=encode_numbers([end] if end < len(webhooks) else [], *bound),
        )

    @needs("webhooks:write")
    async def update_webhook(
        self, call: Call, request: pb.UpdateWebhookRequest
    ) -> pb.UpdateWebhookResponse:
        command = parse_update_webhook(request, call.namespace, self._places(call))
        return pb.UpdateWebhookResponse(webhook=render_webhook(await self._writer.submit(command)))

    @needs("webhooks:write")
    async def delete_webhook(
        self, call: Call, request: pb.DeleteWebhookRequest
    ) -> pb.DeleteWebhookResponse:
        webhook_id = parse_webhook_id(request.webhook_id)
        await self._writer.submit(DeleteWebhook(call.namespace, webhook_id))
        return pb.DeleteWebhookResponse()

    @needs("webhooks:write")
    async def rotate_secret(
        self, call: Call, request: pb.RotateSecretRequest
    ) -> pb.RotateSecretResponse:
        webhook_id, overlap = parse_rotate_secret(request)
        secret = self._vault.make()
        command = RotateSecret(call.namespace, webhook_id, overlap, self._vault.seal(secret))
        webhook = await self._writer.submit(command)
        return pb.RotateSecretResponse(webhook=render_webhook(webhook), secret=secret)

    @needs("webhooks:write")
    async def list_deliveries(
        self, call: Call, request: pb.ListDeliveriesRequest
    ) -> pb.ListDeliveriesResponse:
        form = Form()
        webhook_id = form.uuid("webhook_id", request.webhook_id)
        state = parse_delivery_state(form, request.state)
        limit = min(form.page_size(request.page_size), LARGEST_PAGE)
        form.check()
        bound = ("deliveries", call.namespace, webhook_id, state)
        [before] = decode_numbers(request.page_token, 1, *bound) or (None,)
        if await self._store.webhook(call.namespace, webhook_id) is None:
            raise not_found("webhook", webhook_id)
        found = await self._store.deliveries(call.namespace, webhook_id, state, before, limit + 1)
        page = fit_page(map(render_delivery, found[:limit]), self._paging.max_bytes)
        last = [found[len(page) - 1].notice.number] if len(page) < len(found) else []
        return pb.ListDeliveriesResponse(
            deliveries=page, next_page_token=encode_numbers(last, *bound)
        )

    @needs("webhooks:write")
    async def redeliver(self, call: Call, request: pb.RedeliverRequest) -> pb.RedeliverResponse:
        delivery = await self._writer.submit(parse_redeliver(request, call.namespace))
        return pb.RedeliverResponse(delivery=render_delivery(delivery))

    @needs("webhooks:write")
    async def send_test(self, call: Call, request: pb.SendTestRequest) -> pb.SendTestResponse:
        webhook_id = parse_webhook_id(request.webhook_id)
        delivery = await self._writer.submit(SendTest(call.namespace, webhook_id))
        return pb.SendTestResponse(delivery=render_delivery(delivery))
