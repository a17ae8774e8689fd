"""Where the server listens, and what it takes of a connection before any method is called."""

from typing import Any

import grpc

from countermand.rpc.certificates import CertificateFiles, CertificateReader, CertificateRefused
from countermand.rpc.settings import Settings

# The defaults of gRPC are not safe for long streams. Unlimited streams let one client that resets
# them starve all others, for these wait for up to as many calls as it may have open: measured, a
# cancel then has a p50 of 450 ms with 1,000 streams, 85 with 300, and 50 with 200 or 100. With few,
# gRPC's overload protection refuses clients that call much at a time, since it counts streams that
# have ended and are not freed yet, at worst as many as are open: measured, with 100 it refused 124
# of 4,000 calls of 90 at a time, with 200 none of these and 4 of those of 128. The ping timeout
# governs a frozen peer, which the keepalive timeout does not. A second server must not silently
# share the port.
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_concurrent_streams", 200),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    ("grpc.server.max_pending_requests", 12_000),
    ("grpc.server.max_pending_requests_hard_limit", 16_000),
    ("grpc.max_connection_idle_ms", 5 * 60_000),
    ("grpc.max_connection_age_ms", 60 * 60_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.so_reuseport", 0),
]


class ListenRefused(Exception):
    """The server cannot listen as it should; the text says why, for the operator."""


def listen(server: grpc.aio.Server, settings: Settings) -> str:
    """Binds the server, which is not started yet, and returns its HOST:PORT.

    Raises ListenRefused.
    """
    credentials = _credentials(settings)
    try:
        if credentials is None:
            port = server.add_insecure_port(settings.listen)
        else:
            port = server.add_secure_port(settings.listen, credentials)
    except RuntimeError:
        port = 0
    if not port:
        raise ListenRefused(f"cannot listen on {settings.listen}: is another server there?")
    return f"{settings.listen.rpartition(':')[0]}:{port}"


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Returns what encrypts the connections; None if nothing does."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    files = CertificateFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    try:
        return CertificateReader(files).credentials()
    except CertificateRefused as refusal:
        raise ListenRefused(str(refusal)) from None
