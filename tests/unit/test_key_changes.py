"""Key changes count from their commit on: whoever hangs up, wherever, and whatever is read then.

Each command of KeyService is cancelled at each of its awaits, in turn. After that, what the server
has in memory must be what the store has.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from countermand.app.composition import App
from countermand.cli.local_keys import OPERATOR
from countermand.core.commands import RotateKey
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.keys import Key
from countermand.core.records import SECOND
from countermand.engine.keyring import Keyring
from countermand.rpc.servicers.key import KeyService
from countermand.store.contract import StoreFailed
from countermand.v1 import key_service_pb2 as k
from tests.support.ask import renew
from tests.support.engine import HandClock, TroubledStore
from tests.support.hang_up import Caller
from tests.support.knobs import PRODUCTION

Command = Callable[[KeyService, str], Coroutine[Any, Any, Any]]

NEW = {"tenant": "shop", "environment": "sandbox", "scopes": ["tasks:read"]}


def create(service: KeyService, key_id: str) -> Coroutine[Any, Any, Any]:
    return service.create_key(OPERATOR, k.CreateKeyRequest(**NEW))


def revoke(service: KeyService, key_id: str) -> Coroutine[Any, Any, Any]:
    return service.revoke_key(OPERATOR, k.RevokeKeyRequest(key_id=key_id))


def rotate(service: KeyService, key_id: str) -> Coroutine[Any, Any, Any]:
    """Ends the old key at once."""
    request = k.RotateKeyRequest(key_id=key_id, overlap={"seconds": 0})
    return service.rotate_key(OPERATOR, request)


COMMANDS = (create, revoke, rotate)


@dataclass
class Keys:
    """The parts of a server with one key, on a clock that a test moves."""

    app: App
    store: TroubledStore
    clock: HandClock
    service: KeyService
    key_id: str = ""
    secrets: list[str] = field(default_factory=list)

    def opened_by(self, keyring: Keyring) -> list[bool]:
        return [_let_in(keyring, secret) for secret in self.secrets]

    async def settle(self) -> None:
        """Returns when all that was submitted is committed."""
        await self.app.writer.submit(renew())

    async def difference(self) -> list[tuple[Any, Any]]:
        """Returns where memory is not what the store has."""
        fresh = Keyring(self.app.store, self.app.writer, self.clock, PRODUCTION.keyring)
        await fresh.load()
        kept = [
            [key.evolve(last_use_time=None) for key in keyring.list()]
            for keyring in (self.app.keyring, fresh)
        ]
        opened = [self.opened_by(keyring) for keyring in (self.app.keyring, fresh)]
        return [(memory, store) for memory, store in (kept, opened) if memory != store]


def _let_in(keyring: Keyring, secret: str) -> bool:
    try:
        keyring.authenticate(secret)
    except Refused:
        return False
    return True


@asynccontextmanager
async def keys(path: Path) -> AsyncIterator[Keys]:
    clock = HandClock()
    store: Any = TroubledStore(path)
    app = App(store, clock, PRODUCTION)
    await store.open(clock.now())
    writing = asyncio.create_task(app.writer.run())
    found = Keys(app, store, clock, KeyService(app.keyring, clock))
    await app.keyring.load()
    made = await found.service.create_key(OPERATOR, k.CreateKeyRequest(**NEW))
    found.key_id, found.secrets = made.key.key_id, [made.secret]
    clock.time += SECOND
    try:
        yield found
    finally:
        store.release()
        app.writer.close()
        await writing
        await store.close()


class Reading:
    """A reading of all keys that began, and whose answer is held back."""

    def __init__(self, found: Keys) -> None:
        self._read: Any = found.store.real.keys
        self._go_on = asyncio.Event()
        self._began = asyncio.Event()
        found.store.keys = self._answer
        self._loading = asyncio.create_task(found.app.keyring.load())
        self._store = found.store

    async def _answer(self) -> list[Key]:
        answer: list[Key] = await self._read()
        self._began.set()
        await self._go_on.wait()
        return answer

    async def began(self) -> None:
        await self._began.wait()

    async def end(self) -> None:
        """Lets the answer come, now that it is outdated."""
        self._store.keys = self._read
        self._go_on.set()
        await self._loading


def paths(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yields, for the first await, the second and so on, where a store may be."""
    for nth in range(1, 100):
        yield nth, folder / f"{nth}.db"


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_change_whose_caller_hangs_up_at_any_await_counts_as_it_was_committed(
    tmp_path: Path, command: Command
) -> None:
    for nth, path in paths(tmp_path):
        async with keys(path) as found:
            found.store.hold()
            call = Caller(command(found.service, found.key_id), nth)
            await asyncio.sleep(0)
            found.store.release()
            waited = await call.ended()
            await found.settle()
            assert await found.difference() == []
        if not waited:
            break
    assert nth > 1  # there was an await to hang up at


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_reading_that_began_before_a_change_and_ends_after_it_undoes_nothing(
    tmp_path: Path, command: Command
) -> None:
    for nth, path in paths(tmp_path):
        async with keys(path) as found:
            reading = Reading(found)
            await reading.began()
            waited = await Caller(command(found.service, found.key_id), nth).ended()
            await found.settle()
            await reading.end()
            assert await found.difference() == []
        if not waited:
            break


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_change_counts_also_while_the_store_cannot_be_read(
    tmp_path: Path, command: Command
) -> None:
    async def fail() -> list[Key]:
        raise StoreFailed("cannot read")

    for nth, path in paths(tmp_path):
        async with keys(path) as found:
            found.store.keys = fail
            waited = await Caller(command(found.service, found.key_id), nth).ended()
            await found.settle()
            with pytest.raises(StoreFailed):
                await found.app.keyring.load()
            found.store.keys = found.store.real.keys
            assert await found.difference() == []
        if not waited:
            break


