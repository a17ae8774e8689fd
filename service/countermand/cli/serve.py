"""`countermand serve`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from countermand.app.signals import StopSignals
from countermand.cli.failures import WRONG_USAGE, Failure
from countermand.cli.options import SERVER, parse_retention, parse_span


def serve(
    listen: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_LISTEN",
            metavar="HOST:PORT",
            help="Where to listen: HOST is an IPv4 address, an IPv6 address in brackets, or a name,"
            " which is all of its addresses; 0.0.0.0 and [::] are all of this machine's. Port 0"
            " picks a free one.",
        ),
    ] = SERVER,
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            envvar="COUNTERMAND_METRICS_LISTEN",
            metavar="HOST:PORT",
            help="Where Prometheus may read metrics, at /metrics, with HOST and PORT as above. By"
            " default, nowhere. It needs no key, and is encrypted if calls are.",
        ),
    ] = None,
    store: Annotated[
        str,
        typer.Option(envvar="COUNTERMAND_STORE", metavar="URL", help="Where everything is kept."),
    ] = "sqlite:///countermand.db",
    retention: Annotated[
        float,
        typer.Option(
            envvar="COUNTERMAND_RETENTION",
            parser=parse_retention,
            metavar="DAYS",
            help="How long what has ended is kept, at least 1 day: tasks with their history,"
            " cancellations, request ids; then groups, checkouts, orders and carts with nothing"
            " left in them that have not changed for as long.",
        ),
    ] = "30",  # type: ignore[assignment]  # typer parses a default as it does an argument
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_TLS_CERT",
            metavar="FILE",
            help="Encrypt, with this certificate and its chain, in PEM. It is read again when it"
            " changes.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_TLS_KEY", metavar="FILE", help="The certificate's private key."
        ),
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_TLS_CLIENT_CA",
            metavar="FILE",
            help="Demand of every client a certificate of one of these authorities, in PEM.",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            envvar="COUNTERMAND_INSECURE",
            help="Listen without encryption also where other machines reach it: for a network that"
            " encrypts by itself.",
        ),
    ] = False,
    max_watches: Annotated[
        int,
        typer.Option(
            envvar="COUNTERMAND_MAX_WATCHES",
            metavar="N",
            min=1,
            help="How many watches may be open at once, of all keys together.",
        ),
    ] = 20_000,
    max_tenant_bytes: Annotated[
        int | None,
        typer.Option(
            envvar="COUNTERMAND_MAX_TENANT_BYTES",
            metavar="BYTES",
            min=1,
            help="How much each tenant may store. Above it, creations and updates are STORE_FULL;"
            " cancels, ends and settlements never are. By default there is no bound.",
            show_default=False,
        ),
    ] = None,
    max_failed_logins: Annotated[
        int,
        typer.Option(
            envvar="COUNTERMAND_MAX_FAILED_LOGINS",
            metavar="N",
            min=1,
            help="How many calls without a right key an address may make per second before it is"
            " put off. Raise it behind a proxy, whose clients all have its address.",
        ),
    ] = 20,
    shipped_word: Annotated[
        list[str],
        typer.Option(
            envvar="COUNTERMAND_SHIPPED_WORD",
            metavar="WORD",
            help="One more word by which your platform says that goods have left, so that an order"
            " with it is not cancelled; give it once for each word. Case, blanks, `_` and `-` do"
            " not count. In the variable, blanks stand between words: write `left_the_house`.",
        ),
    ] = [],  # noqa: B006  # typer reads the default, and gives each call a list of its own
    drain_timeout: Annotated[
        timedelta,
        typer.Option(
            envvar="COUNTERMAND_DRAIN_TIMEOUT",
            parser=parse_span,
            metavar="SPAN",
            help="How long SIGTERM lets calls finish before the server stops.",
        ),
    ] = "10s",  # type: ignore[assignment]  # typer parses a default as it does an argument
) -> None:
    """Run the server.

    When it is ready it prints `listening on HOST:PORT` to stdout; its log goes to stderr. On a
    store without keys it first makes one with all scopes, for tenant `default` in `sandbox`, and
    prints it once to stderr. SIGTERM and Ctrl-C drain; a second one stops at once.
    """
    signals = StopSignals()
    # The client commands start faster without the server's modules.
    import uvloop

    from countermand.app.settings import Settings
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
            shipped_words=tuple(shipped_word),
        )
    except ValueError as error:
        raise Failure(str(error), WRONG_USAGE) from None
    raise typer.Exit(uvloop.run(run_server(settings, Knobs(), signals)))
