"""What runs beside the calls ends when it is told, in whichever moment that is."""

import asyncio
from pathlib import Path

import pytest

from countermand.app.composition import open_store, running
from tests.support.knobs import drawn_with

# Long sleeps: each part waits for whatever wakes it.
ASLEEP = drawn_with({"reaper.max_sleep": 60.0, "keyring.note_interval": 60.0})
STEPS = 8
"""How many turns of the loop lie at most between a wake-up and what is done then."""


@pytest.mark.parametrize("steps", range(STEPS))
async def test_what_is_woken_as_the_server_leaves_ends_at_whichever_step(
    tmp_path: Path, steps: int
) -> None:
    """A part that missed its end would hold up the server for ever."""
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", ASLEEP.store)
    async with asyncio.timeout(20):
        async with running(store, ASLEEP) as (app, _):
            async with asyncio.timeout(5):
                await app.reaper.catch_up()
            for _ in range(100):  # until all of them sleep
                await asyncio.sleep(0)
            app.reaper.wake()
            app.keyring._in_doubt.set()
            for _ in range(steps):
                await asyncio.sleep(0)
