"""What the chaos tests share: a row each in the table at the end."""

from collections.abc import Callable

import pytest

from tests.support.chaos_table import ROW


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
