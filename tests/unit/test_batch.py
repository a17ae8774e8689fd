"""A batch asks the store for what it wants, and never asks twice."""

import pytest

from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.retention import Leftover
from countermand.core.rows import Loaded
from tests.support.ask import FIRST_TIME, purge, reap


@pytest.mark.parametrize(
    "command", [reap(), purge(Leftover.EVENT, FIRST_TIME)], ids=["reap", "purge"]
)
def test_a_store_that_does_not_say_what_it_was_asked_ends_the_batch(command):
    """Else it would be asked forever, on the one thread that writes."""
    plan = Batch([command], Instant.at(FIRST_TIME), UuidMaker()).plan()
    next(plan)
    with pytest.raises(LookupError, match="did not say"):
        plan.send(Loaded())
