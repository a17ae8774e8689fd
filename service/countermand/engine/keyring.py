"""API keys: how they look, how they are made, and who may call with them."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hmac import compare_digest

from countermand.core.commands import CreateKey, NoteKeyUses, RevokeKey, RotateKey
from countermand.core.errors import Reason, Refused, not_found, unavailable
from countermand.core.ids import SCOPES
from countermand.core.keys import NO_LIMITS, Key, KeyLimits, Namespace, NewKey
from countermand.core.knobs import KeyringKnobs
from countermand.engine.clock import Clock
from countermand.engine.key_log import log_key_change
from countermand.engine.key_secrets import PREFIX, hash_of, make_secret
from countermand.engine.listeners import Committed
from countermand.engine.writer import Writer
from countermand.store.contract import Store, StoreFailed
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

_NOBODY = b"\0" * 32


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls."""

    key_id: str
    namespace: int
    scopes: frozenset[str]
    limits: KeyLimits = NO_LIMITS
    counted_as: str = field(kw_only=True)
    """The key from which this one came by rotations: what is limited is counted by that, so that a
    key and its successors have one limit together."""

    def require(self, any_of: Sequence[str]) -> None:
        """Raises Refused unless the key has one of these scopes."""
        if self.scopes.isdisjoint(any_of):
            raise Refused(
                Reason.SCOPE_MISSING,
                f"the API key needs the scope {' or '.join(any_of)}",
                metadata={"scope": " ".join(any_of)},
            )


