"""The knobs of a history: more of them are drawn than elsewhere, since nothing here is busy."""

import random

from tests.support.knobs import KEPT, PRODUCTION, draw

DRAWN_HERE = {
    "watching.watchers.write_timeout": 2.0,
    "writer.commit_timeout": 1.0,
    "writer.max_commit": 0.5,
}
"""What other tests keep for busy machines, and is drawn here, with the least of each."""
UNUSED = {
    "connections.": "of sockets, of which there are none here",
    "public.": "of health and reflection, which are no part of it",
    "server.": "of the process and its port",
    "telemetry.": "of what is logged and exported",
    "store.postgres.": "of a store that is not simulated",
    "store.writer_cache_kib": "it only costs time",
    "store.reader_cache_kib": "it only costs time",
    "store.max_cached_statements": "it only costs time",
    "webhooks.max_loaded": "what has no room holds up the rest for hours: a unit test has it",
}
"""What a simulation has no use for, by its beginning, and why."""


COSTLY: dict[str, float] = {
    "clock.look_interval": 0.3,
    "clock.note_interval": 0.5,
    "keyring.note_interval": 0.5,
    "purger.interval": 0.4,
    "reaper.max_sleep": 0.4,
    "store.max_log_bytes": 256 * 1024,
    "store.watch_interval": 0.3,
    "webhooks.purge_interval": 0.5,
    "store.checkpoint_pages": 100,
}
"""What lets a server do hardly anything else when it is small. Below these it is only in one
history of eight, each by itself: so there are more histories in the same time."""


ADDED = ("webhooks.purge_interval", "store.checkpoint_pages")
"""Those that came later, and draw by themselves, so that a seed goes on to mean the same."""


def draw_knobs(seed: int) -> dict[str, float]:
    """Returns the knobs that differ from production, by their paths."""
    kept = {path: why for path, why in KEPT.items() if path not in DRAWN_HERE}
    kept |= UNUSED | dict.fromkeys(DRAWN_HERE, "drawn below")
    drawn = draw(seed, PRODUCTION, kept)
    chance = random.Random(f"more knobs {seed}")
    for path, least in COSTLY.items():
        by = random.Random(f"{path} {seed}") if path in ADDED else chance
        if by.random() < 7 / 8 and path in drawn:
            drawn[path] = max(drawn[path], least)
    drawn["writer.max_commit"] = chance.choice((0.5, 2.0, 5.0))
    drawn["writer.commit_timeout"] = 2 * drawn["writer.max_commit"]
    drawn["watching.watchers.write_timeout"] = chance.choice((2.0, 10.0, 300.0))
    return drawn
