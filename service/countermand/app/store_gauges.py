"""Gauges of what only the store knows: read now and then, and kept for whoever looks."""

import asyncio
from contextlib import suppress

from countermand.core.knobs import TelemetryKnobs
from countermand.engine.clock import Clock
from countermand.engine.membership import Membership
from countermand.store.contract import Store, StoreFailed
from countermand.telemetry import instruments
from countermand.telemetry.metrics import Metrics
from countermand.telemetry.shared_instruments import (
    CLOCK_SKEW,
    REAPER_TURN,
    SHARED,
    SHARED_AGE,
)


async def read_store(metrics: Metrics, store: Store, clock: Clock, knobs: TelemetryKnobs) -> None:
    """Reads forever how the store stands. While it cannot be read, the last reading stays."""
    while True:
        with suppress(StoreFailed):
            found = await store.status(clock.steady())
            metrics.set(instruments.STORE_SIZE, found.bytes)
            metrics.set(instruments.STORE_WAL_SIZE, found.wal_bytes)
            metrics.set(instruments.DISK_FREE, found.free_bytes)  # None of a database elsewhere
            metrics.set(instruments.AGENTS_LIVE, found.live_agents)
            metrics.set(instruments.TASKS_OVERDUE, found.overdue_count)
        await asyncio.sleep(knobs.store_interval)


def read_membership(metrics: Metrics, member: Membership | None) -> None:
    """Has it read how this server stands among those on its store; a server that has its store for
    itself has none of these."""
    if member is None:
        for gauge in SHARED:
            metrics.set(gauge, None)
        return
    member.listen_to_renewals(metrics.leases_renewed)
    metrics.read(CLOCK_SKEW, lambda: member.skew)
    metrics.read(SHARED_AGE, lambda: member.age)
    metrics.read(REAPER_TURN, lambda: member.reaps)
