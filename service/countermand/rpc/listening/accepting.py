"""A server of grpc.aio that strangers cannot stop.

The one loop in which grpc.aio takes calls decodes the path that each caller sent. One path that is
no UTF-8 ends that loop, and the server with it: anybody could do that with one call (grpcio 1.85).
Here every method is registered with gRPC, which then says of a call whose it is; for those that are
nobody's, no path is looked at. What gRPC logs of a call can so never have a path that was sent.

This stands on inner parts of grpcio, hence the upper bound of its version in pyproject.toml.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias

import grpc
from grpc._cython import cygrpc
from grpc.aio._server import Server as _AioServer

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

UNKNOWN_METHOD = ""
"""By what name a call goes that is none of a method of ours."""


def make_server(
    handlers: Mapping[str, Handler], unknown: Handler, options: list[tuple[str, Any]]
) -> grpc.aio.Server:
    """Returns a server, not started yet, that answers these methods, by their paths, and all others
    by `unknown`.

    Each handler takes a stream of requests. Call it in the event loop in which it is to serve.
    """
    server: Any = _Server(
        handlers, unknown, options
    )  # of the library's class, which its stubs hide
    return server  # type: ignore[no-any-return]


class _Server(_AioServer):
    """What grpc.aio offers of a server, on another way to take calls."""

    def __init__(
        self, handlers: Mapping[str, Handler], unknown: Handler, options: list[tuple[str, Any]]
    ) -> None:
        self._loop = cygrpc.get_working_loop()
        self._server = _Accepting(self._loop, None, (), (), tuple(options), None)
        self._server.add_registered_method_handlers(dict(handlers))
        self._server.handlers = handlers
        self._server.unknown = unknown


class _Accepting(cygrpc.AioServer):  # type: ignore[misc]
    """Takes the calls of each method in a loop of its own, which ends when the server stops."""

    handlers: Mapping[str, Handler]
    unknown: Handler

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[Any]:
        """Returns what grpc.aio takes for a call that has not come yet, and waits for."""
        return asyncio.get_running_loop().create_task(self._accept(method))

    async def _accept(self, method: bytes | None) -> Any:
        loop = asyncio.get_running_loop()
        name = UNKNOWN_METHOD if method is None else method.decode()
        handler = self.handlers.get(name, self.unknown)
        handle = (
            cygrpc._handle_stream_stream_rpc
            if handler.response_streaming
            else cygrpc._handle_stream_unary_rpc
        )
        under_way: set[asyncio.Task[Any]] = set()
        while True:
            waiting = (
                self._request_call() if method is None else self._request_registered_call(method)
            )
            call = await waiting
            handling = handle(handler, call, loop)
            scheduled = cygrpc._schedule_rpc_coro(handling, call, loop, name)
            task = loop.create_task(scheduled, name="call")
            # The event loop alone would let a running task be collected.
            under_way.add(task)
            task.add_done_callback(under_way.discard)
