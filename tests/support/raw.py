"""Calls by path with raw bytes, as any client in the world may send them."""

from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import operator_service_pb2 as p
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_service_pb2 as t
from countermand.v1 import webhook_service_pb2 as w

READ = ("tasks:read", "tasks:run")
ID = "0190a5c0-0000-7000-8000-000000000001"


class Rpc(NamedTuple):
    """One method: its path, a request that is well-formed, and the scopes of which one lets in."""

    path: str
    request: Message
    scopes: tuple[str, ...]
    stream: bool = False
    max_bytes: int = 64 * 1024

    @property
    def name(self) -> str:
        """The method's own; an operator's methods have those of others, and begin with it."""
        service, _, method = self.path.removeprefix("/countermand.v1.").partition("/")
        return f"Operator.{method}" if service == "OperatorService" else method

    async def call(self, channel: grpc.aio.Channel, data: bytes, key: str | None = None) -> bytes:
        """Sends these bytes and returns the first answer."""
        metadata = [("x-api-key", key)] if key is not None else None
        if self.stream:
            call = channel.unary_stream(self.path)(data, metadata=metadata, timeout=10)
            answer = await call.read()
            call.cancel()
            return answer
        return await channel.unary_unary(self.path)(data, metadata=metadata, timeout=10)


def _rpc(service: str, request: Message, *scopes: str, **more: Any) -> Rpc:
    method = type(request).__name__.removesuffix("Request").removeprefix(service)
    return Rpc(f"/countermand.v1.{service}/{method}", request, scopes, **more)


