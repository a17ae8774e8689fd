"""Handlers for grpc.aio of methods that take one request, bytes in and bytes out.

They are handlers of a stream of requests, of which they read one. Those that gRPC has for one
request leave about 100 bytes behind for each call that is reset while its request is on its way
(grpcio 1.85): the reading is then broken off and what it had received never freed. Anybody can do
that at will, so here the reading always goes on to its end. On the wire there is no difference.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from countermand.rpc.guard.open_calls import Context, OpenCalls

# The class is generic in its stubs alone.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def answering_once(
    handle: Callable[[bytes, Context], Awaitable[bytes]], calls: OpenCalls
) -> Handler:
    """Returns the handler of a method that answers once."""

    async def handler(_requests: object, context: Context) -> bytes:
        data = await calls.request(context)
        calls.owe(context)
        return await handle(data, context)

    return _made(grpc.stream_unary_rpc_method_handler, handler)


def answering_with_stream(
    handle: Callable[[bytes, Context], Awaitable[None]], calls: OpenCalls
) -> Handler:
    """Returns the handler of a method that writes its answers to the context."""

    async def handler(_requests: object, context: Context) -> None:
        data = await calls.request(context)
        calls.stream(context)
        await handle(data, context)

    return _made(grpc.stream_stream_rpc_method_handler, handler)


def _made(kind: Any, handler: Callable[..., Awaitable[Any]]) -> Handler:
    made: Handler = kind(handler)
    return made
