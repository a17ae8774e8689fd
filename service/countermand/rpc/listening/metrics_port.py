"""Where metrics are read: bound as the server's own port is, and encrypted if that is."""

import ssl
from collections.abc import Callable

from countermand.app.address import Address, is_loopback
from countermand.app.settings import Settings
from countermand.core.knobs import Knobs
from countermand.rpc.listening.binding import BindRefused, bind, resolve
from countermand.rpc.listening.certificates import CertificateFiles, CertificateRefused
from countermand.rpc.listening.port import ListenRefused, certificate_files
from countermand.telemetry.metrics import Metrics
from countermand.telemetry.scraping import ScrapeServer


async def listen_for_scrapes(
    settings: Settings, metrics: Metrics, knobs: Knobs
) -> tuple[ScrapeServer, Address] | None:
    """Binds the port that metrics are read at, and returns what answers there once it is started,
    and where that is; None if nobody asked for one. Raises ListenRefused."""
    wanted = settings.metrics_address
    if wanted is None:
        return None
    try:
        ips = await resolve(wanted)
        if settings.only_loopback and not all(map(is_loopback, ips)):
            raise BindRefused("the name is not a loopback address here")
        tls = _context(settings)
        sockets, port = bind(wanted, ips, knobs.server.max_free_port_tries)
        server = ScrapeServer(sockets, metrics.render, knobs.telemetry.scraping, tls)
    except BindRefused as refusal:
        raise ListenRefused(f"cannot listen on {wanted} for metrics: {refusal}") from None
    except OSError as error:
        raise ListenRefused(f"cannot listen on {wanted} for metrics: {error.strerror}") from None
    except CertificateRefused as refusal:
        raise ListenRefused(str(refusal)) from None
    return server, Address(wanted.host, port)


def _context(settings: Settings) -> Callable[[], ssl.SSLContext] | None:
    """Returns what encrypts each connection; None if nothing does. Raises CertificateRefused."""
    files = certificate_files(settings)
    return None if files is None else Newest(files).context


class Newest:
    """The newest certificate that can be used. What cannot be is logged where the server's own port
    finds it, and the last one is kept here, too."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._seen = files.state()
        self._newest = files.context()

    def context(self) -> ssl.SSLContext:
        state = self._files.state()
        if state != self._seen:
            try:
                found = self._files.context()
            except (CertificateRefused, OSError, ValueError):
                self._seen = state
            else:
                if self._files.state() == state:  # else they are being written
                    self._seen, self._newest = state, found
        return self._newest
