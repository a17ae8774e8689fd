"""What the tests of the rules share."""

import pytest

from tests.support.world import World


@pytest.fixture
def world() -> World:
    """Rows without a store, at a fixed time."""
    return World()
