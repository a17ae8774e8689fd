"""The delivery of webhooks in the process of a server, or in one of its own."""

from countermand.app.composition import App
from countermand.app.instrumentation import Instrumentation
from countermand.app.settings import Settings
from countermand.engine.vault import Vault
from countermand.webhooks.dispatcher import Dispatcher
from countermand.webhooks.purging import OutboxPurger


async def deliver(
    app: App, settings: Settings, vault: Vault, instrumentation: Instrumentation
) -> None:
    """Delivers webhooks of the store, until cancelled; or only keeps the outbox small, if others
    are to deliver."""
    measures, knobs = instrumentation.measures, app.knobs.webhooks
    if settings.no_deliveries:
        await OutboxPurger(app.store, app.writer, app.clock, measures, knobs).run()
        return
    dispatcher = Dispatcher(
        app.store,
        app.writer,
        app.clock,
        vault,
        instrumentation.tracing,
        measures,
        knobs,
        allow_loopback=settings.allow_loopback_webhooks,
    )
    await dispatcher.run()
