"""The two places where keys can be managed, alike: a server, and a store that none has open."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from countermand.cli.failures import Failure
from countermand.cli.options import connect
from countermand.client import Client
from countermand.core import records
from countermand.v1.key_service_pb2 import Key

if TYPE_CHECKING:
    from countermand.rpc.local import LocalKeys

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Keys(Protocol):
    """What can be done with keys. Refusals are CountermandError or Refused."""

    async def create(
        self,
        tenant: str,
        environment: str,
        scopes: Sequence[str],
        expire_time: datetime | None,
    ) -> str:
        """Creates a key and returns its secret."""

    async def list(self) -> list[Key]:
        """Returns all keys, newest first."""

    async def revoke(self, key_id: str) -> Key:
        """Revokes a key and returns it; a repeat is OK."""


class _ServerKeys:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(
        self,
        tenant: str,
        environment: str,
        scopes: Sequence[str],
        expire_time: datetime | None,
    ) -> str:
        answer = await self._client.create_key(tenant, environment, scopes, expire_time=expire_time)
        return answer.secret

    async def list(self) -> list[Key]:
        found: list[Key] = []
        token = ""
        while True:
            page = await self._client.list_keys(page_size=1000, page_token=token)
            found.extend(page.keys)
            token = page.next_page_token
            if not token:
                return found

    async def revoke(self, key_id: str) -> Key:
        return (await self._client.revoke_key(key_id)).key


class _StoreKeys:
    def __init__(self, keys: "LocalKeys") -> None:
        self._keys = keys

    async def create(
        self,
        tenant: str,
        environment: str,
        scopes: Sequence[str],
        expire_time: datetime | None,
    ) -> str:
        expires = None
        if expire_time is not None:
            expires = (expire_time - _EPOCH) // timedelta(microseconds=1)
        _, secret = await self._keys.create(
            tenant=tenant, environment=environment, scopes=tuple(scopes), expire_time=expires
        )
        return secret

    async def list(self) -> list[Key]:
        return [_as_message(key) for key in await self._keys.list()]

    async def revoke(self, key_id: str) -> Key:
        return _as_message(await self._keys.revoke(key_id))


def _as_message(key: records.Key) -> Key:
    return Key(
        key_id=key.key_id,
        tenant=key.tenant,
        environment=key.environment,
        scopes=key.scopes,
        create_time=_as_timestamp(key.create_time),
        expire_time=_as_timestamp(key.expire_time),
        revoke_time=_as_timestamp(key.revoke_time),
    )


def _as_timestamp(microseconds: int | None) -> Timestamp | None:
    if microseconds is None:
        return None
    found = Timestamp()
    found.FromMicroseconds(microseconds)
    return found


def open_server(server: str, api_key: str) -> AbstractAsyncContextManager[Keys]:
    """Returns the keys of a server, to be opened with `async with`."""
    client = connect(server, api_key)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Keys]:
        async with client:
            yield _ServerKeys(client)

    return opened()


@asynccontextmanager
async def open_store(store: str) -> AsyncIterator[Keys]:
    """Opens the keys of a store. Raises Failure if it cannot be opened, as while a server has it
    open."""
    # The client commands start faster without the server's modules.
    from countermand.rpc.local import open_keys
    from countermand.store.contract import StoreRefused

    try:
        async with open_keys(store) as keys:
            yield _StoreKeys(keys)
    except StoreRefused as refusal:
        raise Failure(str(refusal)) from None
