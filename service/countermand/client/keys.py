"""The methods of KeyService."""

from collections.abc import AsyncGenerator, Iterable
from datetime import datetime, timedelta

from countermand.client.connection import Connection
from countermand.v1.key_service_pb2 import (
    CreateKeyRequest,
    CreateKeyResponse,
    Key,
    KeyLimits,
    ListKeysRequest,
    ListKeysResponse,
    RevokeKeyRequest,
    RevokeKeyResponse,
    RotateKeyRequest,
    RotateKeyResponse,
)
from countermand.v1.key_service_pb2_grpc import KeyServiceStub


class KeyMethods(Connection):
    """Manages API keys; all of it needs the scope `keys:admin`."""

    async def create_key(
        self,
        tenant: str,
        environment: str,
        scopes: Iterable[str],
        *,
        expire_time: datetime | None = None,
        limits: KeyLimits | None = None,
        name: str = "",
    ) -> CreateKeyResponse:
        """Creates a key; the answer shows its secret, the only time that it is shown.

        The name is for people. A time without a zone is UTC. It is never repeated by itself, since
        each repeat would make a key whose secret nobody saw. Raises CountermandError.
        """
        request = CreateKeyRequest(
            tenant=tenant,
            environment=environment,
            scopes=scopes,
            expire_time=expire_time,
            limits=limits,
            name=name,
        )
        return await self._call(KeyServiceStub, request, CreateKeyResponse, repeatable=False)

    async def list_keys(self, *, page_size: int = 0, page_token: str = "") -> ListKeysResponse:
        """Returns one page of keys, newest first, revoked and expired ones too.

        A page has at most 50, or `page_size` up to 1000; `next_page_token` is empty on the last
        one. Raises CountermandError.
        """
        request = ListKeysRequest(page_size=page_size, page_token=page_token)
        return await self._call(KeyServiceStub, request, ListKeysResponse)

    def iter_keys(self) -> AsyncGenerator[Key]:
        """Gives all keys of list_keys, page after page. Raises CountermandError."""

        async def read(token: str) -> ListKeysResponse:
            return await self.list_keys(page_size=self._knobs.page_size, page_token=token)

        return self._each(read, "keys")

    async def revoke_key(self, key_id: str) -> RevokeKeyResponse:
        """Revokes a key and ends its watches; a repeat is OK. Raises CountermandError."""
        return await self._call(KeyServiceStub, RevokeKeyRequest(key_id=key_id), RevokeKeyResponse)

    async def rotate_key(
        self, key_id: str, *, overlap: timedelta | None = None
    ) -> RotateKeyResponse:
        """Replaces a key by a new one like it; the answer shows its secret, the only time that it
        is shown.

        The old key is accepted for another day, or for the `overlap`, 0 to 30 days. It is never
        repeated by itself, since the repeat would find the key rotated. Raises CountermandError.
        """
        request = RotateKeyRequest(key_id=key_id, overlap=overlap)
        return await self._call(KeyServiceStub, request, RotateKeyResponse, repeatable=False)
