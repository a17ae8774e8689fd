"""The delivery of webhooks in the process of a server."""

from countermand.app.composition import App
from countermand.app.instrumentation import Instrumentation
from countermand.app.settings import Settings
from countermand.engine.vault import Vault
from countermand.webhooks.dispatcher import Dispatcher


async def deliver(
    app: App, settings: Settings, vault: Vault, instrumentation: Instrumentation
) -> None:
    """Delivers the webhooks of a running server, until cancelled."""
    dispatcher = Dispatcher(
        app.store,
        app.writer,
        app.clock,
        vault,
        instrumentation.tracing,
        instrumentation.measures,
        app.knobs.webhooks,
        allow_loopback=settings.allow_loopback_webhooks,
    )
    await dispatcher.run()
