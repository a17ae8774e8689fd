"""The port at which metrics are read: `GET /metrics`, and nothing else.

It has a thread and an event loop of its own, so whatever comes to it costs the server no more than
the share of the interpreter that reading the metrics takes, and that is bounded. Connections are
few, each has a few seconds from its accept to its end, and each is answered once. Those above wait
in the queue of the kernel. Who holds them all, or takes no answer, costs the metrics of others.
"""

import asyncio
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from http import HTTPStatus
from time import perf_counter, thread_time

from countermand.core.knobs import ScrapingKnobs

log = logging.getLogger(__name__)

Render = Callable[[str], tuple[bytes, str]]
"""Returns all metrics and their content type, given an Accept header."""
_END = b"\r\n\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)


class ScrapeServer:
    """Answers on bound sockets until it is stopped."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        render: Render,
        knobs: ScrapingKnobs,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        """Takes the sockets over, and makes them listen. Raises OSError if one cannot.

        `tls` returns with what each new connection is encrypted; None: they are not.
        """
        with ExitStack() as closing:
            for one in sockets:
                closing.callback(one.close)
            for one in sockets:
                one.setblocking(False)
                one.listen(knobs.max_connections)
            closing.pop_all()
        self._sockets = sockets
        self._render = render
        self._knobs = knobs
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._slots = asyncio.Semaphore(knobs.max_connections)
        self._turn = asyncio.Lock()
        self._rested_at = 0.0
        self._serving: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answers no more. It waits a moment for the thread to end, and is quick."""
        with suppress(RuntimeError):  # It has ended by itself.
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._knobs.timeout)

    def _run(self) -> None:
        try:
            accepting = [self._loop.create_task(self._accept(one)) for one in self._sockets]
            self._loop.run_forever()
            tasks = [*accepting, *self._serving]
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        except Exception:
            log.exception("metrics cannot be read any more")
        finally:
            for one in self._sockets:
                one.close()
            self._loop.close()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            await self._slots.acquire()
            try:
                connection, _ = await self._loop.sock_accept(listening)
            except OSError:  # as when no descriptor is left
                self._slots.release()
                await asyncio.sleep(self._knobs.retry_interval)
                continue
            except BaseException:
                self._slots.release()
                raise
            serving = self._loop.create_task(self._serve(connection))
            self._serving.add(serving)
            serving.add_done_callback(self._end)

    def _end(self, serving: asyncio.Task[None]) -> None:
        self._serving.discard(serving)
        self._slots.release()
        if not serving.cancelled() and serving.exception() is not None:
            log.error("metrics could not be read", exc_info=serving.exception())

    async def _serve(self, connection: socket.socket) -> None:
        """Answers one request, or gives the connection up."""
        reader = asyncio.StreamReader(limit=self._knobs.max_header_bytes)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport: asyncio.WriteTransport | None = None
        try:
            async with asyncio.timeout(self._knobs.timeout):
                tls = None if self._tls is None else self._tls()
                transport, _ = await self._loop.connect_accepted_socket(
                    lambda: protocol, connection, ssl=tls
                )
                writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
                writer.write(await self._answer(reader))
                writer.close()  # once all of it is taken
                await writer.wait_closed()
        except (OSError, EOFError, TimeoutError):  # what a client can bring about
            with suppress(OSError):  # Else the kernel keeps what is not taken, for minutes.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        finally:
            if transport is not None:
                transport.abort()
            else:
                connection.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(_END)
        except asyncio.LimitOverrunError:
            return _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        request, *headers = head.decode("latin-1").split("\r\n")
        method, _, rest = request.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _plain(HTTPStatus.BAD_REQUEST)
        if target.partition("?")[0] != "/metrics":
            return _plain(HTTPStatus.NOT_FOUND)
        if method != "GET":
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET\r\n")
        return await self._metrics(_accept_of(headers))

    async def _metrics(self, accept: str) -> bytes:
        """Reads the metrics, one reader after the other; after each it rests, lest who reads all
        the time takes the interpreter from the server. How long that took counts by this thread's
        CPU time: while others hold the machine, it takes them nothing to wait for it."""
        async with self._turn:
            await asyncio.sleep(self._rested_at - perf_counter())
            begin = thread_time()
            body, content_type = self._render(accept)
            rest = (thread_time() - begin) * self._knobs.rest_ratio
            self._rested_at = perf_counter() + rest
        return _response(HTTPStatus.OK, body, content_type)


def _accept_of(headers: Sequence[str]) -> str:
    named = (header.partition(":") for header in headers)
    return ",".join(value for name, _, value in named if name.lower() == "accept")


def _plain(status: HTTPStatus, more: str = "") -> bytes:
    return _response(status, f"{status.phrase}\n".encode(), "text/plain; charset=utf-8", more)


def _response(status: HTTPStatus, body: bytes, content_type: str, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode() + body
