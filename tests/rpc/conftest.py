"""One server for all tests of this folder that need none of their own; each has its tenant.

They run in the session's event loop, in which the server's log is read.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from tests.support.caller import Caller, first_caller, new_caller
from tests.support.knobs import drawn_values_but
from tests.support.postgres import Cluster
from tests.support.served_store import ON_POSTGRES, Databases, databases
from tests.support.server import Server, started

ON_BOTH = {f"tests.rpc.test_{name}" for name in ("cancel", "early_cancels", "joining", "lists")}
"""The modules whose tests run on PostgreSQL, too; `make test STORE=postgresql` runs all there."""


@pytest.fixture(scope="session", autouse=True)
def served_databases(request: pytest.FixtureRequest) -> Iterator[None]:
    """Has all servers run on PostgreSQL, if that was chosen for this run."""
    if ON_POSTGRES:
        databases.append(Databases(request.getfixturevalue("cluster")))
    yield
    databases.clear()


@pytest.fixture(autouse=True)
def own_databases(request: pytest.FixtureRequest) -> Iterator[None]:
    """Removes the databases of a test's own servers, once these are gone."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for kept in databases if folder else ():
        kept.drop(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of some modules on a server of each store."""
    on_both = metafunc.module.__name__ in ON_BOTH and not ON_POSTGRES
    if on_both and "shared" in metafunc.fixturenames:
        stores = ["sqlite", "postgresql"]
        metafunc.parametrize("shared", stores, indirect=True, scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """The server that tests share; some of them show it many wrong keys."""
    server = Server(tmp_path_factory.mktemp("shared"))
    with ExitStack() as stack:
        if getattr(request, "param", "sqlite") == "postgresql":
            cluster: Cluster = request.getfixturevalue("cluster")
            server.store_url = stack.enter_context(cluster.database())
        await server.start("--max-failed-logins", "10000")
        yield server
        await server.kill()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin(shared: Server) -> AsyncIterator[Caller]:
    """Calls with the first key of the shared server."""
    async with first_caller(shared) as caller:
        yield caller


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def channel(shared: Server) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that sends no key by itself."""
    async with grpc.aio.insecure_channel(
        shared.address, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        yield channel


@pytest_asyncio.fixture(loop_scope="session")
async def caller(shared: Server, admin: Caller) -> AsyncIterator[Caller]:
    """Calls with all scopes in a tenant of the test's own."""
    async with new_caller(shared, admin) as caller:
        yield caller


@pytest_asyncio.fixture(loop_scope="session")
async def pager(tmp_path: Path) -> AsyncIterator[Caller]:
    """Calls a server of the test's own, whose pages are as large as in production."""
    knobs = drawn_values_but("paging.", "store.max_scanned_rows")
    async with started(tmp_path, knobs=knobs) as server, first_caller(server) as caller:
        yield caller


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(shared: Server, admin: Caller) -> AsyncIterator[Caller]:
    """Calls with all scopes in another tenant."""
    async with new_caller(shared, admin) as caller:
        yield caller
