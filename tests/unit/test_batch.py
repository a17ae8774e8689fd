"""A batch asks the store for what it wants, and never asks twice."""

import pytest

from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.retention import Leftover
from countermand.core.rows import Loaded
from tests.support.ask import (
    FIRST_TIME,
    acknowledged,
    cancel,
    completed,
    create,
    purge,
    reap,
    start,
)
from tests.support.world import World


@pytest.mark.parametrize(
    "command", [reap(), purge(Leftover.EVENT, FIRST_TIME)], ids=["reap", "purge"]
)
def test_a_store_that_does_not_say_what_it_was_asked_ends_the_batch(command):
    """Else it would be asked forever, on the one thread that writes."""
    plan = Batch([command], Instant.at(FIRST_TIME), UuidMaker()).plan()
    next(plan)
    with pytest.raises(LookupError, match="did not say"):
        plan.send(Loaded())


@pytest.mark.parametrize("end", [completed(), acknowledged()], ids=["completed", "acknowledged"])
def test_an_end_takes_one_turn_to_the_store(end):
    """What is loaded is the task with the cancellation that it names, in which its end counts."""
    world = World()
    world.do_all(create(), start(), cancel())
    batch = Batch([end], world.instant, world.ids)
    plan = batch.plan()
    wanted = next(plan)
    with pytest.raises(StopIteration):
        plan.send(world.load(wanted))
    assert [cancellation.live_count for cancellation in batch.saves.cancellations.values()] == [0]
