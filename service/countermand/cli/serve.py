"""`countermand serve`."""

from datetime import timedelta
from typing import Annotated

import typer

from countermand.cli.options import SERVER, parse_span


def serve(
    listen: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_LISTEN",
            metavar="HOST:PORT",
            help="Where to listen; port 0 picks a free one.",
        ),
    ] = SERVER,
    store: Annotated[
        str,
        typer.Option(envvar="COUNTERMAND_STORE", metavar="URL", help="Where everything is kept."),
    ] = "sqlite:///countermand.db",
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
    # The client commands start faster without the server's modules.
    import uvloop

    from countermand.rpc.server import serve as run_server
    from countermand.rpc.settings import Settings

    settings = Settings(listen=listen, store=store, drain_timeout=drain_timeout.total_seconds())
    raise typer.Exit(uvloop.run(run_server(settings)))
