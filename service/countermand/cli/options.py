"""Options that several commands share."""

import inspect
import os
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import grpc
import typer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from countermand.app.address import Address, parse_address
from countermand.app.standard_streams import note
from countermand.cli.failures import Failure, not_reached, unreached
from countermand.client import Client, CountermandError
from countermand.client.environment import SERVER
from countermand.rpc.listening.certificates import CertificateRefused, read_authorities, read_pair

# How long a person waits for a server that is not there, and for one that was there and went.
_TIMEOUT = 5.0
_RECONNECT_TIMEOUT = 300.0

_UNITS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_MAX_DAYS = 36_500
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


def parse_retention(text: str) -> float:
    """Reads a number of days, at least 1. Wrong usage otherwise."""
    if _NUMBER.fullmatch(text.strip()) is None:
        raise typer.BadParameter(f"{text!r} is not a number of days")
    days = float(text)
    if not 1 <= days <= _MAX_DAYS:
        raise typer.BadParameter(f"it must be 1 day to {_MAX_DAYS} days")
    return days


def enum_parser(enum: EnumTypeWrapper) -> Callable[[str], int]:
    """Returns a parser of the API's words for an enum, in any case. Wrong usage otherwise."""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    words = {name.removeprefix(prefix): number for name, number in enum.items() if number}

    def parse(text: str) -> int:
        found = words.get(text.upper().replace("-", "_"))
        if found is None:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(words)}")
        return found

    return parse


JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print protobuf JSON.",
    ),
]


_OLD_NAMES = {"tls": "COUNTERMAND_TLS", "tls_ca": "COUNTERMAND_TLS_CA"}
"""Still read for one release, though they were the server's, too."""

Value = TypeVar("Value")


def _warn_of_old_name(
    context: typer.Context, parameter: typer.CallbackParam, value: Value
) -> Value:
    old = _OLD_NAMES[parameter.name or ""]
    new = old.replace("COUNTERMAND_", "COUNTERMAND_CLIENT_")
    source = context.get_parameter_source(parameter.name or "")
    if source is not None and source.name == "ENVIRONMENT" and not os.environ.get(new):
        note(f"{old} is called {new} now, and will not be read any more by the next release")
    return value


class Access(NamedTuple):
    """How to reach a server, and what to show it."""

    server: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_SERVER", metavar="HOST:PORT", help=f"whom to call [{SERVER}]"
        ),
    ] = SERVER
    api_key: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_API_KEY",
            metavar="KEY",
            help="the key to show",
        ),
    ] = ""
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            envvar=["COUNTERMAND_CLIENT_TLS", "COUNTERMAND_TLS"],
            callback=_warn_of_old_name,
            help="encrypt",
        ),
    ] = False
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            envvar=["COUNTERMAND_CLIENT_TLS_CA", "COUNTERMAND_TLS_CA"],
            callback=_warn_of_old_name,
            metavar="FILE",
            help="trust these alone",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_CLIENT_TLS_CERT",
            metavar="FILE",
            help="show this one",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option(
            envvar="COUNTERMAND_CLIENT_TLS_KEY",
            metavar="FILE",
            help="its private key",
        ),
    ] = None

    def connect(self) -> Client:
        """Returns a client to be opened. What can be none is wrong usage."""
        self._address()
        try:
            return Client(
                self.server,
                self.api_key,
                credentials=self._credentials(),
                timeout=_TIMEOUT,
                reconnect_timeout=_RECONNECT_TIMEOUT,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    def why_not_reached(self, error: CountermandError) -> str:
        """Returns what to say of a call that did not reach the server."""
        # Few commands fail, and these need no TLS of Python's.
        from countermand.cli.reaching import why_not_reached

        shown = None
        if self.tls_cert is not None and self.tls_key is not None:
            shown = str(self.tls_cert), str(self.tls_key)
        return why_not_reached(error, self._address(), self._encrypts, shown)

    def _address(self) -> Address:
        try:
            address = parse_address(self.server)
            if address.port == 0:
                raise ValueError("its port is 0")
        except ValueError as error:
            raise typer.BadParameter(f"--server {self.server!r}: {error}") from None
        return address

    @property
    def _encrypts(self) -> bool:
        return bool(self.tls or self.tls_ca or self.tls_cert or self.tls_key)

    def _credentials(self) -> grpc.ChannelCredentials | None:
        """Returns what encrypts the connection; None if nothing is to."""
        if not self._encrypts:
            return None
        if (self.tls_cert is None) != (self.tls_key is None):
            raise typer.BadParameter("--tls-cert and --tls-key belong together")
        cert = key = None
        try:
            if self.tls_cert is not None and self.tls_key is not None:
                cert, key = read_pair(self.tls_cert, self.tls_key)
            ca = None if self.tls_ca is None else read_authorities(self.tls_ca)
        except CertificateRefused as refusal:
            raise Failure(str(refusal)) from None
        return grpc.ssl_channel_credentials(ca, key, cert)


def connection_help() -> str:
    """Returns what the help of the whole command says of the options that reach a server."""
    lines = ["How to reach a server, as options of a command that calls one, or as variables:"]
    for name, hint in get_type_hints(Access, include_extras=True).items():
        option = hint.__metadata__[0]
        flag = f"--{name.replace('_', '-')} {option.metavar or ''}".strip()
        variable = option.envvar if isinstance(option.envvar, str) else option.envvar[0]
        lines.append(f"- `{flag}`, {variable}: {option.help}")
    return "\n\n".join(lines)


def calls_server(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of Access in the place of its parameter `access`."""
    signature = inspect.signature(command)
    shared = inspect.signature(Access).parameters
    parameters = [
        parameter
        for name, own in signature.parameters.items()
        for parameter in (shared.values() if name == "access" else [own])
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        access = Access(**{name: given.pop(name) for name in Access._fields})
        try:
            command(**given, access=access)
        except Exception as error:
            failed = unreached(error)
            if failed is None:
                raise
            raise not_reached(access.why_not_reached(failed)) from None

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    return run