@pytest.mark.parametrize("command", [revoke, rotate])
async def test_the_open_watches_of_a_key_end_with_the_commit_that_ends_it(
    tmp_path: Path, command: Command
) -> None:
    for nth, path in paths(tmp_path):
        async with keys(path) as found:
            watchers = found.app.watchers
            other = await found.service.create_key(OPERATOR, k.CreateKeyRequest(**NEW))
            with watchers.opened(found.key_id) as ends, watchers.opened(other.key.key_id) as stays:
                found.store.hold()
                call = Caller(command(found.service, found.key_id), nth)
                await found.store.entered.wait()
                ends.check()
                found.store.release()
                waited = await call.ended()
                await found.settle()
                stays.check()
                with pytest.raises(Refused) as caught:
                    ends.check()
                assert caught.value.reason is Reason.API_KEY_INVALID
        if not waited:
            break


@asynccontextmanager
async def looking_up(found: Keys) -> AsyncIterator[None]:
    """Runs the keyring, and returns when it knows what the store has."""
    looking = asyncio.create_task(found.app.keyring.run())
    try:
        yield
        async with asyncio.timeout(10):
            while await found.difference():
                assert not looking.done()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_change_of_which_nobody_can_say_is_looked_up(
    tmp_path: Path, command: Command
) -> None:
    async with keys(tmp_path / "keys.db") as found, looking_up(found):

        def lose(batch: Batch) -> None:
            found.store.after = lambda batch: None
            raise StoreFailed("no answer from the disk")

        found.store.after = lose
        with pytest.raises(Refused) as caught:
            await command(found.service, found.key_id)
        assert caught.value.reason is Reason.STORE_UNAVAILABLE


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_change_that_the_keyring_failed_to_hear_of_is_looked_up(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(changed: Mapping[str, Key]) -> None:
        raise RuntimeError

    async with keys(tmp_path / "keys.db") as found, looking_up(found):
        with monkeypatch.context() as patch:
            patch.setattr(found.app.keyring, "_keep", fail)
            await command(found.service, found.key_id)


async def test_keys_that_change_in_one_batch_are_all_heard_of(tmp_path: Path) -> None:
    async with keys(tmp_path / "keys.db") as found:
        found.store.hold()
        first = asyncio.create_task(revoke(found.service, "nobody"))
        await found.store.entered.wait()
        made = [asyncio.create_task(create(found.service, "")) for _ in range(3)]
        ends = asyncio.create_task(revoke(found.service, found.key_id))
        chain = [
            asyncio.create_task(found.app.keyring._change(command))
            for command in (
                RotateKey(0, found.key_id, SECOND, "second", bytes(32)),
                RotateKey(0, "second", SECOND, "third", bytes(range(32))),
            )
        ]
        await asyncio.sleep(0)
        found.store.release()
        answers = await asyncio.gather(first, *made, ends, *chain, return_exceptions=True)
        assert [type(answer).__name__ for answer in answers[:1]] == ["Refused"]
        assert await found.difference() == []
        assert len(found.app.keyring.list()) == 4
