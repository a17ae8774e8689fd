"""Keeping API keys."""

from countermand.core.commands import CreateKey, RevokeKey
from countermand.core.draft import Draft
from countermand.core.errors import not_found
from countermand.core.keys import Key
from countermand.core.rows import Rows, Wanted


def wants_to_create_key(command: CreateKey, rows: Rows, wanted: Wanted) -> None:
    """A new key needs nothing: its id is random."""


def create_key(command: CreateKey, draft: Draft) -> Key:
    """Keeps a new key."""
    key = command.key.evolve(create_time=draft.now)
    draft.keys[key.key_id] = key
    return key


def wants_to_revoke_key(command: RevokeKey, rows: Rows, wanted: Wanted) -> None:
    """A revocation needs the key."""
    wanted.keys.add(command.key_id)


def revoke_key(command: RevokeKey, draft: Draft) -> Key:
    """Revokes a key; one that is revoked already stays as it is."""
    key = draft.rows.keys[command.key_id]
    if key is None:
        raise not_found("key", command.key_id)
    if key.revoke_time is None:
        key = key.evolve(revoke_time=draft.now)
        draft.keys[key.key_id] = key
    return key
