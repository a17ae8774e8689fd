"""`countermand webhooks listen`: a receiver on this machine, for developers."""

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated

import typer

from countermand.app.address import parse_address
from countermand.app.standard_streams import note
from countermand.cli.failures import Failure
from countermand.cli.output import show

_EPOCH = datetime.fromtimestamp(0, UTC)
_MAX_BODY = 64 * 1024
_SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def listen(
    secret: Annotated[
        str,
        typer.Option(
            envvar="COUNTERMAND_WEBHOOK_SECRET",
            metavar="SECRET",
            help="The webhook's secret. As an environment variable it stays out of the list of"
            " processes.",
        ),
    ],
    address: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 picks one."),
    ] = "127.0.0.1:8787",
    count: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Leave after so many events; 0 for never."),
    ] = 0,
) -> None:
    """Receive webhooks on this machine, verify them, and print each body in a line.

    It answers 204 to what is signed with the secret, and 401 to anything else. The server must run
    with --allow-loopback-webhooks.

    Examples:

    - `countermand webhooks listen --secret whsec_…`

    - `countermand webhooks listen --secret whsec_… --listen 127.0.0.1:9000 --count 1`
    """
    from standardwebhooks import Webhook

    try:
        where = parse_address(address)
        verifier = Webhook(secret)
        verifier.sign("", _EPOCH, "")
    except (ValueError, RuntimeError) as error:
        raise typer.BadParameter(str(error)) from None
    taken = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            nonlocal taken
            status, body = 401, b""
            length = self.headers.get("content-length", "")
            if not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY:
                status, self.close_connection = 413, True
            else:
                body = self.rfile.read(int(length))
                found = {name: self.headers.get(name, "") for name in _SIGNATURE_HEADERS}
                try:
                    said = verifier.verify(body, found)
                except Exception as error:  # the library raises more kinds than its own
                    note(f"refused: {error}")
                else:
                    status = 204
                    show(json.dumps(said, ensure_ascii=False))
                    taken += 1
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer((where.host, where.port), Handler)
    except OSError as error:
        raise Failure(f"cannot listen on {address}: {error.strerror}") from None
    with server:
        note(f"listening on http://{where.host}:{server.server_port}/")
        try:
            while not count or taken < count:
                server.timeout = 0.1
                server.handle_request()
        except KeyboardInterrupt:
            raise typer.Exit from None
