"""Knobs for tests: the production values, with some of them changed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from countermand.core.knobs import Knobs

PRODUCTION = Knobs()


def changed(values: Mapping[str, float], knobs: Any = PRODUCTION) -> Any:
    """Returns knobs with other values, by their paths, such as `watching.hub.max_bytes`."""
    for path, value in values.items():
        name, _, rest = path.partition(".")
        inner = changed({rest: value}, getattr(knobs, name)) if rest else value
        knobs = replace(knobs, **{name: inner})
    return knobs


def with_knobs(values: Mapping[str, float], of: str = "engine") -> pytest.MarkDecorator:
    """Runs a test with other values of some knobs, if that fixture asks for what is `chosen`."""
    names = ", ".join(f"{path} {value:g}" for path, value in values.items())
    return pytest.mark.parametrize(of, [values], ids=[names], indirect=True)


def chosen(request: pytest.FixtureRequest) -> Any:
    """Returns the knobs that a test chose by `with_knobs`."""
    return changed(getattr(request, "param", {}))


def watching(
    *,
    page_size: int | None = None,
    max_batch: int | None = None,
    hub_bytes: int | None = None,
    page_bytes: int | None = None,
) -> Knobs:
    """Returns knobs whose watches read pages of one size, take so many entries at once, and keep so
    much of their pages and of the log in memory."""
    values = {
        "watching.pages.max_batch": max_batch,
        "watching.hub.max_batch": max_batch,
        "watching.pages.page_size": page_size,
        "watching.hub.max_bytes": hub_bytes,
        "watching.pages.max_bytes": page_bytes,
    }
    return changed({path: value for path, value in values.items() if value is not None})
