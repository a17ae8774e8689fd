"""Why a server was not reached, with the words that help: gRPC tells it in its own."""

import socket
import ssl

from countermand.app.address import Address
from countermand.cli.failures import cause_of
from countermand.cli.output import plain
from countermand.client import CountermandError

_PROBE_TIMEOUT = 2.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


def why_not_reached(
    error: CountermandError, server: Address, tls: bool, certificate: tuple[str, str] | None
) -> str:
    """Returns what to say of a call that did not reach `server`.

    `certificate` is what was shown to it: the file, and the file of its key.
    """
    cause = cause_of(error)
    if "WRONG_VERSION_NUMBER" in cause:
        return (
            f"{server} speaks no TLS: call it without --tls and --tls-ca, and without"
            " COUNTERMAND_CLIENT_TLS and COUNTERMAND_CLIENT_TLS_CA"
        )
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return (
            f"the certificate of {server} is of no authority that is trusted"
            " (CERTIFICATE_VERIFY_FAILED): name its own by --tls-ca or COUNTERMAND_CLIENT_TLS_CA"
        )
    if "Hostname Verification" in cause:
        return (
            f"the certificate of {server} is of another name: --server and COUNTERMAND_SERVER must"
            " name it as its certificate does"
        )
    if "refused" not in cause and "resolving" not in cause:
        answered = _probe(server, certificate)
        if answered is not None and not tls:
            return (
                f"{server} wants TLS: name its authority by --tls-ca or COUNTERMAND_CLIENT_TLS_CA,"
                " or trust well-known ones with --tls or COUNTERMAND_CLIENT_TLS"
            )
        if answered is False:
            return (
                f"{server} wants {'another' if certificate else 'a'} certificate of its client:"
                " name one by --tls-cert and --tls-key, or COUNTERMAND_CLIENT_TLS_CERT and"
                " COUNTERMAND_CLIENT_TLS_KEY"
            )
    return f"{plain(cause)}; --server or COUNTERMAND_SERVER says where it is"


def _probe(server: Address, certificate: tuple[str, str] | None) -> bool | None:
    """Returns whether a server that speaks TLS takes the certificate; None if it speaks none.

    Nothing is said to it, so it need not be the right one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    spoke = False
    try:
        if certificate is not None:
            context.load_cert_chain(*certificate)
        with (
            socket.create_connection((server.host, server.port), _PROBE_TIMEOUT) as plain_socket,
            context.wrap_socket(plain_socket) as secure,
        ):
            spoke = True
            secure.sendall(_PREFACE)
            return bool(secure.recv(1))
    except ssl.SSLError as error:
        return False if spoke or "ALERT" in (error.reason or "") else None
    except OSError:
        return False if spoke else None
