"""What the chaos tests share: a row each in the table at the end, and alerts that say nothing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chaos_table import ROW
from tests.support.scraped import Scraper
from tests.support.server import Server

RESTARTS, FORCED = "CountermandRestarts", "CountermandAgentsDoNotStop"
CAUSED: dict[str, set[str]] = {
    "test_agent_runtime": {RESTARTS, FORCED},
    "test_backups": set(),
    "test_client_watches": {RESTARTS},
    "test_deadlines": {FORCED},
    "test_disk_full": {"CountermandCommitsFail"},
    "test_floods": set(),
    "test_kill": {RESTARTS, FORCED},
    "test_kill_cycles": {RESTARTS, FORCED},
    "test_kill_sales": {RESTARTS, FORCED},
    "test_many_orders": set(),
    "test_watchers_back": {FORCED},
    "test_webhooks_killed": {RESTARTS},
}
"""The modules whose servers are scraped, and the alerts that each of them causes on purpose."""


@pytest.fixture
def chaos_report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Reports what a test did to the table that ends the round.

    `chaos_report(fault, runs, operations, violations, messages=0)`: rows of one fault are added up,
    whichever tests and workers they come from. Call it before the assertion that may fail.
    """

    def report(fault: str, runs: int, operations: int, violations: int, messages: int = 0) -> None:
        # The properties of a test travel in its reports, so also from a worker of xdist.
        request.node.user_properties.append((ROW, (fault, runs, operations, messages, violations)))

    return report


@pytest.fixture(autouse=True)
def alerts_are_silent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Scrapes the servers of a test, and asks promtool what would have waked somebody up."""
    module = request.module.__name__.rpartition(".")[2]
    if module not in CAUSED or shutil.which("promtool") is None:
        yield
        return
    scraper = Scraper()
    Server.looking = scraper.look
    try:
        yield
    finally:
        Server.looking = None
    assert scraper.fired(tmp_path) <= CAUSED[module]
