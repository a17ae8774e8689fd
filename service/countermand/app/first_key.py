"""The key that a server makes for a store that has none."""

import logging
import sys

from countermand.app.standard_streams import is_shown, write_line
from countermand.engine.keyring import Keyring
from countermand.telemetry.logs import flush

log = logging.getLogger(__name__)


async def make_first_key(keyring: Keyring) -> None:
    """Makes a key with all scopes, if the store has none and standard error can show it.

    It is shown before it is stored: one that nobody saw would keep the next start from making
    another. If it cannot be shown, there is still none. Raises Refused if it cannot be stored.
    """
    if len(keyring):
        return
    try:
        if not is_shown(sys.stderr):
            raise OSError("standard error goes nowhere")
        await keyring.create_first(_show)
    except OSError as error:
        log.error("made no API key, since none could be shown: %s", error)


def _show(secret: str) -> None:
    """Writes the key alone on its line. Raises OSError."""
    log.info("made the first API key; it is the next line, and is not shown again")
    flush()
    write_line(sys.stderr, secret)
