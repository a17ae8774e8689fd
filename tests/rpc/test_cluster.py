"""`make cluster` where something is missing: one line says what to do. See tests/chaos, too."""

import asyncio
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from deploy.cluster.postgres import Place
from deploy.cluster.programs import find_programs
from tests.support.pages import PROJECT
from tests.support.postgres import need_postgres

COMMAND = (sys.executable, "-m", "deploy.cluster.run")
REPLICAS = 3


async def outcome(*flags: str | Path) -> tuple[int | None, str]:
    """Runs what must fail. Returns its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *flags), stdout=PIPE, stderr=STDOUT, cwd=PROJECT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_without_postgresql_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_programs(elsewhere=()) is None
    status, said = await outcome("--postgres", tmp_path, "--folder", tmp_path / "made")
    assert status == 1
    assert re.fullmatch(r"countermand: needs PostgreSQL 15 or newer: apt-get install .*\n", said)
    assert not (tmp_path / "made").exists()


async def test_a_taken_port_is_named_in_one_line_with_what_to_do(tmp_path):
    need_postgres()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first = ("--port", str(port - REPLICAS + 1))
        status, said = await outcome(*first, "--folder", tmp_path / "made")
    assert status == 1
    assert re.fullmatch(r"countermand: port \d+ is taken: .* make cluster ARGS=.*\n", said)
    assert not (tmp_path / "made").exists()


def test_data_that_postgresqls_user_cannot_enter_stands_elsewhere_and_is_found_again(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL as another user")
    need_postgres()
    tmp_path.chmod(0o700)
    place = Place(tmp_path / "made")
    try:
        assert place.data.is_relative_to("/var/tmp")
        assert Place(tmp_path / "made").data == place.data
        assert place.passwords.stat().st_mode & 0o777 == 0o600
    finally:
        place.passwords.unlink()
        place.data.rmdir()
