"""The methods of WebhookService."""

from collections.abc import Iterable
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from countermand.client.connection import Connection
from countermand.v1 import webhook_service_pb2 as pb
from countermand.v1.webhook_service_pb2_grpc import WebhookServiceStub


class WebhookMethods(Connection):
    """Manages webhooks; all of it needs the scope `webhooks:write`."""

    async def create_webhook(
        self, url: str, *, name: str = "", event_types: Iterable[str] = ()
    ) -> pb.CreateWebhookResponse:
        """Creates an endpoint; the answer shows its secret, the only time that it is shown.

        It is sent all events if no types are given. It is never repeated by itself, since each
        repeat would make an endpoint whose secret nobody saw. Raises CountermandError.
        """
        request = pb.CreateWebhookRequest(name=name, url=url, event_types=event_types)
        return await self._call(
            WebhookServiceStub, request, pb.CreateWebhookResponse, repeatable=False
        )

    async def get_webhook(self, webhook_id: str) -> pb.GetWebhookResponse:
        """Returns an endpoint. Raises CountermandError."""
        request = pb.GetWebhookRequest(webhook_id=webhook_id)
        return await self._call(WebhookServiceStub, request, pb.GetWebhookResponse)

    async def list_webhooks(
        self, *, page_size: int = 0, page_token: str = ""
    ) -> pb.ListWebhooksResponse:
        """Returns one page of endpoints, oldest first: 50, or `page_size`.

        `next_page_token` is empty on the last one. Raises CountermandError.
        """
        request = pb.ListWebhooksRequest(page_size=page_size, page_token=page_token)
        return await self._call(WebhookServiceStub, request, pb.ListWebhooksResponse)

    async def update_webhook(
        self, webhook: pb.Webhook, fields: Iterable[str]
    ) -> pb.UpdateWebhookResponse:
        """Changes the named fields of the endpoint with the message's webhook_id: name, url,
        event_types, state. Raises CountermandError."""
        mask = FieldMask(paths=fields)
        request = pb.UpdateWebhookRequest(webhook=webhook, update_mask=mask)
        return await self._call(WebhookServiceStub, request, pb.UpdateWebhookResponse)

    async def delete_webhook(self, webhook_id: str) -> pb.DeleteWebhookResponse:
        """Removes an endpoint with its deliveries.

        It is never repeated by itself, since the repeat would not find it. Raises CountermandError.
        """
        request = pb.DeleteWebhookRequest(webhook_id=webhook_id)
        return await self._call(
            WebhookServiceStub, request, pb.DeleteWebhookResponse, repeatable=False
        )

    async def rotate_secret(
        self, webhook_id: str, *, overlap: timedelta | None = None
    ) -> pb.RotateSecretResponse:
        """Gives an endpoint a new secret; the answer shows it, the only time that it is shown.

        The secret before it signs, too, for another day, or for the `overlap`, 0 to 30 days. It is
        never repeated by itself. Raises CountermandError.
        """
        request = pb.RotateSecretRequest(webhook_id=webhook_id, overlap=overlap)
        return await self._call(
            WebhookServiceStub, request, pb.RotateSecretResponse, repeatable=False
        )

    async def list_deliveries(
        self,
        webhook_id: str,
        *,
        state: pb.DeliveryState | str = pb.DELIVERY_STATE_UNSPECIFIED,
        page_size: int = 0,
        page_token: str = "",
    ) -> pb.ListDeliveriesResponse:
        """Returns one page of what an endpoint did not take at once, newest event first: 50, or
        `page_size` up to 100. `next_page_token` is empty on the last one. Raises CountermandError.
        """
        request = pb.ListDeliveriesRequest(
            webhook_id=webhook_id, state=state, page_size=page_size, page_token=page_token
        )
        return await self._call(WebhookServiceStub, request, pb.ListDeliveriesResponse)

    async def redeliver(self, webhook_id: str, delivery_id: str) -> pb.RedeliverResponse:
        """Sends an event to an endpoint again, by its `webhook-id`. Raises CountermandError."""
        request = pb.RedeliverRequest(webhook_id=webhook_id, delivery_id=delivery_id)
        return await self._call(WebhookServiceStub, request, pb.RedeliverResponse)

    async def send_test(self, webhook_id: str) -> pb.SendTestResponse:
        """Sends a `webhook.test` event to an endpoint, once. Raises CountermandError."""
        request = pb.SendTestRequest(webhook_id=webhook_id)
        return await self._call(WebhookServiceStub, request, pb.SendTestResponse, repeatable=False)
