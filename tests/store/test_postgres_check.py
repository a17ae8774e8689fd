"""`check` finds what is wrong in a store on PostgreSQL: one planted fault for each rule."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from countermand.cli.main import run
from countermand.store.sqlite import statements as sqlite
from tests.store.test_sqlite_check import DONE, FAULTS, LIFE
from tests.support.ask import G1, X1
from tests.support.knobs import PRODUCTION
from tests.support.postgres import PASSWORD, Cluster
from tests.support.postgres_store import postgres_store
from tests.support.stores import Keeper

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
from countermand.store.postgres import checking  # noqa: E402
from countermand.store.postgres.statements import migrations, rules  # noqa: E402

if TYPE_CHECKING:
    from psycopg import Connection

ELSEWHERE = {
    "the log has more or fewer versions than the tasks": """
        INSERT INTO events (namespace_no, seq, previous_seq, task_no, version, time)
        SELECT 1, last_seq + 1, 0, 99, 1, 0 FROM positions WHERE namespace_no = 1""",
    "a namespace's log has a gap, or goes beyond its end": """
        UPDATE positions SET last_seq = last_seq + 1""",
    "a task is in a group, checkout or order that is not there": """
        UPDATE tasks SET group_id = gen_random_uuid() WHERE group_id IS NULL""",
    "a refund of COMPLETED work is required under no cancelled checkout or order": f"""
        UPDATE tasks SET refund_state = 'REQUIRED' WHERE task_id = '{DONE}'""",
    "what was cancelled names a cancellation that is not there": """
        UPDATE orders SET cancellation_id = gen_random_uuid()""",
    "a cancellation has no target": """
        UPDATE cancellations SET target_id = uuid_send(gen_random_uuid())""",
    "a cancel waits for a task that is there": """
        UPDATE cancellations SET target_id = (SELECT uuid_send(task_id) FROM tasks LIMIT 1)
        WHERE state = 'IN_PROGRESS' AND live_count = 0""",
    "a cancellation of a group counts other tasks than it covers": f"""
        UPDATE cancellations SET target_kind = 'GROUP', live_count = 77,
            target_id = uuid_send('{G1}')""",
    "a cancellation of a checkout counts other tasks than it covers": f"""
        UPDATE cancellations SET target_kind = 'CHECKOUT', target_id = convert_to('{X1}', 'UTF8')
        WHERE live_count > 0""",
    "a join is of a cancellation that is not there": """
        UPDATE joins SET cancellation_id = gen_random_uuid()""",
    "the request id of a cancellation is not remembered": """
        DELETE FROM request_ids WHERE settles = 0""",
    "a request id has no answer": "UPDATE request_ids SET answer_id = gen_random_uuid()",
    "an entry of the log is of a checkout, order or cancellation that is not there": """
        UPDATE events SET record_id = uuid_send(gen_random_uuid())
        WHERE record_kind = 'CANCELLATION'""",
    "a key was replaced by one that is not there": """
        UPDATE keys SET expire_time = 1, successor_key_id = 'gone'""",
    "a tenant stores more or less than is counted": """
        UPDATE positions SET stored_bytes = stored_bytes + 1""",
    "a tenant counts other webhooks than it has": "UPDATE positions SET webhook_count = 1",
    "a row is of a namespace that is not there": "UPDATE agents SET namespace_no = 77",
    "a namespace has no row to lock, or such a row no namespace": """
        DELETE FROM positions WHERE namespace_no = 1""",
    "a task has a number above the last that was given": "UPDATE positions SET last_number = 0",
    "an entry of the log is of a task that is not there": """
        DELETE FROM tasks WHERE task_no = (SELECT max(task_no) FROM tasks)""",
    "what a caller said is of a checkout, order or cart that is not there": "DELETE FROM carts",
    "a delivery is to a webhook that is not there": """
        INSERT INTO deliveries VALUES
        (1, gen_random_uuid(), 1, 5, 't', 's', 'b', '', 'PENDING', '[]', 0, 0, 5, 6, NULL, 0)""",
}
"""The faults that are said otherwise here than on SQLite, and those of rules that are not there."""
PLANTED = FAULTS | ELSEWHERE


@pytest.fixture(scope="module")
def lived(cluster: Cluster) -> Iterator[str]:
    """A sound store in which some of everything happened."""
    with cluster.database() as url:
        asyncio.run(_live(url))
        yield url


async def _live(url: str) -> None:
    keeper = Keeper(postgres_store(url, PRODUCTION.store))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    for command in LIFE:
        keeper.now += 1
        await keeper.run(command)
    await keeper.store.close()


@pytest.fixture(scope="module")
def lax(cluster: Cluster, lived: str) -> Iterator["Connection[Any]"]:
    """A copy of it, in which the schema lets everything pass."""
    with cluster.database(lived.rpartition("/")[2]) as url, closing(psycopg.connect(url)) as raw:
        raw.execute("SET session_replication_role = replica")
        for table, constraint in raw.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
            " AND connamespace = 'public'::regnamespace"
        ).fetchall():
            raw.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{constraint}"')
        raw.commit()
        yield raw


def test_every_rule_of_a_store_on_sqlite_holds_here_and_has_a_fault_that_it_finds() -> None:
    held = {*rules(), checking.LABELS}
    assert {*sqlite.rules()} <= held
    assert {*PLANTED} == held


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_fault_is_found(lax: "Connection[Any]", rule: str) -> None:
    """It is planted past the schema's own checks, which hold most of these, too."""
    try:
        assert lax.execute(PLANTED[rule].encode()).rowcount > 0
        if rule == checking.LABELS:
            assert checking.count_not_found(lax) > 0
        else:
            [(count,)] = lax.execute(rules()[rule].encode()).fetchall()
            assert count > 0
    finally:
        lax.rollback()


def test_the_command_says_what_is_wrong_and_never_the_password(
    cluster: Cluster, lived: str, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["store", "check", "--store", lived]
    assert run(words) == 0
    assert f"is sound (schema {migrations()[-1][0]}, {len(PLANTED)} rules hold)" in _out(capfd)
    with cluster.database(lived.rpartition("/")[2]) as url:
        with psycopg.connect(url) as raw:
            raw.execute("UPDATE positions SET stored_bytes = stored_bytes + 1")
        assert run([*words[:-1], url]) == 1
        assert _out(capfd) == "a tenant stores more or less than is counted (3 rows)\n"
        with psycopg.connect(url) as raw:
            raw.execute("UPDATE schema SET version = 1")
        assert run([*words[:-1], url, "--json"]) == 0
        assert json.loads(_out(capfd)) == {"faults": [], "schema": 1, "rules": 0}
    with cluster.database() as empty:
        for url in (empty, cluster.url("gone"), cluster.url(port=1)):
            assert run([*words[:-1], url]) == 1
            said = capfd.readouterr().err
            assert said.count("\n") == 1
            assert PASSWORD not in said


def _out(capfd: pytest.CaptureFixture[str]) -> str:
    found = capfd.readouterr()
    assert PASSWORD not in found.out + found.err
    return found.out
