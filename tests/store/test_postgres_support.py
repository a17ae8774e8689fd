"""What tests of the store on PostgreSQL stand on: clusters, and a way to them that can be cut."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Cluster
from tests.support.postgres_proxy import Proxy, proxy_to


@pytest.fixture
def proxy(cluster: Cluster):
    with proxy_to(cluster.port) as proxy:
        yield proxy


@pytest.fixture
def connection(cluster: Cluster, proxy: Proxy, database: str):
    name = database.rpartition("/")[2]
    with psycopg.connect(cluster.url(name, port=proxy.port), autocommit=True) as connection:
        connection.execute("CREATE TABLE rows (n int)")
        proxy.forget()
        yield connection


def insert_and_commit(connection) -> None:
    with connection.pipeline():
        connection.execute("BEGIN")
        connection.execute("INSERT INTO rows VALUES (1)")
        connection.execute("COMMIT")


def count(cluster: Cluster, url: str) -> int:
    return int(cluster.value("SELECT count(*) FROM rows", url.rpartition("/")[2]))


def test_a_pipeline_is_one_turn_and_each_statement_outside_of_one_another(proxy, connection):
    with connection.pipeline():
        for n in range(20):
            connection.execute("INSERT INTO rows VALUES (%s)", [n])
    assert proxy.turns == 1
    for n in range(3):
        connection.execute("INSERT INTO rows VALUES (%s)", [n])
    assert proxy.turns == 4
    assert len([text for text in proxy.statements if text.startswith("INSERT")]) == 23


@pytest.mark.parametrize(("where", "committed"), [("before", 0), ("in", 1), ("after", 1)])
def test_a_connection_is_cut_before_in_and_after_its_commit(
    cluster, database, proxy, connection, where, committed
):
    proxy.cut_at("COMMIT", where)
    with pytest.raises(psycopg.OperationalError):
        insert_and_commit(connection)
    assert proxy.cut_done.wait(10)
    end = time.monotonic() + 10
    while count(cluster, database) != committed:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_frozen_way_hands_on_nothing_until_it_thaws(proxy, connection):
    proxy.freeze()
    connection.pgconn.send_query(b"SELECT 1")
    connection.pgconn.flush()
    assert not select.select([connection.fileno()], [], [], 0.1)[0]
    proxy.thaw()
    assert select.select([connection.fileno()], [], [], 10)[0]
    while connection.pgconn.get_result():
        pass


def test_a_request_to_cancel_is_counted(proxy, connection):
    connection.cancel_safe()
    assert proxy.cancels == 1


def test_a_cluster_is_gone_with_the_process_that_made_it_however_that_ends():
    program = (
        "import sys, time\n"
        "from tests.support.postgres import started_cluster\n"
        "with started_cluster() as cluster:\n"
        "    print(cluster.data.parent, cluster.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    maker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    folder, pid = maker.stdout.readline().split()
    assert Path(folder).exists()
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    maker.stdout.close()
    end = time.monotonic() + 20
    while Path(folder).exists() or is_alive(int(pid)):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
