"""Keeping API keys."""

from countermand.core.commands import CreateKey, NoteKeyUses, RevokeKey, RotateKey
from countermand.core.draft import Draft
from countermand.core.errors import Reason, Refused, Resource, not_found
from countermand.core.keys import Key, KeyState
from countermand.core.rows import Rows, Wanted


def wants_to_create_key(command: CreateKey, rows: Rows, wanted: Wanted) -> None:
    """A new key needs nothing: its id is random."""


def create_key(command: CreateKey, draft: Draft) -> Key:
    """Keeps a new key."""
    key = command.key.evolve(create_time=draft.now)
    draft.keys[key.key_id] = key
    return key


def wants_key(command: RevokeKey | RotateKey, rows: Rows, wanted: Wanted) -> None:
    """A revocation and a rotation need the key."""
    wanted.keys.add(command.key_id)


def revoke_key(command: RevokeKey, draft: Draft) -> Key:
    """Revokes a key; one that is revoked already stays as it is.

    It is saved all the same: whoever keeps keys in memory may not have heard of the first time.
    """
    key = draft.rows.keys[command.key_id]
    if key is None:
        raise not_found("key", command.key_id)
    if key.revoke_time is None:
        key = key.evolve(revoke_time=max(draft.now, key.create_time), revoked_by=command.revoked_by)
    draft.keys[key.key_id] = key
    return key


def rotate_key(command: RotateKey, draft: Draft) -> Key:
    """Keeps a key that replaces a live one, which expires after the overlap or as before."""
    old = draft.rows.keys[command.key_id]
    if old is None:
        raise not_found("key", command.key_id)
    if old.state(draft.now) is not KeyState.LIVE:
        raise _not_live(old, draft.now)
    ends, lifetime = draft.now + command.overlap, None
    if old.expire_time is not None:
        ends, lifetime = min(ends, old.expire_time), old.expire_time - old.create_time
    new = Key(
        key_id=command.new_key_id,
        tenant=old.tenant,
        environment=old.environment,
        scopes=old.scopes,
        secret_hash=command.secret_hash,
        create_time=draft.now,
        expire_time=None if lifetime is None else draft.now + lifetime,
        limits=old.limits,
        namespace=old.namespace,
        name=old.name,
        created_by=command.created_by,
    )
    draft.keys[new.key_id] = new
    draft.keys[old.key_id] = old.evolve(expire_time=ends, successor_key_id=new.key_id)
    return new


def _not_live(key: Key, now: int) -> Refused:
    state = key.state(now)
    metadata = {"key_id": key.key_id, "state": state.value}
    why = f"it is {state}"
    if key.successor_key_id is not None:
        metadata["successor_key_id"] = key.successor_key_id
        why += f", and its successor is {key.successor_key_id}"
    return Refused(
        Reason.KEY_NOT_FOUND,
        f"there is no key {key.key_id} to rotate: {why}",
        metadata=metadata,
        resource=Resource("key", key.key_id),
    )


def wants_to_note_key_uses(command: NoteKeyUses, rows: Rows, wanted: Wanted) -> None:
    """A note of uses needs the keys."""
    wanted.keys.update(command.times)


def note_key_uses(command: NoteKeyUses, draft: Draft) -> None:
    """Keeps the last use of each key, unless a later one is kept already.

    One in the future is none: the clock was wrong when it was kept.
    """
    for key_id, time in command.times.items():
        key = draft.rows.keys[key_id]
        if key is None:
            continue
        last = key.last_use_time
        if last is None or last < time or last > draft.now:
            draft.keys[key_id] = key.evolve(last_use_time=time)
