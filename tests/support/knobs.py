"""Knobs for tests: the production values, some of them changed, or all drawn at random.

What is drawn is drawn once in a process, by a seed that is shown with every test that fails there.
COUNTERMAND_SEED gives it; of several workers of pytest each takes the next.
"""

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from countermand.core.knobs import Knobs

PRODUCTION = Knobs()
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
GIVEN = os.environ.get("COUNTERMAND_SEED")
SEED = int(GIVEN) + WORKER if GIVEN else random.SystemRandom().randrange(10**8)

# Those that tests never draw, by their beginnings, and why.
KEPT = {
    "calls.arrivals.": "a busy machine needs them to send",
    "calls.pieces.max_field_bytes": "promised",
    "calls.pieces.max_request_fields": "promised",
    "calls.max_counted_refusals": "tests look for their own",
    "calls.timeout": "promised",
    "calls.weights.": "promised",
    "clock.max_": "how far clocks go apart without a leap",
    "connections.": "gRPC's own; short ones break off what every test holds open",
    "public.asking.": "a busy machine needs them to send",
    "public.reflecting.": "a busy machine needs them to send",
    "key_use.": "tests call as often as the limits of keys let them, which these make even",
    "membership.max_": "a busy machine needs them to look",
    "paging.max_summary_bytes": "a summary has no next page",
    "server.failed_drain_timeout": "callers need it to hear why the server leaves",
    "server.max_goodbye": "a busy client needs it to see that the server leaves",
    "store.min_free_bytes": "promised",
    "store.postgres.away_after": "a busy machine needs it to answer",
    "store.postgres.close_timeout": "a busy machine needs it to end",
    "store.postgres.connect_timeout": "a busy machine needs it to connect",
    "store.postgres.handover_timeout": "a busy machine needs it to end a process",
    "store.postgres.idle_transaction_timeout": "a busy machine needs it to decide",
    "store.postgres.large_transaction_timeout": "a busy machine needs it to decide",
    "store.postgres.lock_timeout": "a busy machine needs it to commit",
    "store.postgres.max_migration_tries": "a test that needs another says so",
    "store.postgres.max_search": "a busy machine needs it to connect",
    "store.postgres.max_wait": "a busy machine needs it to answer",
    "store.postgres.migration_lock_timeout": "a busy machine needs it to migrate",
    "store.postgres.outage": "a busy machine needs it to note the time",
    "store.postgres.open_timeout": "a busy machine needs it to connect",
    "telemetry.log_timeout": "a busy machine needs it to write",
    "telemetry.scraping.max_header_bytes": "whoever reads metrics needs it to ask",
    "telemetry.scraping.timeout": "a busy machine needs it to answer",
    "telemetry.max_log_bytes": "tests read the log",
    "telemetry.shutdown_timeout": "a busy machine needs it to send",
    "task_counts.": "tests ask for what they have just done",
    "watching.follower.max_away": "a busy machine needs it to read",
    "watching.watchers.blocked_after": "promised",
    "watching.watchers.last_message_timeout": "a busy client needs it to take a message",
    "watching.watchers.write_timeout": "a client that is stopped needs it to come back",
    "webhooks.claim_": "a busy machine needs them to renew it",
    "webhooks.connect_timeout": "a busy machine needs it to connect",
    "webhooks.jitter": "promised",
    "webhooks.max_header": "what any server answers must fit",
    "webhooks.max_lookups": "a busy machine needs them",
    "webhooks.timeout": "promised",
    "writer.commit_timeout": "see SLOW",
    "writer.max_commit": "see SLOW",
    "writer.max_waiting": "a test that brings more is refused",
}
SLOW = {"writer.commit_timeout": 60.0, "writer.max_commit": 50.0}
"""What a busy machine needs to write 10,000 tasks one by one."""
# The smallest that are drawn, where that is not 1, or 1 ms.
LEAST: dict[str, float] = {
    "clock.look_interval": 0.05,  # a busy machine is to do something else, too
    "clock.note_interval": 0.05,
    "keyring.note_interval": 0.05,
    "pulse.interval": 0.05,
    "public.max_streams": 8,  # tools open some at once, and close them when they are gone
    "public.max_streams_per_address": 8,
    "public.max_answers_per_second": 20,
    "purger.interval": 0.05,
    "membership.interval": 0.05,
    "reaper.look_interval": 0.05,
    "reaper.max_sleep": 0.05,
    "server.memory_interval": 0.05,
    "server.store_interval": 0.05,
    "store.watch_interval": 0.05,
    "store.postgres.look_interval": 0.05,
    "store.postgres.ping_interval": 0.05,
    "store.postgres.pulse_interval": 0.05,
    "store.postgres.reconnect_interval": 0.05,
    "telemetry.push_interval": 1.0,  # each time takes some milliseconds
    "telemetry.store_interval": 0.05,
    "webhooks.poll_interval": 0.05,
    "webhooks.purge_interval": 0.05,
    "webhooks.max_sleep": 0.05,
    "watching.watchers.sweep_interval": 0.05,
    "store.steps_between_looks": 100,  # each look costs as much as a hundred of them
    "server.max_young_objects": 700,  # Python's own
    "telemetry.max_queue": 512,  # the spans of a test; what does not fit is lost
}


