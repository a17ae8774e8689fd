"""Watches on one server show what others commit: every version once, in order, to the end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.followed import follow_everything
from tests.support.knobs import drawn_with
from tests.support.replicas import Replica, replicas


@pytest.fixture(params=[0.002, 3600.0], ids=["polled", "woken"])
async def servers(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[list[Replica]]:
    """Three, whose followers look often; or never by themselves, but are woken after commits."""
    knobs = drawn_with({"watching.follower.poll_interval": request.param})
    async with replicas(tmp_path / "store.db", 3, knobs) as servers:
        if request.param > 1:
            for server in servers:
                server.writer.listen(lambda _: [one.follower.wake() for one in servers])
        yield servers


@pytest.mark.parametrize("seed", range(4))
async def test_every_watch_on_every_server_shows_every_version_once_in_order(
    servers: list[Replica], seed: int
) -> None:
    await follow_everything(servers, seed)
