"""The network in the simulation: a channel with the face of grpc.aio's, and no socket behind it.

Requests and answers travel as bytes and take drawn times.
"""

from collections.abc import Callable
from typing import Any

from tests.chaos.robustness.clients import Client
from tests.simulation.calls import Call, StreamCall, UnaryCall
from tests.simulation.loop import Realm


class Address:
    """Where clients call: the process that serves there now, if one does."""

    def __init__(self, delay: Callable[[], float]) -> None:
        self.delay = delay
        """Draws how long a message is on its way."""
        self.realm: Realm | None = None
        self.handlers: dict[str, Any] = {}
        self.calls: set[Call] = set()
        """Those under way."""
        self.numbers = 0
        """How many there were."""
        self.methods: dict[str, Any] = {}
        """Those of all services, for clients; they are the same for each."""

    def serve(self, realm: Realm, handlers: dict[str, Any]) -> None:
        """Answers from now on."""
        self.realm, self.handlers = realm, handlers

    def close(self) -> None:
        """Answers no more, and breaks all calls off."""
        self.realm, self.handlers = None, {}
        for call in sorted(self.calls, key=lambda call: call.number):
            call.lose()


class Channel:
    """What stubs call."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def unary_unary(self, path: str, **how: Any) -> Any:
        return self._multi(path, how, UnaryCall)

    def unary_stream(self, path: str, **how: Any) -> Any:
        return self._multi(path, how, StreamCall)

    def _multi(self, path: str, how: dict[str, Any], kind: Any) -> Any:
        address = self.address
        serializer, deserializer = how["request_serializer"], how["response_deserializer"]

        def call(request: Any, *, metadata: Any = (), timeout: float | None = None) -> Any:
            return kind(address, path, serializer(request), metadata, timeout, deserializer)

        return call

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class SimClient(Client):
    """A client on a channel in the simulation, where making stubs for each would take long."""

    def _methods_on(self, channel: Channel) -> dict[str, Any]:
        methods = channel.address.methods
        if not methods:
            methods.update(super()._methods_on(channel))
        return methods
