"""The options that `countermand serve` and `countermand deliver` have in common."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from countermand.cli.options import parse_span

Listen = Annotated[
    str,
    typer.Option(envvar="COUNTERMAND_LISTEN", metavar="HOST:PORT", help="Port 0 picks a free one."),
]
MetricsListen = Annotated[
    str | None,
    typer.Option(
        envvar="COUNTERMAND_METRICS_LISTEN",
        metavar="HOST:PORT",
        help="Prometheus reads /metrics.",
    ),
]
Store = Annotated[
    str, typer.Option(envvar="COUNTERMAND_STORE", metavar="URL", help="Where all is kept.")
]
TlsCert = Annotated[
    Path | None,
    typer.Option(envvar="COUNTERMAND_TLS_CERT", metavar="FILE", help="The server's certificate."),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(envvar="COUNTERMAND_TLS_KEY", metavar="FILE", help="Its private key."),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", envvar="COUNTERMAND_INSECURE", help="Encrypt nothing.")
]
SecretsKey = Annotated[
    Path | None,
    typer.Option(envvar="COUNTERMAND_SECRETS_KEY", metavar="FILE", help="Seals secrets."),
]
AllowLoopbackWebhooks = Annotated[
    bool,
    typer.Option(
        "--allow-loopback-webhooks",
        envvar="COUNTERMAND_ALLOW_LOOPBACK_WEBHOOKS",
        help="For development.",
    ),
]
LogLevel = Annotated[
    str,
    typer.Option(
        envvar="COUNTERMAND_LOG_LEVEL",
        metavar="LEVEL",
        help="DEBUG, INFO, WARNING …",
        show_default=False,
    ),
]
LogFormat = Annotated[
    str,
    typer.Option(
        envvar="COUNTERMAND_LOG_FORMAT",
        metavar="FORMAT",
        help="text or json.",
        show_default=False,
    ),
]
DrainTimeout = Annotated[
    timedelta,
    typer.Option(
        envvar="COUNTERMAND_DRAIN_TIMEOUT",
        parser=parse_span,
        metavar="SPAN",
        help="Patience of SIGTERM.",
    ),
]
