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
) -> list[Servicer]:
    """Returns all services."""
    store, writer, clock, paging = app.store, app.writer, app.clock, app.knobs.paging
    return [
        CancellationService(store, writer, app.watch, shipped_words, paging, app.keyring.name_of),
        TaskService(store, writer, clock, app.ids, paging),
        CheckoutService(store, writer, clock, app.ids, paging, app.keyring.name_of),
        OrderService(store, writer, clock, app.ids, paging),
        AgentService(store, writer),
        KeyService(app.keyring, clock),
        OperatorService(app, refusals),
        WebhookService(store, writer, app.keyring, vault, paging, allow_loopback),
    ]
