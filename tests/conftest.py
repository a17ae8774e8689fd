"""What many tests use: a real server, and stubs with its first key."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.chaos_table import rows_of, table
from tests.support.server import Server, Stubs


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what the chaos tests reported. It stands here because the process that hands tests to
    workers reads no conftest below this one."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    if rows := rows_of(reports):
        terminalreporter.section("chaos")
        for line in table(rows):
            terminalreporter.write_line(line)


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
