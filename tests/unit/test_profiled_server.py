"""The profile of the benchmarks names functions of the service: they are there."""

import pytest

from benchmarks.profiled_server import CONNECT, STAGES, _owner


@pytest.mark.parametrize("path", [CONNECT, *(path for paths in STAGES.values() for path in paths)])
def test_what_the_profile_takes_the_time_of_is_there(path: str) -> None:
    owner, name = _owner(path)
    assert callable(getattr(owner, name))
