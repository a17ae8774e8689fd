"""The benchmarks name functions of the service: they are there."""

import pytest

from benchmarks.profiled_server import CONNECT, STAGES, _owner
from benchmarks.server_without import PARTS, owner_of


@pytest.mark.parametrize("path", [CONNECT, *(path for paths in STAGES.values() for path in paths)])
def test_what_the_profile_takes_the_time_of_is_there(path: str) -> None:
    owner, name = _owner(path)
    assert callable(getattr(owner, name))


@pytest.mark.parametrize("path", [path for paths in PARTS.values() for path in paths])
def test_what_a_server_is_measured_without_is_there(path: str) -> None:
    owner, name = owner_of(path)
    assert callable(getattr(owner, name))
