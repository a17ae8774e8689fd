"""Rules of API keys: how long they live, what replaces them, when they were used."""

import pytest

from countermand.core.commands import CreateKey, NoteKeyUses, RevokeKey, RotateKey
from countermand.core.errors import Reason, Refused
from countermand.core.keys import Key, KeyLimits, KeyState
from countermand.core.records import SECOND
from tests.support.ask import key
from tests.support.world import World

DAY = 86_400 * SECOND
HASH = bytes(range(32))


def made(world: World, **fields: object) -> Key:
    """Keeps a key with these fields."""
    found: Key = world.do(CreateKey(0, key().evolve(**fields)))
    return found


def rotate(key_id: str = "key-1", overlap: int = DAY, new_id: str = "key-2") -> RotateKey:
    return RotateKey(0, key_id, overlap, new_id, HASH)


def refusal_of(world: World, command: RevokeKey | RotateKey) -> Refused:
    before = world.copy().rows()
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert world.rows() == before
    assert caught.value.reason is Reason.KEY_NOT_FOUND
    return caught.value


def test_a_key_is_kept_with_the_time_of_its_creation(world: World) -> None:
    assert made(world, create_time=5).create_time == world.now


def test_revoking_a_revoked_key_changes_nothing(world: World) -> None:
    made(world)
    first = world.do(RevokeKey(0, "key-1"))
    assert first.revoke_time == world.now
    world.now += SECOND
    assert world.do(RevokeKey(0, "key-1")) == first


def test_a_key_says_who_made_it_and_who_revoked_it_first(world: World) -> None:
    made(world, name="till-7", created_by="admin-1")
    new = world.do(RotateKey(0, "key-1", DAY, "key-2", HASH, "admin-2"))
    assert (new.name, new.created_by, new.revoked_by) == ("till-7", "admin-2", "")
    gone = world.do(RevokeKey(0, "key-1", "admin-3"))
    assert (gone.created_by, gone.revoked_by) == ("admin-1", "admin-3")
    assert world.do(RevokeKey(0, "key-1", "admin-4")).revoked_by == "admin-3"


def test_an_unknown_key_is_not_found(world: World) -> None:
    assert refusal_of(world, RevokeKey(0, "nobody")).metadata == {"key_id": "nobody"}
    assert refusal_of(world, rotate("nobody")).metadata == {"key_id": "nobody"}


def test_a_key_lives_until_it_expires_or_is_revoked() -> None:
    made = key().evolve(expire_time=10)
    assert made.live(9)
    assert not made.live(10)
    assert not made.evolve(revoke_time=5).live(9)
    assert key().live(10**18)


def test_the_state_of_a_key_says_why_it_does_not_live() -> None:
    made = key().evolve(expire_time=10)
    rotated = made.evolve(successor_key_id="key-2")
    assert made.state(9) is KeyState.LIVE
    assert rotated.state(9) is KeyState.ROTATED
    assert made.state(10) is rotated.state(10) is KeyState.EXPIRED
    assert rotated.evolve(revoke_time=5).state(10) is KeyState.REVOKED


def test_the_new_key_of_a_rotation_is_like_the_old_one(world: World) -> None:
    limits = KeyLimits(1, 2, 3, 4)
    old = made(world, scopes=("tasks:run", "orders:read"), limits=limits, last_use_time=3)
    world.now += SECOND
    new = world.do(rotate())
    assert new == Key(
        key_id="key-2",
        tenant=old.tenant,
        environment=old.environment,
        scopes=old.scopes,
        secret_hash=HASH,
        create_time=world.now,
        limits=limits,
    )
    assert world.keys["key-2"] == new
    assert world.keys["key-1"] == old.evolve(expire_time=world.now + DAY, successor_key_id="key-2")


def test_a_rotated_key_lives_as_long_as_the_overlap_says(world: World) -> None:
    made(world)
    world.do(rotate(overlap=SECOND))
    assert world.keys["key-1"].live(world.now + SECOND - 1)
    assert not world.keys["key-1"].live(world.now + SECOND)


def test_without_an_overlap_the_old_key_ends_at_once(world: World) -> None:
    made(world)
    world.do(rotate(overlap=0))
    assert not world.keys["key-1"].live(world.now)


def test_a_rotation_lets_no_key_live_longer_than_before(world: World) -> None:
    made(world, expire_time=world.now + SECOND)
    world.do(rotate())
    assert world.keys["key-1"].expire_time == world.now + SECOND


def test_what_replaces_a_key_that_expires_expires_after_the_same_span(world: World) -> None:
    made(world, expire_time=world.now + 90 * DAY)
    world.now += 80 * DAY
    new = world.do(rotate())
    assert new.expire_time == world.now + 90 * DAY
    world.now += 80 * DAY
    newer = world.do(rotate("key-2", new_id="key-3"))
    assert newer.expire_time == world.now + 90 * DAY


def test_a_key_is_rotated_once_and_then_its_successor_is(world: World) -> None:
    made(world)
    world.do(rotate())
    refusal = refusal_of(world, rotate(new_id="key-3"))
    expected = {"key_id": "key-1", "state": "ROTATED", "successor_key_id": "key-2"}
    assert refusal.metadata == expected
    assert "key-2" in refusal.message
    world.do(rotate("key-2", new_id="key-3"))
    assert world.keys["key-2"].successor_key_id == "key-3"


def test_two_rotations_of_one_key_in_one_batch_make_one_key(world: World) -> None:
    made(world)
    first, second = world.run(rotate(), rotate(new_id="key-3"))
    assert isinstance(first, Key)
    assert isinstance(second, Refused)
    assert second.metadata["successor_key_id"] == "key-2"
    assert set(world.keys) == {"key-1", "key-2"}


def test_a_dead_key_is_not_rotated(world: World) -> None:
    made(world, expire_time=world.now + SECOND)
    world.now += SECOND
    assert refusal_of(world, rotate()).metadata["state"] == "EXPIRED"
    world.do(RevokeKey(0, "key-1"))
    assert refusal_of(world, rotate()).metadata["state"] == "REVOKED"


def test_the_last_use_of_a_key_only_grows(world: World) -> None:
    made(world)
    world.do(CreateKey(0, key("key-2")))
    world.do(NoteKeyUses(0, {"key-1": 7, "nobody": 8}))
    assert world.keys["key-1"].last_use_time == 7
    world.do(NoteKeyUses(0, {"key-1": 6, "key-2": 9}))
    assert [each.last_use_time for each in world.keys.values()] == [7, 9]


def test_no_hash_of_a_secret_shows_in_a_text() -> None:
    kept = key().evolve(secret_hash=HASH)
    for shown in (repr(kept), str(kept), repr(rotate()), repr(CreateKey(0, kept))):
        assert repr(HASH) not in shown
        assert HASH.hex() not in shown
        assert "key-1" in shown
