"""What many tests use: a real server, and stubs with its first key."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.server import Server, Stubs


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server of the test's own, on an empty store."""
    server = await Server(tmp_path).start()
    yield server
    await server.kill()


@pytest.fixture
async def stubs(server: Server) -> AsyncIterator[Stubs]:
    """The services of that server, called with its first key, which has all scopes."""
    stubs = server.connect()
    yield stubs
    await stubs.channel.close()
