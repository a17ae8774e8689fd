"""What a fork leaves of open clients: nothing that works, so they say so instead of hanging.

The threads of gRPC do not come along into the child. A client that was open is of no use there, and
neither is a new one, as long as one was open at the fork, or was closed so shortly before it that
gRPC's threads had not ended: it could wait forever for one of them.
"""

import os
import time
from typing import Any
from weakref import WeakSet

from countermand.client.knobs import ClientKnobs

_REST = ClientKnobs().rest_before_fork
_open: WeakSet[Any] = WeakSet()
_broken = False
_closed_at = float("-inf")
"""When the last one was closed, by the monotonic clock in seconds."""

_SENTENCE = (
    "a client was open when this process was forked, or just before, and gRPC does not work here"
    " any more: open clients after the fork only, or start the process anew (spawn or forkserver)"
)


def _after_in_child() -> None:
    global _broken
    _broken = _broken or len(_open) > 0 or time.monotonic() < _closed_at + _REST
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)


def note_open(client: object) -> None:
    """Notes that a client is open."""
    _open.add(client)


def note_closed(client: object) -> None:
    """Notes that a client is open no more."""
    global _closed_at
    _open.discard(client)
    _closed_at = time.monotonic()


def check_usable() -> None:
    """Raises RuntimeError if this process was forked while a client was open, or just after."""
    if _broken:
        raise RuntimeError(_SENTENCE)
