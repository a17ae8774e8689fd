"""Keys of a store that no server has open."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from countermand.core.records import Key
from countermand.rpc.app import running
from countermand.rpc.keyring import Keyring
from countermand.rpc.wire.parse.keys import check_key


class LocalKeys:
    """Works on the keys of an opened store, with the same rules as KeyService."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def create(
        self, *, tenant: str, environment: str, scopes: Sequence[str], expire_time: int | None
    ) -> tuple[Key, str]:
        """Makes a key. Returns it with its secret. Raises Refused: INVALID_REQUEST."""
        check_key(tenant, environment, scopes)
        return await self._keyring.create(
            tenant=tenant, environment=environment, scopes=scopes, expire_time=expire_time
        )

    async def list(self) -> list[Key]:
        """Returns all keys, newest first."""
        return self._keyring.list()

    async def revoke(self, key_id: str) -> Key:
        """Revokes a key. Raises Refused: KEY_NOT_FOUND."""
        return await self._keyring.revoke(key_id)


@asynccontextmanager
async def open_keys(store: str) -> AsyncIterator[LocalKeys]:
    """Opens a store for its keys. Raises StoreRefused if a server has it open."""
    async with running(store) as (app, _):
        yield LocalKeys(app.keyring)
