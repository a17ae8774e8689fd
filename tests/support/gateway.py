"""Envoy before a server, and requests to it as any HTTP client sends them."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.envoy.run import configure, find_envoy, make_certificate, start_envoy
from tests.support.server import Server, started

SECONDS = 20.0


def needed_envoy() -> Path:
    """Returns the program, or skips the test."""
    envoy = find_envoy()
    if envoy is None:
        pytest.skip("envoy is not installed: make envoy")
    return envoy


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Any
    """As JSON; each line of it, if it was a stream."""

    @property
    def reason(self) -> str:
        return str(self._detail("ErrorInfo")["reason"])

    @property
    def retry_seconds(self) -> float:
        return float(self._detail("RetryInfo")["retry_delay"].removesuffix("s"))

    def _detail(self, name: str) -> Any:
        kind = f"type.googleapis.com/google.rpc.{name}"
        return next(detail for detail in self.body["details"] if detail["@type"] == kind)


class Gateway:
    """One address, called with one key."""

    def __init__(self, address: str, headers: dict[str, str] | None = None) -> None:
        self.address = address
        self.headers = headers or {}

    def by(self, key: str, *, bearer: bool = False) -> "Gateway":
        """Calls with this key, in the header that a platform's callers use."""
        header = {"Authorization": f"Bearer {key}"} if bearer else {"x-api-key": key}
        return Gateway(self.address, header)

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Sends a request, and returns what is answered until it ends."""
        return await asyncio.to_thread(self._ask, method, path, body)

    def _ask(self, method: str, path: str, body: Any) -> Answer:
        with closing(self._connection()) as connection:
            response = self._send(connection, method, path, body)
            text = response.read().decode()
            assert response.headers["content-type"] == "application/json", text
            lines = [json.loads(line) for line in text.splitlines() if line]
            stream = "watch" in path
            return Answer(response.status, lines if stream and response.status == 200 else lines[0])

    def lines(self, path: str) -> Iterator[Any]:
        """Gives each line of a stream when it comes; to be read in a thread."""
        with closing(self._connection()) as connection:
            response = self._send(connection, "GET", path, None)
            assert response.status == 200
            while line := response.readline():
                if line.strip():
                    yield json.loads(line)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=SECONDS)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any
    ) -> http.client.HTTPResponse:
        headers = dict(self.headers)
        data = None
        if body is not None:
            data = body if isinstance(body, str) else json.dumps(body)
            headers["content-type"] = "application/json"
        connection.request(method, path, data, headers)
        return connection.getresponse()


@asynccontextmanager
async def serving(folder: Path, *flags: str) -> AsyncIterator[Server]:
    """Runs a server as Envoy calls it: encrypted, with a certificate of the folder's own."""
    certificate, key = make_certificate(folder)
    pair = ("--tls-cert", str(certificate), "--tls-key", str(key))
    async with started(folder, *pair, *flags) as server:
        yield server


@asynccontextmanager
async def before(server: Server, listen: str, **changes: str) -> AsyncIterator[Gateway]:
    """Runs Envoy before a server, with some words of its configuration changed."""
    envoy = needed_envoy()
    configuration = configure(server.folder, listen, server.address)
    text = configuration.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    configuration.write_text(text)
    process = await asyncio.to_thread(start_envoy, envoy, configuration, listen)
    try:
        yield Gateway(listen)
    finally:
        process.kill()
        process.wait()
