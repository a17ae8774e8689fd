"""`countermand deliver`."""

import sys
from typing import Annotated

import typer

from countermand.app.settings import Settings
from countermand.app.signals import StopSignals
from countermand.cli import server_options as options
from countermand.cli.failures import WRONG_USAGE, Failure

DEFAULTS = Settings()


def deliver(
    store: Annotated[
        str,
        typer.Option(
            "--store", envvar="COUNTERMAND_STORE", metavar="URL", help="The store on PostgreSQL."
        ),
    ],
    listen: options.Listen = DEFAULTS.listen,
    metrics_listen: options.MetricsListen = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    insecure: options.Insecure = False,
    secrets_key: options.SecretsKey = None,
    allow_loopback_webhooks: options.AllowLoopbackWebhooks = False,
    log_level: options.LogLevel = DEFAULTS.log_level,
    log_format: options.LogFormat = "",
    drain_timeout: options.DrainTimeout = f"{DEFAULTS.drain_timeout:g}s",  # type: ignore[assignment]
) -> None:
    """Deliver webhooks, and answer no calls but for health.

    It shares a store on PostgreSQL with servers, and may run where these cannot be reached from,
    such as in a subnet that is let out to the internet alone. Several of these share the endpoints
    among them, and with servers that run without `--no-deliveries`. It starts, drains and logs as
    `countermand serve` does.

    Examples:

    - `countermand deliver --store postgresql://countermand@db1,db2/countermand`

    - `countermand deliver --store postgresql:///countermand --listen 127.0.0.1:50052`
    """
    signals = StopSignals()
    import uvloop

    from countermand.cli.delivering import deliver as run_deliveries
    from countermand.core.knobs import Knobs
    from countermand.rpc.server import serve as run_server
    from countermand.store.names import is_postgres

    if not is_postgres(store):
        raise Failure(
            "`deliver` needs a store on PostgreSQL; on SQLite `serve` itself delivers", WRONG_USAGE
        )
    try:
        settings = Settings(
            listen=listen,
            metrics_listen=metrics_listen,
            store=store,
            drain_timeout=drain_timeout.total_seconds(),
            tls_cert=tls_cert,
            tls_key=tls_key,
            insecure=insecure,
            secrets_key=secrets_key,
            allow_loopback_webhooks=allow_loopback_webhooks,
            log_level=log_level.upper(),
            log_format=log_format.lower() or ("text" if sys.stderr.isatty() else "json"),
        )
    except ValueError as error:
        raise Failure(str(error), WRONG_USAGE) from None
    running = run_server(settings, Knobs(), signals, run_deliveries, answers_calls=False)
    raise typer.Exit(uvloop.run(running))
