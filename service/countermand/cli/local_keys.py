"""The keys of a store that no server has open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.message import Message

from countermand.app.composition import open_store, running
from countermand.core.ids import SCOPES
from countermand.core.knobs import Knobs
from countermand.core.trace import TraceContext
from countermand.engine.keyring import Principal
from countermand.rpc.method import Call, Unary, methods_of
from countermand.rpc.servicers.key import KeyService
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.store.names import shown

OPERATOR = Call(
    Principal("system:store", 0, frozenset(SCOPES), counted_as="system:store"),
    TraceContext("0" * 32, "0" * 16, False),
)
"""Whoever may open the file: there may be no key yet to show."""


class LocalKeys:
    """Answers the requests of KeyService, without a network."""

    def __init__(self, service: KeyService) -> None:
        self._methods = {
            method.request: method for method in methods_of(service) if isinstance(method, Unary)
        }

    async def answer(self, request: Message) -> Message:
        """Returns the answer to a request of KeyService. Raises Refused."""
        return await self._methods[type(request)].handle(OPERATOR, request)


@asynccontextmanager
async def open_keys(store: str) -> AsyncIterator[LocalKeys]:
    """Opens a store for its keys. Raises StoreRefused if a server has it open, or it fails."""
    knobs = Knobs()
    try:
        async with running(open_store(store, knobs.store), knobs) as (app, _):
            yield LocalKeys(KeyService(app.keyring, app.clock))
    except StoreFailed as failure:
        raise StoreRefused(f"the store {shown(store)} failed: {failure}") from failure
