"""A cluster of PostgreSQL to measure on, as the tests start theirs, but one that syncs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.machine import CannotMeasureError, choose_cores, pinned
from tests.support.postgres import Cluster, started_cluster


@contextmanager
def durable_cluster() -> Iterator[Cluster]:
    """Gives an empty cluster. It is on the generator's core, since in production it has cores of
    its own."""
    try:
        with pinned(choose_cores()[1]):
            starting = started_cluster(fsync="on")
            cluster = starting.__enter__()
    except (pytest.skip.Exception, ImportError) as error:
        raise CannotMeasureError(str(error)) from None
    try:
        yield cluster
    finally:
        starting.__exit__(None, None, None)
