"""The client, with the methods of all services."""

from countermand.client.agents import AgentMethods
from countermand.client.cancellations import CancellationMethods
from countermand.client.checkouts import CheckoutMethods
from countermand.client.health import HealthMethods
from countermand.client.keys import KeyMethods
from countermand.client.operator import OperatorMethods
from countermand.client.orders import OrderMethods
from countermand.client.tasks import TaskMethods
from countermand.client.watches import WatchMethods
from countermand.client.webhooks import WebhookMethods


class Client(
    TaskMethods,
    CheckoutMethods,
    OrderMethods,
    CancellationMethods,
    OperatorMethods,
    WatchMethods,
    AgentMethods,
    KeyMethods,
    WebhookMethods,
    HealthMethods,
):
    """Calls a Countermand server. Open it with `async with`, and share it within an event loop.

    Each method is one RPC, returns its response message, and raises CountermandError. What can
    safely be repeated is sent again while the server is UNAVAILABLE, until the timeout; nothing
    else is. A cancelled asyncio task stops waiting at once; a write that was sent may still be
    accepted.
    """