_CANCEL, _TASK, _CHECKOUT, _ORDER, _AGENT, _OPERATOR, _WEBHOOK, _KEY = (
    f"{name}Service"
    for name in ("Cancellation", "Task", "Checkout", "Order", "Agent", "Operator", "Webhook", "Key")
)
_HOOKS = "webhooks:write"
_MEDIUM = 1024 * 1024
_LARGE = 4 * 1024 * 1024
RPCS = {
    rpc.name: rpc
    for rpc in (
        _rpc(_CANCEL, c.CancelTaskRequest(task_id=ID), "tasks:cancel"),
        _rpc(_CANCEL, c.CancelGroupRequest(group_id=ID), "tasks:cancel"),
        _rpc(_CANCEL, c.CancelCheckoutRequest(checkout_id="c"), "checkouts:write"),
        _rpc(_CANCEL, c.CancelOrderRequest(order_id="o"), "orders:write"),
        _rpc(_CANCEL, c.WatchTaskRequest(task_id=ID), *READ, stream=True),
        _rpc(_CANCEL, c.WatchTasksRequest(), *READ, stream=True),
        _rpc(_CANCEL, c.WatchCheckoutRequest(checkout_id="c"), "checkouts:read", stream=True),
        _rpc(_CANCEL, c.WatchOrderRequest(order_id="o"), "orders:read", stream=True),
        _rpc(_CANCEL, c.GetCancellationRequest(cancellation_id=ID), *READ),
        _rpc(_CANCEL, c.ListCancellationsRequest(), *READ),
        _rpc(_CANCEL, c.SummarizeCancellationsRequest(group_by=1), *READ),
        _rpc(_TASK, t.CreateTaskRequest(), "tasks:write"),
        _rpc(_TASK, t.CreateGroupRequest(), "tasks:write", max_bytes=_LARGE),
        _rpc(_TASK, t.GetTaskRequest(task_id=ID), *READ),
        _rpc(_TASK, t.GetGroupRequest(group_id=ID), *READ),
        _rpc(_TASK, t.ListTasksRequest(), *READ),
        _rpc(_TASK, t.SettleRefundRequest(task_id=ID, outcome=3), "refunds:write"),
        _rpc(_CHECKOUT, s.CreateCheckoutRequest(), "checkouts:write", max_bytes=_LARGE),
        _rpc(_CHECKOUT, s.GetCheckoutRequest(checkout_id="c"), "checkouts:read"),
        _rpc(
            _CHECKOUT,
            s.UpdateCheckoutRequest(checkout={"checkout_id": "c"}),
            "checkouts:write",
            max_bytes=1024 * 1024,
        ),
        _rpc(_CHECKOUT, s.CompleteCheckoutRequest(checkout_id="c"), "checkouts:write"),
        _rpc(_CHECKOUT, s.ListCheckoutsRequest(), "checkouts:read"),
        _rpc(_CHECKOUT, s.ListCartsRequest(), "checkouts:read"),
        _rpc(_CHECKOUT, s.GetCartRequest(cart_id="c"), "checkouts:read"),
        _rpc(_CHECKOUT, s.ChangeCartRequest(cart_id="c"), "checkouts:write", max_bytes=_MEDIUM),
        _rpc(_ORDER, o.CreateOrderRequest(), "orders:write", max_bytes=_LARGE),
        _rpc(_ORDER, o.ListOrdersRequest(), "orders:read"),
        _rpc(_ORDER, o.GetOrderRequest(order_id="o"), "orders:read"),
        _rpc(
            _ORDER,
            o.UpdateOrderRequest(order={"order_id": "o"}),
            "orders:write",
            max_bytes=_MEDIUM,
        ),
        _rpc(_AGENT, a.StartTaskRequest(task_id=ID, agent_id="a"), "tasks:run"),
        _rpc(_AGENT, a.HeartbeatRequest(agent_id="a"), "tasks:run"),
        _rpc(_AGENT, a.BeginChargeRequest(task_id=ID, fence=1), "tasks:run"),
        _rpc(_AGENT, a.ReportChargeRequest(task_id=ID, fence=1, charge_state=3), "tasks:run"),
        _rpc(_AGENT, a.FinishTaskRequest(task_id=ID, fence=1, outcome=1), "tasks:run"),
        _rpc(
            _KEY,
            k.CreateKeyRequest(tenant="t", environment="sandbox", scopes=["tasks:read"]),
            "keys:admin",
        ),
        _rpc(_OPERATOR, p.OperatorServiceListTasksRequest(), "operator:read"),
        _rpc(_OPERATOR, p.OperatorServiceWatchTasksRequest(), "operator:read", stream=True),
        _rpc(_OPERATOR, p.GetServerStatusRequest(), "operator:read"),
        _rpc(_OPERATOR, p.ListAgentsRequest(), "operator:read"),
        _rpc(_OPERATOR, p.ListOpenWatchesRequest(), "operator:read"),
        _rpc(_WEBHOOK, w.CreateWebhookRequest(url="https://a.example/"), _HOOKS),
        _rpc(_WEBHOOK, w.GetWebhookRequest(webhook_id=ID), _HOOKS),
        _rpc(_WEBHOOK, w.ListWebhooksRequest(), _HOOKS),
        _rpc(
            _WEBHOOK,
            w.UpdateWebhookRequest(webhook={"webhook_id": ID}, update_mask={"paths": ["name"]}),
            _HOOKS,
        ),
        _rpc(_WEBHOOK, w.DeleteWebhookRequest(webhook_id=ID), _HOOKS),
        _rpc(_WEBHOOK, w.RotateSecretRequest(webhook_id=ID), _HOOKS),
        _rpc(_WEBHOOK, w.ListDeliveriesRequest(webhook_id=ID), _HOOKS),
        _rpc(_WEBHOOK, w.RedeliverRequest(webhook_id=ID, delivery_id="msg_1_1_1"), _HOOKS),
        _rpc(_WEBHOOK, w.SendTestRequest(webhook_id=ID), _HOOKS),
        _rpc(_KEY, k.ListKeysRequest(), "keys:admin"),
        _rpc(_KEY, k.RevokeKeyRequest(key_id=ID), "keys:admin"),
        _rpc(_KEY, k.RotateKeyRequest(key_id=ID), "keys:admin"),
    )
}
