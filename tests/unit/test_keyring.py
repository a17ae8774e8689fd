"""The keyring on a real store: which secrets it accepts and for how long, and notes of uses."""

import asyncio
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from countermand.core.commands import NoteKeyUses
from countermand.core.decide import Batch
from countermand.core.errors import Refused
from countermand.core.keys import Key, KeyLimits, NewKey
from countermand.core.knobs import KeyringKnobs
from countermand.core.records import SECOND
from countermand.engine.keyring import Keyring, Principal
from countermand.store.contract import StoreFailed
from tests.support.engine import Engine, HandClock, running
from tests.support.knobs import PRODUCTION

NEW = NewKey("shop", "production", ("tasks:read", "orders:read"))


class Fixture(NamedTuple):
    """A keyring, what it stands on, and a clock that a test moves."""

    keyring: Keyring
    engine: Engine
    clock: HandClock

    def let_in(self, secret: str) -> bool:
        try:
            self.keyring.authenticate(secret)
        except Refused:
            return False
        return True

    def used(self, key: Key) -> int | None:
        """When the keyring says that the key was last used."""
        (found,) = [each for each in self.keyring.list() if each.key_id == key.key_id]
        return found.last_use_time

    async def kept(self, key: Key) -> Key:
        """The key as the store has it."""
        (found,) = [each for each in await self.engine.store.keys() if each.key_id == key.key_id]
        return found


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[Fixture]:
    clock = HandClock()
    async with running(tmp_path / "store.db", clock=clock) as engine:
        yield Fixture(
            Keyring(engine.store, engine.writer, clock, KeyringKnobs(note_interval=0.001)),
            engine,
            clock,
        )


async def test_a_secret_shows_its_environment_and_id_and_has_256_random_bits(fixture: Fixture):
    made = await asyncio.gather(*(fixture.keyring.create(NEW) for _ in range(20)))
    found = [re.fullmatch(r"cmd_production_([0-9a-f]{16})_([0-9a-f]{64})", s) for _, s in made]
    assert [match and match[1] for match in found] == [key.key_id for key, _ in made]
    assert len({match and match[2] for match in found}) == 20
    always_set = always_clear = (1 << 256) - 1
    for _, secret in made:
        bits = int(secret[-64:], 16)
        always_set, always_clear = always_set & bits, always_clear & ~bits
    assert always_set.bit_count() + always_clear.bit_count() < 4  # by all odds there is none


async def test_of_a_secret_only_its_sha_256_is_kept(fixture: Fixture):
    key, secret = await fixture.keyring.create(NEW)
    kept = await fixture.kept(key)
    assert kept.secret_hash == sha256(secret.encode()).digest()
    assert secret not in repr(vars(kept))


async def test_who_calls_is_known_by_the_key(fixture: Fixture):
    limits = KeyLimits(1, 2, 3, 4)
    key, secret = await fixture.keyring.create(NewKey("shop", "sandbox", NEW.scopes, None, limits))
    known = fixture.keyring.authenticate(secret)
    namespace = (await fixture.kept(key)).namespace
    assert known == Principal(
        key.key_id, namespace, frozenset(NEW.scopes), limits, counted_as=key.key_id
    )
    assert namespace > 0


async def test_a_key_and_its_successors_are_counted_as_the_first_also_after_a_restart(
    fixture: Fixture,
):
    first, secret = await fixture.keyring.create(NEW)
    secrets, last = [secret], first
    for _ in range(3):
        last, secret = await fixture.keyring.rotate(last.key_id, 3600 * SECOND)
        secrets.append(secret)
    other, alone = await fixture.keyring.create(NEW)
    restarted = Keyring(
        fixture.engine.store, fixture.engine.writer, fixture.clock, PRODUCTION.keyring
    )
    await restarted.load()
    for keyring in (fixture.keyring, restarted):
        assert {keyring.authenticate(one).counted_as for one in secrets} == {first.key_id}
        assert keyring.authenticate(alone).counted_as == other.key_id
    await fixture.keyring.note_uses()  # which saves the old ones anew
    await fixture.keyring.revoke(first.key_id)
    assert {fixture.keyring.authenticate(one).counted_as for one in secrets[1:]} == {first.key_id}


async def test_a_secret_of_another_key_opens_nothing(fixture: Fixture):
    (one, first), (other, second) = [await fixture.keyring.create(NEW) for _ in range(2)]
    assert not fixture.let_in(first.replace(one.key_id, other.key_id))
    assert not fixture.let_in(second.replace(other.key_id, one.key_id))
    assert not fixture.let_in(first.replace("production", "sandbox"))
    assert not fixture.let_in(first.replace(one.key_id, "0" * 16))
    assert fixture.let_in(first)


