"""The commands of docs/operations/postgresql.md, done as written, in their order.

Other pages are run as their reader would, in `test_docs.py`; this one names the servers of its
reader, in whose place is the cluster of the tests.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.command import Command
from tests.support.knobs import PRODUCTION
from tests.support.pages import pages
from tests.support.pages.blocks import commands, parse
from tests.support.postgres import PASSWORD, USER, Cluster, need_postgres
from tests.support.stores import Keeper, sqlite_store

PAGE = "docs/operations/postgresql.md"
OURS = ".venv/bin/countermand"
SERVERS = re.compile(r"db1(?::5432)?,db2(?::5432)?")


def words_of_page(port: int, file: Path) -> list[list[str]]:
    """Returns the words of each command that needs a database, with the port of ours, and the file
    that is copied into it."""
    return [
        shlex.split(SERVERS.sub(f"127.0.0.1:{port}", command).replace("countermand.db", str(file)))
        for block in parse(PAGE, pages()[PAGE])
        if block.words.get("not-run") == "database"
        for command in commands(block.text)
    ]


@pytest.fixture
def psql(cluster: Cluster) -> Iterator[dict[str, str]]:
    """The environment of who may make roles; what it makes is gone in the end."""
    if not (need_postgres() / "psql").exists():
        pytest.skip("psql is not installed")
    yield os.environ | {
        "PATH": f"{need_postgres()}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
    }
    cluster.drop_database("countermand")
    cluster.execute("DROP ROLE IF EXISTS countermand")


def run_psql(environment: dict[str, str], *words: str) -> None:
    subprocess.run(["psql", *words], env=environment, check=True, capture_output=True, timeout=20)


async def serve(*words: str, **environment: str) -> None:
    """Starts a server, waits until it is ready, and lets it stop."""
    given = os.environ | environment
    process = await warm.start((*words, "--listen", "127.0.0.1:0"), given)
    line = await process.stdout.readline()
    process.terminate()
    _, said = await process.communicate()
    assert line.startswith(b"listening on "), said.decode()
    assert process.returncode == 0


async def test_every_command_of_the_page_does_its_work(
    cluster: Cluster, psql: dict[str, str], tmp_path: Path
) -> None:
    keeper = Keeper(sqlite_store(tmp_path / "countermand.db", PRODUCTION.store))
    await keeper.store.open(keeper.now)
    await keeper.settle_in()
    await keeper.store.close()
    all_words = words_of_page(cluster.port, tmp_path / "countermand.db")
    [password] = re.findall(r"PASSWORD '([^']*)'", str(all_words))
    run = Command(PGPASSWORD=password)
    [make] = [words for _, *words in all_words if "CREATE DATABASE" in words[-1]]
    done = set()
    for program, *words in all_words:
        if program == "psql":
            run_psql(psql, *words)
        elif words[0] == "serve":
            await serve(*words, PGPASSWORD=password)
        else:
            assert program == OURS
            if words[0] == "copy":  # It wants an empty database, and the page has served it.
                cluster.drop_database("countermand")
                run_psql(psql, *make)
            result = await run(*words)
            assert result.status == 0, result.err
        done.add(words[0])
    assert done == {"-c", "serve", "copy", "migrate", "store"}
    assert cluster.value("SELECT count(*) FROM keys", "countermand") == 2
