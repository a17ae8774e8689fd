"""From the address that an operator gave to what libpq is to do. No password leaves this module but
to libpq."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from countermand.store.contract import StoreRefused

SCHEMES = ("postgresql://", "postgres://")
FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_PART = r"[^:@/?#\s,\[\]]"
_HOST = rf"(?:{_PART}+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
_ADDRESS = re.compile(
    rf"postgres(?:ql)?://(?:(?P<user>{_PART}*)(?::(?P<password>[^:@/?#\s]*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)?/(?P<database>{_PART}+)(?:\?(?P<options>[^#\s]*))?"
)
DEFAULTS: dict[str, Any] = {
    "application_name": "countermand",
    "connect_timeout": 2,  # of each host; libpq takes no less
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    # As long as a turn may wait: what is sent behind a statement that takes the server longer, and
    # for which it has no room yet, would count as lost before.
    "tcp_user_timeout": 10_000,
    "target_session_attrs": "read-write",
}
"""What holds unless the address says otherwise: a server that is gone is noticed within seconds."""
FIXED = {"client_encoding": "utf8"}
REFUSED = ("options", "replication", "service")
"""Options of libpq that would change what the store stands on."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and who asks. Its text is without the password."""

    parameters: dict[str, Any]
    """What libpq takes, with the password if there is one."""
    shown: str
    """For messages and logs."""

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Address({self.shown})"

    @property
    def servers(self) -> list["Server"]:
        """Each of its hosts, in order."""
        hosts = str(self.parameters.get("host") or "").split(",")
        ports = str(self.parameters.get("port") or "").split(",")
        return [Server(host, ports[at if len(ports) > 1 else 0]) for at, host in enumerate(hosts)]

    def at(self, server: "Server") -> dict[str, Any]:
        """Returns what libpq takes to reach one server alone."""
        only = {name: value for name, value in server._asdict().items() if value}
        return self.parameters | only


class Server(NamedTuple):
    """One server, by what libpq calls the parts of its place; what is empty is libpq's default."""

    host: str
    port: str
    hostaddr: str = ""

    def __str__(self) -> str:
        return f"{self.host or 'the local socket'}{f':{self.port}' if self.port else ''}"


def parse_address(url: str) -> Address:
    """Returns what an address says. Raises StoreRefused, with nothing of it that may be secret."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise StoreRefused(
            f"the store must be {FORM}, with more hosts behind commas, and what is special in the "
            "password percent-encoded"
        )
    try:
        given = conninfo_to_dict(url)
    except (psycopg.Error, ValueError) as error:
        why = _without(str(error).strip().splitlines()[0], found["password"])
        raise StoreRefused(f"the store must be {FORM}: {why}") from None
    for name, value in FIXED.items():
        if str(given.get(name, value)).lower().replace("-", "") != value:
            raise StoreRefused(f"the address of the store must not set {name}")
    for name in REFUSED:
        if name in given:
            raise StoreRefused(f"the address of the store must not set {name}")
    user = f"{given['user']}@" if given.get("user") else ""
    shown = f"postgresql://{user}{found['hosts'] or ''}/{given['dbname']}"
    return Address({**DEFAULTS, **given, **FIXED}, _without(shown, found["password"]))


def without_password(address: Address, text: str) -> str:
    """Returns a text in which the password of an address does not stand."""
    return _without(text, address.parameters.get("password"))


def _without(text: str, password: str | None) -> str:
    return text.replace(password, "***") if password else text