async def test_a_key_is_refused_from_the_instant_at_which_it_expires(fixture: Fixture):
    end = fixture.clock.time + 7
    key, secret = await fixture.keyring.create(NewKey("shop", "sandbox", ("tasks:read",), end))
    fixture.clock.time = end - 1
    assert fixture.let_in(secret)
    assert fixture.keyring.is_live(key.key_id)
    fixture.clock.time = end
    assert not fixture.let_in(secret)
    assert not fixture.keyring.is_live(key.key_id)


async def test_two_keys_live_until_the_overlap_is_over(fixture: Fixture):
    old, old_secret = await fixture.keyring.create(NEW)
    new, new_secret = await fixture.keyring.rotate(old.key_id, SECOND)
    assert fixture.let_in(old_secret)
    assert fixture.let_in(new_secret)
    fixture.clock.time += SECOND
    assert not fixture.let_in(old_secret)
    assert fixture.let_in(new_secret)
    assert new_secret.startswith(f"cmd_production_{new.key_id}_")


async def test_an_unknown_key_is_neither_rotated_nor_revoked(fixture: Fixture):
    for call in (fixture.keyring.rotate("nobody", 0), fixture.keyring.revoke("nobody")):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.reason == "KEY_NOT_FOUND"


# Notes of uses.


def notes(engine: Engine) -> list[dict[str, int]]:
    """What each commit so far was asked to note."""
    batches = engine.store.batches
    return [one.times for batch in batches for one in batch if isinstance(one, NoteKeyUses)]


async def test_a_call_writes_nothing_and_many_calls_are_one_note(fixture: Fixture):
    (one, first), (other, second) = [await fixture.keyring.create(NEW) for _ in range(2)]
    before = len(fixture.engine.store.batches)
    assert fixture.used(one) is None
    for _ in range(1000):
        fixture.clock.time += 1
        assert fixture.let_in(first)
    assert fixture.let_in(second)
    now = fixture.clock.time
    assert (fixture.used(one), fixture.used(other)) == (now, now)  # shown before it is written
    assert len(fixture.engine.store.batches) == before

    await fixture.keyring.note_uses()
    assert notes(fixture.engine) == [{one.key_id: now, other.key_id: now}]
    assert (await fixture.kept(one)).last_use_time == now
    await fixture.keyring.note_uses()
    assert len(notes(fixture.engine)) == 1  # nothing is new
    assert fixture.used(one) == now

    fixture.clock.time += 1
    fixture.let_in(second)
    await fixture.keyring.note_uses()
    assert notes(fixture.engine)[1:] == [{other.key_id: now + 1}]
    assert (fixture.used(one), fixture.used(other)) == (now, now + 1)


async def test_uses_are_noted_again_and_again(fixture: Fixture):
    key, secret = await fixture.keyring.create(NEW)
    running = asyncio.create_task(fixture.keyring.run())
    for _ in range(2):
        fixture.clock.time += 1
        fixture.let_in(secret)
        while (await fixture.kept(key)).last_use_time != fixture.clock.time:
            assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_refused_call_is_no_use(fixture: Fixture):
    key, secret = await fixture.keyring.create(NEW)
    assert not fixture.let_in(secret[:-1])
    await fixture.keyring.revoke(key.key_id)
    assert not fixture.let_in(secret)
    await fixture.keyring.note_uses()
    assert notes(fixture.engine) == []
    assert fixture.used(key) is None


async def test_a_note_that_the_store_refuses_is_made_later(fixture: Fixture):
    key, secret = await fixture.keyring.create(NEW)
    fixture.let_in(secret)

    def fail(_: Batch) -> None:
        raise StoreFailed("the disk is full", full=True)

    fixture.engine.store.before = fail
    await fixture.keyring.note_uses()
    assert (await fixture.kept(key)).last_use_time is None
    fixture.engine.store.before = lambda batch: None
    await fixture.keyring.note_uses()
    assert (await fixture.kept(key)).last_use_time == fixture.clock.time


async def test_a_use_during_the_note_is_noted_next(fixture: Fixture):
    key, secret = await fixture.keyring.create(NEW)
    fixture.let_in(secret)
    fixture.engine.store.hold()
    noting = asyncio.create_task(fixture.keyring.note_uses())
    await fixture.engine.store.entered.wait()
    fixture.clock.time += 5
    fixture.let_in(secret)
    fixture.engine.store.release()
    await noting
    assert fixture.used(key) == fixture.clock.time
    await fixture.keyring.note_uses()
    assert [note[key.key_id] for note in notes(fixture.engine)] == [
        fixture.clock.time - 5,
        fixture.clock.time,
    ]
