"""The server's certificate: read at the start, and again when its files have changed."""

import logging
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import grpc

from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class CertificateRefused(Exception):
    """The files cannot be used; the text says why, for the operator."""


def read_pair(cert: Path, key: Path) -> tuple[bytes, bytes]:
    """Returns a certificate and its key. Raises CertificateRefused if that is not what they are.

    gRPC would say only that something is wrong, and only in its own log.
    """
    pair = _read(cert), _read(key)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key, password="")  # and never ask for one
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateRefused(f"{key} is not the key of {cert}") from None
        raise CertificateRefused(f"{cert} or {key} is not PEM, or the key is encrypted") from None
    except OSError as error:
        raise CertificateRefused(f"cannot read {cert} and {key}: {error.strerror}") from None
    return pair


def read_authorities(path: Path) -> bytes:
    """Returns certificates to trust. Raises CertificateRefused if there are none."""
    pem = _read(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise CertificateRefused(f"{path} has no certificates in PEM") from None
    return pem


class CertificateFiles(NamedTuple):
    """Where the PEM files are."""

    cert: Path
    key: Path
    client_ca: Path | None

    def state(self) -> tuple[object, ...]:
        """Returns what changes when one of the files is written, replaced or removed."""
        return tuple(_state_of(path) for path in self if path is not None)

    def context(self) -> ssl.SSLContext:
        """Returns the certificate for our own sockets, for as long as it is not replaced.

        Raises CertificateRefused if it cannot be served.
        """
        read_pair(self.cert, self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key, password="")
        if self.client_ca is not None:
            context.load_verify_locations(cadata=read_authorities(self.client_ca).decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Returns the certificate for gRPC. Raises CertificateRefused if it cannot be served."""
        cert, key = read_pair(self.cert, self.key)
        authorities = None if self.client_ca is None else read_authorities(self.client_ca)
        return grpc.ssl_server_certificate_configuration([(key, cert)], authorities)


class CertificateReader:
    """Gives gRPC the certificate for each new connection.

    What is open stays open with the certificate that it began with. Files that do not fit together,
    as when only one of them was replaced yet, change nothing, and are logged once.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Reads the files. Raises CertificateRefused."""
        self._files = files
        self._lock = Lock()
        self._seen = files.state()
        self._newest = files.read()

    def credentials(self) -> grpc.ServerCredentials:
        """Returns what the server listens with on one address, each its own; clients must show a
        certificate if their authorities are known."""
        served = self._newest

        def read_again() -> grpc.ServerCertificateConfiguration | None:
            """Returns the certificate if it is another than before. gRPC calls it in threads of its
            own, before each handshake."""
            nonlocal served
            with self._lock:
                self._look()
                if self._newest is served:
                    return None
                served = self._newest
                return served

        return grpc.dynamic_ssl_server_credentials(
            served,
            read_again,  # type: ignore[arg-type]  # None means no change
            require_client_authentication=self._files.client_ca is not None,
        )

    def _look(self) -> None:
        """Reads the files if they have changed."""
        state = self._files.state()
        if state == self._seen:
            return
        try:
            found = self._files.read()
        except CertificateRefused as refusal:
            self._seen = state
            log.error(
                "the new certificate cannot be used, and the last one is kept",
                extra=fields(cause=str(refusal)),
            )
            return
        if self._files.state() != state:
            return  # they are being written; the next connection looks again
        self._seen = state
        self._newest = found
        log.info("read a new certificate", extra=fields(file=str(self._files.cert)))


def client_name(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """Returns the name in the certificate that a client showed: its first subject alternative
    name, or its common name; empty if it has neither. What no text has is escaped in it."""
    for key in ("x509_subject_alternative_name", "x509_common_name"):
        for name in auth_context.get(key, ()):
            return name.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return ""


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateRefused(f"cannot read {path}: {error.strerror}") from None
