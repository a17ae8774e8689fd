"""The key that a server makes for a store that has none."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from countermand.app.standard_streams import is_shown, write_line
from countermand.core.errors import Reason, Refused
from countermand.core.knobs import MembershipKnobs
from countermand.engine.keyring import Keyring
from countermand.store.contract import SharedState
from countermand.telemetry.logs import fields, flush

log = logging.getLogger(__name__)


class FirstKeyRefused(Exception):
    """The first key cannot be written where it is to be; the text says why."""


async def make_first_key(
    keyring: Keyring,
    file: Path | None = None,
    shared: SharedState | None = None,
    knobs: MembershipKnobs = MembershipKnobs(),  # noqa: B008
) -> None:
    """Makes a key with all scopes, if the store has none and the key can be shown.

    Of several servers that share a store one makes it, and the others wait until it has, or is
    gone. Raises StoreFailed if they cannot be seen.

    It is written into a new file, or else to standard error, before it is stored: one that nobody
    saw would keep the next start from making another. If standard error cannot show it, there is
    still none. Raises FirstKeyRefused if the file cannot be made, and Refused if the key cannot be
    stored; then the file is gone again, unless nobody knows whether the key was stored.
    """
    while shared is not None and not len(keyring):
        if await shared.take_first_key(knobs.first_key_claim):
            try:
                await _make(keyring, file)
            finally:
                await shared.leave_first_key()
            return
        await asyncio.sleep(knobs.interval)
    await _make(keyring, file)


async def _make(keyring: Keyring, file: Path | None) -> None:
    if len(keyring):
        return
    if file is not None:
        await _make_in_file(keyring, file)
        return
    try:
        if not is_shown(sys.stderr):
            raise OSError("standard error goes nowhere")
        await keyring.create_first(_show)
    except OSError as error:
        log.error("made no API key, since none could be shown: %s", error)


async def _make_in_file(keyring: Keyring, file: Path) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise FirstKeyRefused(
            f"the first key is not written to {file}: it is there already, and this store has no"
            " keys; remove it, or name another"
        ) from None
    except OSError as error:
        raise _not_written(file, error) from error
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        await keyring.create_first(lambda secret: _write(descriptor, secret))
    except OSError as error:
        os.unlink(file)
        raise _not_written(file, error) from error
    except Refused as refusal:
        if refusal.reason is not Reason.STORE_UNAVAILABLE:  # Else it may be stored all the same.
            os.unlink(file)
        raise
    finally:
        os.close(descriptor)
    log.info("made the first API key", extra=fields(file=str(file)))


def _not_written(file: Path, error: OSError) -> FirstKeyRefused:
    return FirstKeyRefused(f"cannot write the first key to {file}: {error.strerror}")


def _write(descriptor: int, secret: str) -> None:
    """Writes the key alone on its line, and brings it to disk. Raises OSError."""
    os.write(descriptor, f"{secret}\n".encode())
    os.fsync(descriptor)


def _show(secret: str) -> None:
    """Writes the key alone on its line. Raises OSError."""
    log.info("made the first API key; it is the next line, and is not shown again")
    flush()
    write_line(sys.stderr, secret)
