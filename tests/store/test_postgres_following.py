"""Servers on one database: what any of them commits, the watches on all of them show."""

from collections.abc import Iterator

import pytest

from tests.support.followed import follow_everything
from tests.support.knobs import drawn_with
from tests.support.postgres_store import EmptyStores
from tests.support.replicas import postgres_replicas


@pytest.fixture
def url(empty_stores: EmptyStores) -> Iterator[str]:
    with empty_stores.database() as url:
        yield url


@pytest.mark.parametrize("poll_interval", [0.01, 3600.0], ids=["polled", "hinted"])
async def test_every_watch_on_every_server_shows_every_version_once_in_order(
    url: str, poll_interval: float
) -> None:
    knobs = drawn_with({"watching.follower.poll_interval": poll_interval})
    async with postgres_replicas([url] * 3, knobs) as servers:
        await follow_everything(servers, seed=1)
