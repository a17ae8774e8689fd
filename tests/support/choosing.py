"""Marks and fixtures by which a test chooses some of its knobs; the others are drawn."""

from collections.abc import Mapping
from typing import Any

import pytest

from countermand.client.knobs import ClientKnobs
from tests.support.knobs import DRAWN, SEED, changed, draw

# Knobs of a client that tests never draw, by their beginnings, and why.
CLIENT_KEPT = {
    "connect_timeout_ms": "a busy machine needs it to connect",
    "keepalive_": "a server sends away who pings more often",
    "max_answer_bytes": "promised",
    "ping_timeout_ms": "a busy machine needs it to answer",
}
DRAWN_CLIENT: ClientKnobs = changed(draw(SEED, ClientKnobs(), CLIENT_KEPT), ClientKnobs())


def with_knobs(values: Mapping[str, float], of: str = "engine") -> pytest.MarkDecorator:
    """Runs a test with these values of some knobs, if that fixture asks for what is `chosen`."""
    names = ", ".join(f"{path} {value:g}" for path, value in values.items())
    return pytest.mark.parametrize(of, [values], ids=[names], indirect=True)


looks_at_all = with_knobs({"store.max_scanned_rows": 10_000}, of="knobs")
"""For tests of a store in which a page must not end early because it looked at enough rows."""


def chosen(request: pytest.FixtureRequest) -> Any:
    """Returns drawn knobs with the values that a test chose by `with_knobs`."""
    return changed(getattr(request, "param", {}), DRAWN)
