"""How to reach a server, as the environment says it: the variables of the command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import grpc

SERVER = "127.0.0.1:50051"
"""Whom to call if nothing is said."""

_NO = {"", "0", "false", "f", "no", "n", "off"}
_YES = {"1", "true", "t", "yes", "y", "on"}


class Environment(NamedTuple):
    """What COUNTERMAND_SERVER, COUNTERMAND_API_KEY and COUNTERMAND_CLIENT_TLS… say."""

    server: str
    api_key: str | None
    credentials: grpc.ChannelCredentials | None


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Reads the variables, by default those of this process.

    COUNTERMAND_CLIENT_TLS encrypts, and trusts well-known authorities; each of _CLIENT_TLS_CA,
    _CLIENT_TLS_CERT and _CLIENT_TLS_KEY names a file of PEM, and encrypts, too. Raises ValueError
    for what is no yes or no and for half of a pair, and OSError for a file that cannot be read.
    """
    found = os.environ if variables is None else variables
    return Environment(
        found.get("COUNTERMAND_SERVER") or SERVER,
        found.get("COUNTERMAND_API_KEY") or None,
        _credentials(found),
    )


def _credentials(found: Mapping[str, str]) -> grpc.ChannelCredentials | None:
    name = "COUNTERMAND_CLIENT_TLS"
    said = found.get(name, "").strip().lower()
    if said not in _NO | _YES:
        raise ValueError(f"{name} is {said!r}, and neither true nor false")
    ca, cert, key = (_read(found, f"{name}_{which}") for which in ("CA", "CERT", "KEY"))
    if (cert is None) != (key is None):
        raise ValueError(f"{name}_CERT and {name}_KEY belong together")
    if said in _NO and ca is None and cert is None:
        return None
    return grpc.ssl_channel_credentials(ca, key, cert)


def _read(found: Mapping[str, str], name: str) -> bytes | None:
    path = found.get(name)
    return Path(path).read_bytes() if path else None
