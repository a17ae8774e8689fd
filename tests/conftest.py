"""What many tests use: a real server, and stubs with its first key."""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from tests.support.chaos_table import rows_of, table
from tests.support.knobs import DRAWN_VALUES, SEED
from tests.support.postgres import Cluster, started_cluster
from tests.support.server import Server, Stubs


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what the chaos tests reported. It stands here because the process that hands tests to
    workers reads no conftest below this one."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    if rows := rows_of(reports):
        terminalreporter.section("chaos")
        for line in table(rows):
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says with each failure by which knobs it came, and how to draw them again."""
    report = yield
    if report.failed:
        drawn = "".join(f"\n{path} = {value:g}" for path, value in DRAWN_VALUES.items())
        report.sections.append(
            ("knobs of this process", f"COUNTERMAND_SEED={SEED}{drawn or ': production'}")
        )
    return report


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server of the test's own, on an empty store. A test chooses some of its knobs by
    `with_knobs(…, of="server")`."""
    knobs = {**DRAWN_VALUES, **getattr(request, "param", {})}
    server = await Server(tmp_path, knobs=knobs).start()
    yield server
    await server.kill()


@pytest.fixture
async def stubs(server: Server) -> AsyncIterator[Stubs]:
    """The services of that server, called with its first key, which has all scopes."""
    stubs = server.connect()
    yield stubs
    await stubs.channel.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of PostgreSQL that all tests of this process share: none of them changes it, but
    for databases of its own."""
    with started_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with cluster.database() as url:
        yield url
