"""What an operator can set."""

from dataclasses import dataclass
from pathlib import Path

from countermand.app.address import Address, parse_address
from countermand.core.shipping import ShippedWords
from countermand.store.names import is_postgres

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs. Raises ValueError for what cannot be meant; the text says why."""

    listen: str = "127.0.0.1:50051"
    """Host and port. A name is all of its addresses, 0.0.0.0 and [::] are all of this machine's;
    port 0 picks a free one."""
    metrics_listen: str | None = None
    """Host and port, as above, at which metrics are read; None: nowhere."""
    store: str = "sqlite:///countermand.db"
    """`sqlite:///` and a path, which is relative unless it begins with another slash; or
    `postgresql://`, and where a database is."""
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
    max_tenant_bytes: int | None = None
    """How many bytes each tenant may store; None: as many as the disk has."""
    max_failed_logins: int = 20
    """How many calls without a right key an address may make per second, before it is throttled."""
    secrets_key: Path | None = None
    """A file with the keys that seal the secrets of webhooks in the store, one in each line."""
    allow_loopback_webhooks: bool = False
    """Whether webhooks in sandbox may go to this machine's loopback."""
    no_deliveries: bool = False
    """Whether webhooks are left to other processes, which a store on PostgreSQL may have."""
    log_level: str = "INFO"
    """The least level of what is logged: one of `LOG_LEVELS`."""
    log_format: str = "json"
    """`json`, or `text` for people."""
    log_accepted: bool = False
    """Whether each accepted cancel leaves a line in the log."""
    shipped_words: tuple[str, ...] = ()
    """By what other words, beside the standard ones, a platform says that goods have left."""

    first_key_file: Path | None = None
    """Where the key of a store that has none is written; None: to standard error."""

    @property
    def address(self) -> Address:
        """Where to listen."""
        return parse_address(self.listen)

    @property
    def metrics_address(self) -> Address | None:
        """Where metrics are read; None if nowhere."""
        return None if self.metrics_listen is None else parse_address(self.metrics_listen)

    @property
    def only_loopback(self) -> bool:
        """Whether nobody beyond this machine may be answered."""
        return self.tls_cert is None and not self.insecure

    def __post_init__(self) -> None:
        if self.log_level not in LOG_LEVELS:
            raise ValueError(f"--log-level is one of {', '.join(LOG_LEVELS)}")
        if self.log_format not in LOG_FORMATS:
            raise ValueError(f"--log-format is one of {', '.join(LOG_FORMATS)}")
        ShippedWords(self.shipped_words)
        if self.no_deliveries and not is_postgres(self.store):
            raise ValueError(
                "--no-deliveries needs a store on PostgreSQL, where `countermand deliver` delivers"
            )
        address = _parsed("--listen", self.listen)
        metrics = None
        if self.metrics_listen is not None:
            metrics = _parsed("--metrics-listen", self.metrics_listen)
            if metrics == address and address.port:
                raise ValueError("--listen and --metrics-listen are the same address")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("--tls-cert and --tls-key belong together")
        if self.tls_cert is not None:
            if self.insecure:
                raise ValueError("--insecure and --tls-cert contradict each other")
            return
        if self.tls_client_ca is not None:
            raise ValueError("--tls-client-ca needs --tls-cert and --tls-key")
        for given, what in ((address, "calls"), (metrics, "metrics")):
            if self.only_loopback and given is not None and not given.is_loopback:
                raise ValueError(
                    f"{given} is not a loopback address, and {what} would not be encrypted: give "
                    "--tls-cert and --tls-key, or --insecure if something else encrypts them"
                )


def _parsed(flag: str, text: str) -> Address:
    """Returns the address that a flag says. Raises ValueError, which names it."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise ValueError(f"{flag} {text!r}: {error}") from None
