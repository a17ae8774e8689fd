"""The keys of a store that no server has open, with the methods of the client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from google.protobuf.message import Message

from countermand.cli.failures import Failure
from countermand.client.connection import Answer, Stub
from countermand.client.keys import KeyMethods

if TYPE_CHECKING:
    from countermand.cli.local_keys import LocalKeys


class StoreKeys(KeyMethods):
    """The client's methods, answered by the servicer itself: there is no server to reach."""

    def __init__(self, keys: "LocalKeys") -> None:
        self._keys = keys

    async def _call(
        self,
        stub: Stub,
        request: Message,
        answer: type[Answer],
        *,
        repeatable: bool = True,
        timeout: float | None = None,
        takes_turn: bool = True,
    ) -> Answer:
        return cast(Answer, await self._keys.answer(request))


@asynccontextmanager
async def open_store(store: str) -> AsyncIterator[StoreKeys]:
    """Opens the keys of a store. Raises Failure if it cannot be opened, as while a server has it
    open."""
    # The client commands start faster without the server's modules.
    from countermand.cli.local_keys import open_keys
    from countermand.store.contract import StoreRefused

    try:
        async with open_keys(store) as keys:
            yield StoreKeys(keys)
    except StoreRefused as refusal:
        raise Failure(str(refusal)) from None
