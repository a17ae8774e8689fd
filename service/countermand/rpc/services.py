"""All services, with what they stand on."""

from countermand.app.composition import App
from countermand.core.shipping import ShippedWords
from countermand.engine.vault import Vault
from countermand.rpc.guard.refusal_counts import RefusalCounts
from countermand.rpc.method import Servicer
from countermand.rpc.servicers.agent import AgentService
from countermand.rpc.servicers.cancellation import CancellationService
from countermand.rpc.servicers.checkout import CheckoutService
from countermand.rpc.servicers.key import KeyService
from countermand.rpc.servicers.operator import OperatorService
from countermand.rpc.servicers.order import OrderService
from countermand.rpc.servicers.task import TaskService
from countermand.rpc.servicers.webhook import WebhookService


def services_of(
    app: App,
    shipped_words: ShippedWords,
    refusals: RefusalCounts,
    vault: Vault,
    *,
    allow_loopback: bool = False,
) -> dict[str, Servicer]:
    """Returns all services, by their full names."""
    store, writer, clock, paging = app.store, app.writer, app.clock, app.knobs.paging
    return {
        "countermand.v1.CancellationService": CancellationService(
            store, writer, app.watch, shipped_words, paging, app.keyring.name_of
        ),
        "countermand.v1.TaskService": TaskService(store, writer, clock, app.ids, paging),
        "countermand.v1.CheckoutService": CheckoutService(
            store, writer, clock, app.ids, paging, app.keyring.name_of
        ),
        "countermand.v1.OrderService": OrderService(store, writer, clock, app.ids, paging),
        "countermand.v1.AgentService": AgentService(store, writer),
        "countermand.v1.KeyService": KeyService(app.keyring, clock),
        "countermand.v1.OperatorService": OperatorService(app, refusals),
        "countermand.v1.WebhookService": WebhookService(
            store, writer, app.keyring, vault, paging, allow_loopback
        ),
    }
