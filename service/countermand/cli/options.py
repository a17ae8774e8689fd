"""Options that several commands share."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from countermand.client import Client

SERVER = "127.0.0.1:50051"

# How long a person waits for a server that is not there, and for one that was there and went.
_TIMEOUT = 5.0
_RECONNECT_TIMEOUT = 300.0

_UNITS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)


def parse_span(text: str) -> timedelta:
    """Reads `90d`, `1.5h`, `30s`, `500ms`, or seconds without a unit. Wrong usage otherwise."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a span such as 30s, 10m, 2h or 90d")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2] or ""])
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long") from None


ServerOption = Annotated[
    str,
    typer.Option(
        "--server", envvar="COUNTERMAND_SERVER", metavar="HOST:PORT", help="The server to call."
    ),
]
ApiKeyOption = Annotated[
    str,
    typer.Option(
        "--api-key",
        envvar="COUNTERMAND_API_KEY",
        metavar="KEY",
        help="The key to call with. As an environment variable it stays out of the list of"
        " processes.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print protobuf JSON, with the field names of the .proto files; fields that are empty"
        " are left out, and 64-bit integers are strings.",
    ),
]


def connect(server: str, api_key: str) -> Client:
    """Returns a client to be opened. A key or server that cannot be one is wrong usage."""
    try:
        return Client(server, api_key, timeout=_TIMEOUT, reconnect_timeout=_RECONNECT_TIMEOUT)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
