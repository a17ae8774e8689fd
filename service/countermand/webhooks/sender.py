"""Sends one signed request, and says what came of it."""

import asyncio
import re
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from standardwebhooks import Webhook as Signer

from countermand import __version__
from countermand.core.knobs import WebhookKnobs
from countermand.core.records import SECOND
from countermand.core.webhooks import Attempt, Notice
from countermand.webhooks.egress import AddressRefused, Gate, Lookups, asking
from countermand.webhooks.items import Outcome

MAX_ERROR = 256
PAUSING = (429, 503)
"""With what statuses an endpoint may ask to be left alone for a while."""
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


def sign(secrets: Sequence[str], notice: Notice, now: int) -> dict[str, str]:
    """Returns the headers of a request, with a signature by each of the secrets."""
    moment = datetime.fromtimestamp(now // SECOND, UTC)
    signatures = [Signer(secret).sign(notice.message_id, moment, notice.body) for secret in secrets]
    return {
        "webhook-id": notice.message_id,
        "webhook-timestamp": str(now // SECOND),
        "webhook-signature": " ".join(signatures),
    }


class Sender:
    """Sends requests to public addresses, or to this machine's loopback, too, if it is let.

    It follows no redirect, uses no proxy, keeps no cookie and inflates nothing. Of an answer, the
    status counts.
    """

    def __init__(
        self, knobs: WebhookKnobs, *, loopback: bool = False, context: ssl.SSLContext | None = None
    ) -> None:
        """`context` decides whose certificates are believed. Make it in a running event loop."""
        self._knobs = knobs
        gate = Gate(loopback=loopback)
        self._session = ClientSession(
            connector=TCPConnector(
                resolver=Lookups(gate, knobs),
                socket_factory=gate.make_socket,
                ssl=context or True,
                limit=0,
                keepalive_timeout=knobs.keepalive_timeout,
            ),
            timeout=ClientTimeout(total=knobs.timeout, sock_connect=knobs.connect_timeout),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=knobs.max_answer_bytes,
            max_line_size=knobs.max_header_bytes,
            max_field_size=knobs.max_header_bytes,
            max_headers=knobs.max_headers,
            headers={
                "content-type": "application/json",
                "user-agent": f"countermand/{__version__}",
                "accept-encoding": "identity",
            },
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def send(self, url: str, notice: Notice, secrets: Sequence[str], now: int) -> Outcome:
        """Posts a notice. Returns what came of it, after 15 seconds at most."""
        asking.set(notice.namespace)
        begin = time.monotonic_ns()
        status, error, retry_after = 0, "", None
        try:
            async with asyncio.timeout(self._knobs.timeout):
                answer = await self._session.post(
                    url,
                    data=notice.body.encode(),
                    headers=sign(secrets, notice, now),
                    allow_redirects=False,
                )
            status = answer.status
            if not 200 <= status < 300:
                error = f"answered {status}"
            if status in PAUSING:
                retry_after = read_retry_after(answer.headers.get("retry-after", ""), now)
            duration = (time.monotonic_ns() - begin) // 1000
            await self._drain(answer)
        except TimeoutError:
            error = f"no answer within {self._knobs.timeout:g} s"
            duration = (time.monotonic_ns() - begin) // 1000
        except (ClientError, OSError, ValueError) as failure:
            error = _why(failure)
            duration = (time.monotonic_ns() - begin) // 1000
        return Outcome(Attempt(now, duration, status, error[:MAX_ERROR]), retry_after)

    async def _drain(self, answer: ClientResponse) -> None:
        """Takes what there is of the body, if that is little, so that the connection can be used
        again; else closes that."""
        left = self._knobs.max_answer_bytes
        with suppress(TimeoutError, ClientError, OSError, ValueError):
            async with asyncio.timeout(self._knobs.drain_timeout):
                while left > 0 and (chunk := await answer.content.read(left)):
                    left -= len(chunk)
        if answer.content.at_eof():
            answer.release()
        else:
            answer.close()


def read_retry_after(text: str, now: int) -> int | None:
    """Returns how long an endpoint asks to be left alone, in microseconds; None if it does not."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return int(text) * SECOND
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, round(moment.timestamp() * SECOND) - now)


def _why(failure: BaseException) -> str:
    """Returns why there was no answer, without what the other side wrote."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return "refused: not a public address"
        # The errors of aiohttp are of this kind, too, and have no reason.
        reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
        if reason:
            return f"TLS failed: {reason.lower().replace('_', ' ')}"
        cause = cause.__cause__ or cause.__context__
    return f"no answer: {type(failure).__name__}"
