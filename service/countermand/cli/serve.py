"""`countermand serve`."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from countermand.app.settings import Settings
from countermand.app.signals import StopSignals
from countermand.cli.failures import WRONG_USAGE, Failure
from countermand.cli.options import parse_retention, parse_span

DEFAULTS = Settings()


def serve(
    listen: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_LISTEN",
            metavar="HOST:PORT",
            help="Port 0 picks a free one.",
        ),
    ] = DEFAULTS.listen,
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            envvar="COUNTERMAND_METRICS_LISTEN",
            metavar="HOST:PORT",
            help="Prometheus reads /metrics.",
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(envvar="COUNTERMAND_STORE", metavar="URL", help="Where all is kept."),
    ] = DEFAULTS.store,
    retention: Annotated[
        float,
        typer.Option(
            envvar="COUNTERMAND_RETENTION",
            parser=parse_retention,
            metavar="DAYS",
            help="Keep what ended.",
        ),
    ] = f"{DEFAULTS.retention:g}",  # type: ignore[assignment]  # typer parses a default, too
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_TLS_CERT",
            metavar="FILE",
            help="The server's certificate.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(envvar="COUNTERMAND_TLS_KEY", metavar="FILE", help="Its private key."),
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_TLS_CLIENT_CA",
            metavar="FILE",
            help="Demand certificates.",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            envvar="COUNTERMAND_INSECURE",
            help="Encrypt nothing.",
        ),
    ] = False,
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
    secrets_key: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_SECRETS_KEY",
            metavar="FILE",
            help="Seals secrets.",
        ),
    ] = None,
    allow_loopback_webhooks: Annotated[
        bool,
        typer.Option(
            "--allow-loopback-webhooks",
            envvar="COUNTERMAND_ALLOW_LOOPBACK_WEBHOOKS",
            help="For development.",
        ),
    ] = False,
    log_level: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_LOG_LEVEL",
            metavar="LEVEL",
            help="DEBUG, INFO, WARNING …",
            show_default=False,
        ),
    ] = DEFAULTS.log_level,
    log_format: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_LOG_FORMAT",
            metavar="FORMAT",
            help="text or json.",
            show_default=False,
        ),
    ] = "",
    log_accepted: Annotated[
        bool,
        typer.Option(
            "--log-accepted",
            envvar="COUNTERMAND_LOG_ACCEPTED",
            help="Log each cancel.",
        ),
    ] = False,
    drain_timeout: Annotated[
        timedelta,
        typer.Option(
            envvar="COUNTERMAND_DRAIN_TIMEOUT",
            parser=parse_span,
            metavar="SPAN",
            help="Patience of SIGTERM.",
        ),
    ] = f"{DEFAULTS.drain_timeout:g}s",  # type: ignore[assignment]
) -> None:
    """Run the server.

    When it is ready it prints `listening on HOST:PORT` to stdout; its log goes to stderr. On a
    store without keys it first makes one, and prints it once to stderr. SIGTERM and Ctrl-C drain.
    Each option is a variable, too: docs/operations/configuration.md.

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
            shipped_words=tuple(shipped_word),
            first_key_file=first_key_file,
            log_level=log_level.upper(),
            log_format=log_format.lower() or ("text" if sys.stderr.isatty() else "json"),
            log_accepted=log_accepted,
        )
    except ValueError as error:
        raise Failure(str(error), WRONG_USAGE) from None
    raise typer.Exit(uvloop.run(run_server(settings, Knobs(), signals, deliver)))