class Keyring:
    """All keys, in memory.

    It hears of every change that this server makes by the commit itself, so a change counts from
    then on, whether or not its caller still waits. What other servers change is read by whoever
    looks for that, and who cannot look accepts no key after a while.
    """

    def __init__(self, store: Store, writer: Writer, clock: Clock, knobs: KeyringKnobs) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._knobs = knobs
        self._keys: dict[str, Key] = {}
        """Oldest first."""
        self._principals: dict[str, Principal] = {}
        self._namespaces: dict[int, Namespace] = {}
        self._predecessors: dict[str, str] = {}
        """Which key a key replaced."""
        self._loading = asyncio.Lock()
        self._heard_meanwhile: dict[str, Key] = {}
        """What changed since the last reading of the store began."""
        self._in_doubt = asyncio.Event()
        """Set when nobody can say whether a change was committed."""
        self._uses: dict[str, int] = {}
        """The last use of each key, until that is written down."""
        self._trusted_until = float("inf")
        """Until when the keys here are good enough to let somebody in, by the monotonic clock."""
        writer.listen(self._hear)

    async def load(self) -> None:
        """Reads all keys from the store. What changes meanwhile is newer than what is read."""
        async with self._loading:
            self._heard_meanwhile = {}
            keys = await self._store.keys()
            found = {key.key_id: key for key in reversed(keys)} | self._heard_meanwhile
            self._keys, self._principals, self._predecessors = {}, {}, {}
            self._keep(found)

    def _hear(self, committed: Committed) -> None:
        changed = committed.batch.saves.keys
        if not changed:
            return
        try:
            self._heard_meanwhile |= changed
            self._keep(changed)
        except BaseException:
            self._in_doubt.set()
            raise

    def _keep(self, changed: Mapping[str, Key]) -> None:
        self._keys |= changed
        for key in changed.values():
            if key.successor_key_id is not None:
                self._predecessors[key.successor_key_id] = key.key_id
        for key in changed.values():
            self._namespaces[key.namespace] = Namespace(key.tenant, key.environment)
            self._principals[key.key_id] = Principal(
                key.key_id,
                key.namespace,
                frozenset(key.scopes),
                key.limits,
                counted_as=self._first_of(key.key_id),
            )

    def _first_of(self, key_id: str) -> str:
        """Returns the key from which one came by rotations; one that never was rotated is that."""
        while key_id in self._predecessors:
            key_id = self._predecessors[key_id]
        return key_id

    def __len__(self) -> int:
        return len(self._keys)

    def namespaces(self, tenant: str = "", environment: str = "") -> dict[int, Namespace]:
        """Returns the namespaces of a tenant and environment by their numbers, in order; an empty
        name stands for all. Every namespace began with a key."""
        return {
            number: self._namespaces[number]
            for number in sorted(self._namespaces)
            if tenant in ("", self._namespaces[number].tenant)
            and environment in ("", self._namespaces[number].environment)
        }

    def namespace(self, number: int) -> Namespace:
        """Returns whose namespace this is. Raises KeyError for a number that is none."""
        return self._namespaces[number]

    def namespace_of(self, key_id: str) -> int:
        """Returns the number of a key's namespace. Raises KeyError for an unknown key."""
        return self._principals[key_id].namespace

    def authenticate(self, presented: str | None) -> Principal:
        """Returns whose key this is. Raises Refused: API_KEY_MISSING or API_KEY_INVALID; and
        STORE_UNAVAILABLE while a key may have been revoked of which this server could not hear.

        An unknown id costs the same as a wrong secret.
        """
        if not presented:
            raise Refused(
                Reason.API_KEY_MISSING, "send an API key as x-api-key, or authorization: Bearer"
            )
        if time.monotonic() > self._trusted_until:
            raise unavailable("the keys cannot be read; try again")
        key_id, _, _ = presented.removeprefix(f"{PREFIX}_").rpartition("_")
        key_id = key_id.rpartition("_")[2]
        key = self._keys.get(key_id)
        right = compare_digest(hash_of(presented), _NOBODY if key is None else key.secret_hash)
        now = self._clock.now()
        if key is None or not right or not key.live(now):
            raise Refused(Reason.API_KEY_INVALID, "the API key is not valid")
        self._uses[key_id] = now
        return self._principals[key_id]

    def trust_until(self, end: float) -> None:
        """Accepts keys until then, by the monotonic clock in seconds."""
        self._trusted_until = end

    def has_limits(self) -> bool:
        """Whether some key has a limit."""
        return any(one.limits != NO_LIMITS for one in self._principals.values())

    def name_of(self, key_id: str) -> str:
        """Returns what people call a key; empty for one without a name, and for what is no key."""
        key = self._keys.get(key_id)
        return "" if key is None else key.name

    def is_live(self, key_id: str) -> bool:
        """Whether the key is accepted now."""
        key = self._keys.get(key_id)
        return key is not None and key.live(self._clock.now())

    def environment(self, key_id: str) -> str:
        """Returns the environment of a key that was let in."""
        return self._keys[key_id].environment

    async def create(
        self,
        new: NewKey,
        show: Callable[[str], None] = lambda secret: None,
        *,
        created_by: str = "",
    ) -> tuple[Key, str]:
        """Makes a key and stores its hash. Returns the key and its secret.

        The secret has 256 random bits, so one fast hash keeps it safe; slow ones are for passwords.
        `show` is given the secret before the key is stored; what it raises leaves nothing behind.
        """
        key_id, secret = make_secret(new.environment)
        show(secret)
        key = Key(
            key_id=key_id,
            tenant=new.tenant,
            environment=new.environment,
            scopes=new.scopes,
            secret_hash=hash_of(secret),
            create_time=self._clock.now(),
            expire_time=new.expire_time,
            limits=new.limits,
            name=new.name,
            created_by=created_by,
        )
        return await self._change(CreateKey(0, key), created_by), secret

    async def create_first(self, show: Callable[[str], None] = lambda secret: None) -> str:
        """Makes a key with all scopes for tenant `default` in `sandbox`. Returns its secret."""
        first = NewKey("default", "sandbox", SCOPES, name="first key")
        _, secret = await self.create(first, show, created_by="system:start")
        return secret

    async def revoke(self, key_id: str, revoked_by: str = "") -> Key:
        """Revokes a key. Raises Refused: KEY_NOT_FOUND."""
        command = RevokeKey(0, key_id, revoked_by)
        return self._with_use(await self._change(command, revoked_by))

    async def rotate(self, key_id: str, overlap: int, created_by: str = "") -> tuple[Key, str]:
        """Replaces a key by one like it, and lets it live on for the overlap, in microseconds.

        Returns the new key and its secret. Raises Refused: KEY_NOT_FOUND.
        """
        old = self._keys.get(key_id)
        if old is None:
            raise not_found("key", key_id)
        new_id, secret = make_secret(old.environment)
        command = RotateKey(0, key_id, overlap, new_id, hash_of(secret), created_by)
        return await self._change(command, created_by), secret

    async def _change(self, command: CreateKey | RevokeKey | RotateKey, by: str = "") -> Key:
        answer = self._writer.submit(command)
        answer.add_done_callback(partial(self._see_how_it_ended, command, by))
        # The caller may go, and its wait be cancelled; how the change ends is seen all the same.
        key: Key = await asyncio.shield(answer)
        return key

    def _see_how_it_ended(
        self, command: CreateKey | RevokeKey | RotateKey, by: str, answer: asyncio.Future[Key]
    ) -> None:
        failure = None if answer.cancelled() else answer.exception()
        if failure is None and not answer.cancelled():
            log_key_change(command, answer.result(), by)
        if isinstance(failure, Refused) and failure.reason is Reason.STORE_UNAVAILABLE:
            self._in_doubt.set()

    def list(self) -> list[Key]:
        """Returns all keys, newest first."""
        return [self._with_use(key) for key in reversed(self._keys.values())]

    def _with_use(self, key: Key) -> Key:
        return key.evolve(last_use_time=self._uses.get(key.key_id, key.last_use_time))

    async def run(self) -> None:
        """Writes down forever, once in a while, when keys were used: never for each call. After a
        change that may have been committed or not it reads the store."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._knobs.note_interval):
                    await self._in_doubt.wait()
            if self._in_doubt.is_set():
                await self._resolve_doubt()
            else:
                await self.note_uses()

    async def _resolve_doubt(self) -> None:
        self._in_doubt.clear()
        try:
            await self.load()
        except StoreFailed as failure:
            log.warning("the keys could not be read", extra=fields(cause=str(failure)))
            self._in_doubt.set()
            await asyncio.sleep(self._knobs.retry_interval)

    async def note_uses(self) -> None:
        """Writes down the uses since the last time. If the store refuses, the next time does it."""
        noted = dict(self._uses)
        if not noted:
            return
        try:
            await self._writer.submit(NoteKeyUses(0, noted))
        except Refused:
            return
        for key_id, at in noted.items():
            if self._uses.get(key_id) == at:
                del self._uses[key_id]
