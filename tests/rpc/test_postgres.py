"""A server on PostgreSQL as an operator meets it: it starts, is refused, and is administered."""

import pytest

from countermand.store.postgres.statements import migrations
from tests.support.caller import CANCELLED, first_caller
from tests.support.command import Command
from tests.support.postgres import PASSWORD, Cluster
from tests.support.server import Server


@pytest.fixture
async def served(tmp_path, database):
    server = Server(tmp_path)
    server.store_url = database
    try:
        yield await server.start()
    finally:
        await server.kill()


async def test_a_server_on_postgresql_cancels_and_starts_again_where_it_was(served: Server):
    async with first_caller(served) as caller:
        task = await caller.create()
        cancelled = await caller.cancel(task.task_id)
        assert cancelled.task.state == CANCELLED
    await served.kill()
    await served.start()
    async with first_caller(served) as caller:
        assert (await caller.get(task.task_id)).version == cancelled.task.version
        await caller.create()
    assert await served.stop() == 0
    assert PASSWORD not in "\n".join(served.log)


async def test_a_database_that_is_not_there_is_refused_in_one_line(cluster: Cluster):
    run = Command()
    for url, said in (
        (cluster.url("gone"), 'database "gone" does not exist'),
        (cluster.url(password="wrong-battery"), "password authentication failed"),
    ):
        for words in (("serve", "--listen", "127.0.0.1:0"), ("keys", "list")):
            result = await run(*words, "--store", url)
            assert result.status == 1
            assert result.err.count("\n") == 1
            assert said in result.err
            assert PASSWORD not in result.err
            assert "wrong-battery" not in result.err


async def test_a_schema_is_made_by_migrate_and_its_keys_without_a_server(database):
    run = Command()
    applied = "".join(f"applied step {number}\n" for number, _ in migrations())
    for steps in (f"{applied}the schema is", "the schema is"):
        result = await run("migrate", "--store", database)
        assert result.status == 0
        assert result.out.startswith(steps)
    made = await run(
        "keys", "create", "--tenant", "acme", "--scope", "tasks:cancel", "--store", database
    )
    assert made.status == 0, made.err
    listed = await run("keys", "list", "--store", database)
    assert "acme" in listed.out
