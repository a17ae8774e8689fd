"""`countermand serve`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from countermand.app.settings import Settings
from countermand.app.signals import StopSignals
from countermand.cli import server_options as options
from countermand.cli.failures import WRONG_USAGE, Failure
from countermand.cli.options import parse_retention

DEFAULTS = Settings()


def serve(
    listen: options.Listen = DEFAULTS.listen,
    metrics_listen: options.MetricsListen = None,
    store: options.Store = DEFAULTS.store,
    retention: Annotated[
        float,
        typer.Option(
            envvar="COUNTERMAND_RETENTION",
            parser=parse_retention,
            metavar="DAYS",
            help="Keep what ended.",
        ),
    ] = f"{DEFAULTS.retention:g}",  # type: ignore[assignment]  # typer parses a default, too
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_TLS_CLIENT_CA",
            metavar="FILE",
            help="Demand certificates.",
        ),
    ] = None,
    insecure: options.Insecure = False,
    max_watches: Annotated[
        int,
        typer.Option(
            envvar="COUNTERMAND_MAX_WATCHES",
            metavar="N",
            min=1,
            help="Open at once.",
        ),
    ] = DEFAULTS.max_watches,
    max_tenant_bytes: Annotated[
        int | None,
        typer.Option(
            envvar="COUNTERMAND_MAX_TENANT_BYTES",
            metavar="BYTES",
            min=1,
            help="What each tenant may store.",
            show_default=False,
        ),
    ] = None,
    max_failed_logins: Annotated[
        int,
        typer.Option(
            envvar="COUNTERMAND_MAX_FAILED_LOGINS",
            metavar="N",
            min=1,
            help="Wrong keys a second.",
        ),
    ] = DEFAULTS.max_failed_logins,
    shipped_word: Annotated[
        list[str],
        typer.Option(
            envvar="COUNTERMAND_SHIPPED_WORD",
            metavar="WORD",
            help="For goods that left.",
        ),
    ] = [],  # noqa: B006  # typer reads the default, and gives each call a list of its own
    first_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_FIRST_KEY_FILE",
            metavar="FILE",
            help="Where the first key goes.",
        ),
    ] = None,
    secrets_key: options.SecretsKey = None,
    allow_loopback_webhooks: options.AllowLoopbackWebhooks = False,
    no_deliveries: Annotated[
        bool,
        typer.Option(
            "--no-deliveries",
            envvar="COUNTERMAND_NO_DELIVERIES",
            help="Leave webhooks to others.",
        ),
    ] = False,
    log_level: options.LogLevel = DEFAULTS.log_level,
    log_format: options.LogFormat = "",
    log_accepted: Annotated[
        bool,
        typer.Option(
            "--log-accepted",
            envvar="COUNTERMAND_LOG_ACCEPTED",
            help="Log each cancel.",
        ),
    ] = False,
    drain_timeout: options.DrainTimeout = f"{DEFAULTS.drain_timeout:g}s",  # type: ignore[assignment]
) -> None:
    """Run the server.

    Once ready it prints `listening on HOST:PORT`; its log goes to stderr. On a store without keys
    it makes one, and prints that once to stderr. SIGTERM drains. Each option is a variable, too:
    docs/operations/configuration.md.

    Examples:

    - `countermand serve`

    - `countermand serve --listen 0.0.0.0:443 --tls-cert s.pem --tls-key k.pem`
    """
    signals = StopSignals()
    # The client commands start faster without the server's modules.
    import uvloop

    from countermand.cli.delivering import deliver
    from countermand.core.knobs import Knobs
    from countermand.rpc.server import serve as run_server

    try:
        settings = Settings(
            listen=listen,
            metrics_listen=metrics_listen,
            store=store,
            retention=retention,
            drain_timeout=drain_timeout.total_seconds(),
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            insecure=insecure,
            max_watches=max_watches,
            max_tenant_bytes=max_tenant_bytes,
            max_failed_logins=max_failed_logins,
            secrets_key=secrets_key,
            allow_loopback_webhooks=allow_loopback_webhooks,
            no_deliveries=no_deliveries,
            shipped_words=tuple(shipped_word),
            first_key_file=first_key_file,
            log_level=log_level.upper(),
            log_format=log_format.lower() or ("text" if sys.stderr.isatty() else "json"),
            log_accepted=log_accepted,
        )
    except ValueError as error:
        raise Failure(str(error), WRONG_USAGE) from None
    raise typer.Exit(uvloop.run(run_server(settings, Knobs(), signals, deliver)))
