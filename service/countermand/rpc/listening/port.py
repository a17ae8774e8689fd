"""Where the server listens, and what it takes of a connection before any method is called."""

from typing import Any

import grpc

from countermand.app.address import Address, is_loopback
from countermand.app.settings import Settings
from countermand.core.knobs import ConnectionKnobs
from countermand.rpc.listening.binding import BindRefused, held, resolve
from countermand.rpc.listening.certificates import (
    CertificateFiles,
    CertificateReader,
    CertificateRefused,
)
from countermand.rpc.method import LARGE


class ListenRefused(Exception):
    """The server cannot listen as it should; the text says why, for the operator."""


def options(knobs: ConnectionKnobs) -> list[tuple[str, Any]]:
    """Returns the options of a gRPC server."""
    return [
        ("grpc.max_concurrent_streams", knobs.max_concurrent_streams),
        ("grpc.max_receive_message_length", LARGE),
        ("grpc.max_metadata_size", knobs.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", knobs.absolute_max_metadata_bytes),
        ("grpc.server.max_pending_requests", knobs.max_pending_requests),
        ("grpc.server.max_pending_requests_hard_limit", knobs.max_pending_requests_hard_limit),
        ("grpc.max_connection_idle_ms", knobs.max_idle_ms),
        ("grpc.max_connection_age_ms", knobs.max_age_ms),
        ("grpc.max_connection_age_grace_ms", knobs.max_age_grace_ms),
        ("grpc.keepalive_time_ms", knobs.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", knobs.keepalive_timeout_ms),
        ("grpc.http2.ping_timeout_ms", knobs.ping_timeout_ms),
        ("grpc.http2.min_ping_interval_without_data_ms", knobs.min_ping_interval_ms),
        ("grpc.server_handshake_timeout_ms", knobs.handshake_timeout_ms),
        # A second server must not silently share the port.
        ("grpc.so_reuseport", 0),
    ]


async def listen(server: grpc.aio.Server, settings: Settings, free_port_tries: int) -> Address:
    """Binds the server, which is not started yet, and returns where it listens.

    A name stands for each of its addresses: all of them are bound, with one port. Raises
    ListenRefused.
    """
    certificates = _certificates(settings)
    wanted = settings.address
    try:
        ips = await resolve(wanted)
        if settings.only_loopback and not all(map(is_loopback, ips)):
            raise BindRefused("the name is not a loopback address here")
        with held(wanted, ips, free_port_tries) as (bound, port):
            for ip in bound:
                _add_port(server, Address(str(ip), port), certificates)
    except BindRefused as refusal:
        raise ListenRefused(f"cannot listen on {wanted}: {refusal}") from None
    return Address(wanted.host, port)


def _add_port(
    server: grpc.aio.Server, address: Address, certificates: CertificateReader | None
) -> None:
    """Has gRPC listen on one address. Raises BindRefused."""
    try:
        if certificates is None:
            port = server.add_insecure_port(str(address))
        else:
            port = server.add_secure_port(str(address), certificates.credentials())
    except RuntimeError:
        port = 0
    if port != address.port:
        raise BindRefused(f"gRPC cannot have {address}")


def certificate_files(settings: Settings) -> CertificateFiles | None:
    """Returns where the certificate is; None if nothing is encrypted."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return CertificateFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def _certificates(settings: Settings) -> CertificateReader | None:
    """Returns what encrypts the connections; None if nothing does."""
    files = certificate_files(settings)
    if files is None:
        return None
    try:
        return CertificateReader(files)
    except CertificateRefused as refusal:
        raise ListenRefused(str(refusal)) from None