def each(knobs: Any, above: str = "") -> Iterator[tuple[str, float]]:
    """Every knob with its path, such as `watching.hub.max_bytes`."""
    for field in fields(knobs):
        value = getattr(knobs, field.name)
        if is_dataclass(value):
            yield from each(value, f"{above}{field.name}.")
        else:
            yield above + field.name, value


def changed(values: Mapping[str, Any], knobs: Any = PRODUCTION) -> Any:
    """Returns knobs with other values, by their paths."""
    for path, value in values.items():
        name, _, rest = path.partition(".")
        inner = changed({rest: value}, getattr(knobs, name)) if rest else value
        knobs = replace(knobs, **{name: inner})
    return knobs


def draw(seed: int, knobs: Any = PRODUCTION, kept: Mapping[str, str] = KEPT) -> dict[str, float]:
    """Returns values from the least up to those of production, and these alone for one in four.

    The smallest of all are drawn most often, since they show most.
    """
    chance = random.Random(f"knobs {seed}")
    if chance.random() < 0.25:
        return {}
    drawn = {
        path: _drawn(chance, LEAST.get(path, 1 if isinstance(most, int) else 0.001), most)
        for path, most in each(knobs)
        if not path.startswith(tuple(kept))
    }
    return drawn | SLOW if knobs is PRODUCTION else drawn


def _drawn(chance: random.Random, least: float, most: float) -> float:
    if isinstance(most, int):
        few = min(chance.randint(int(least), int(least) + 2), most)
        any_size = round(least * (most / least) ** chance.random())
        return chance.choice([few, few, any_size, most])
    return chance.choice([least, least * (most / least) ** chance.random(), most])


DRAWN_VALUES = draw(SEED)
DRAWN: Knobs = changed(DRAWN_VALUES)
SENDING = DRAWN_VALUES | {"telemetry.shutdown_timeout": 10.0}
"""For tests that look at what a server sent as it left, which a busy machine needs its time for."""


def drawn_with(values: Mapping[str, Any]) -> Knobs:
    """Returns drawn knobs with these values, by their paths."""
    result: Knobs = changed(values, DRAWN)
    return result


def drawn_values_but(*parts: str) -> dict[str, float]:
    """Returns the drawn values, but for these parts, or knobs, those of production."""
    return {path: value for path, value in DRAWN_VALUES.items() if not path.startswith(parts)}


def drawn_but(*parts: str) -> Knobs:
    """Returns drawn knobs, but for these parts, or knobs, those of production."""
    result: Knobs = changed(drawn_values_but(*parts))
    return result


PLAIN_STORE = drawn_values_but("store.")
"""For tests that say which calls of the system come, or what the log has in it."""


def watching(
    *,
    page_size: int | None = None,
    max_batch: int | None = None,
    hub_bytes: int | None = None,
    page_bytes: int | None = None,
) -> Knobs:
    """Returns drawn knobs whose watches read pages of one size, take so many entries at once, and
    keep so much of their pages and of the log in memory."""
    values = {
        "watching.pages.max_batch": max_batch,
        "watching.hub.max_batch": max_batch,
        "watching.pages.page_size": page_size,
        "watching.hub.max_bytes": hub_bytes,
        "watching.pages.max_bytes": page_bytes,
    }
    return drawn_with({path: value for path, value in values.items() if value is not None})
