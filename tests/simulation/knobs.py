"""The knobs of a history: more of them are drawn than elsewhere, since nothing here is busy."""

import random

from tests.support.knobs import KEPT, PRODUCTION, draw

DRAWN_HERE = ("writer.commit_timeout", "writer.max_commit")
"""What other tests keep for busy machines, and is drawn here."""
UNUSED = (
    "connections.",
    "public.",
    "server.",
    "telemetry.",
    "store.writer_cache_kib",
    "store.reader_cache_kib",
    "store.max_cached_statements",
)
"""What a simulation has no use for, or what only costs time."""


def draw_knobs(seed: int) -> dict[str, float]:
    """Returns the knobs that differ from production, by their paths."""
    kept = {path: why for path, why in KEPT.items() if path not in DRAWN_HERE}
    kept |= dict.fromkeys(UNUSED, "unused here") | dict.fromkeys(DRAWN_HERE, "drawn below")
    drawn = draw(seed, PRODUCTION, kept)
    chance = random.Random(f"more knobs {seed}")
    drawn["writer.max_commit"] = chance.choice((0.5, 2.0, 5.0))
    drawn["writer.commit_timeout"] = 2 * drawn["writer.max_commit"]
    drawn["watching.watchers.write_timeout"] = chance.choice((2.0, 10.0, 300.0))
    return drawn
