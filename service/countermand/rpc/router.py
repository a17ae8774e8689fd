"""Which handler answers which method."""

from collections.abc import Iterable
from typing import Any

import grpc

from countermand.core.ids import SCOPES
from countermand.rpc.guard.calls import Guard
from countermand.rpc.guard.handlers import answering_once, answering_with_stream
from countermand.rpc.guard.open_calls import OpenCalls
from countermand.rpc.method import Stream, Unary


class Router(grpc.GenericRpcHandler):
    """Finds the handler of a method by its path.

    Raises ValueError for a method that names no scope, or one that no key has: what nobody thought
    about is not served.
    """

    def __init__(self, guard: Guard, methods: Iterable[Unary | Stream], calls: OpenCalls) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method in methods:
            if not method.scopes or not set(SCOPES).issuperset(method.scopes):
                raise ValueError(f"{method.name} must name the scopes that may call it")
            self._handlers[f"/{method.name}"] = (
                answering_with_stream(guard.stream(method), calls)
                if isinstance(method, Stream)
                else answering_once(guard.unary(method), calls)
            )

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        return self._handlers.get(str(handler_call_details.method))
