"""What an operator can set."""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from countermand.core.shipping import ShippedWords


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs. Raises ValueError for what cannot be meant; the text says why."""

    listen: str = "127.0.0.1:50051"
    """Host and port; port 0 picks a free one."""
    store: str = "sqlite:///countermand.db"
    """`sqlite:///` and a path, which is relative unless it begins with another slash."""
    retention: float = 30.0
    """Days that what has ended is kept, at least 1."""
    drain_timeout: float = 10.0
    """Seconds that calls have to finish in after the first SIGTERM."""
    tls_cert: Path | None = None
    """The server's certificate and its chain, in PEM. With it and its key, calls are encrypted."""
    tls_key: Path | None = None
    """The private key of that certificate, in PEM and not encrypted."""
    tls_client_ca: Path | None = None
    """The authorities, in PEM, of one of which every client must show a certificate."""
    insecure: bool = False
    """Whether others than this machine may be answered without encryption."""
    max_watches: int = 20_000
    """How many watches may be open at once; each costs memory."""
    max_failed_logins: int = 20
    """How many calls without a right key an address may make per second, before it is put off."""
    shipped_words: tuple[str, ...] = ()
    """By what other words, beside the standard ones, a platform says that goods have left."""

    def __post_init__(self) -> None:
        ShippedWords(self.shipped_words)
        host, colon, port = self.listen.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"--listen must be HOST:PORT, not {self.listen}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together")
        if self.tls_cert is not None:
            if self.insecure:
                raise ValueError("--insecure and --tls-cert contradict each other")
            return
        if self.tls_client_ca is not None:
            raise ValueError("--tls-client-ca needs --tls-cert and --tls-key")
        if not (self.insecure or _is_loopback(host)):
            raise ValueError(
                f"{self.listen} is not a loopback address, and calls would not be encrypted: give "
                "--tls-cert and --tls-key, or --insecure if something else encrypts them"
            )


def _is_loopback(host: str) -> bool:
    address = None
    with suppress(ValueError):
        address = ip_address(host.strip("[]"))
    return host == "localhost" or (address is not None and address.is_loopback)
