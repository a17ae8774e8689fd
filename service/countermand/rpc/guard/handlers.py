"""Handlers for grpc.aio, that read their requests and write their answers themselves.

All are handlers of a stream of requests, also those that read one. Those that gRPC has for one
request read it before anything is known of the caller. And they leave about 100 bytes behind for
each call that is reset while its request is on its way (grpcio 1.85): the reading is then broken
off and what it had received never freed. Anybody can do that at will, so here the reading always
goes on to its end. On the wire there is no difference.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from countermand.rpc.guard.open_calls import Context

# The class is generic in its stubs alone.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def answering_once(handle: Callable[[Context], Awaitable[bytes]]) -> Handler:
    """Returns the handler of a method that answers once."""
    return _made(grpc.stream_unary_rpc_method_handler, handle)


def answering_with_stream(handle: Callable[[Context], Awaitable[None]]) -> Handler:
    """Returns the handler of a method that writes its answers to the context."""
    return _made(grpc.stream_stream_rpc_method_handler, handle)


def _made(kind: Any, handle: Callable[[Context], Awaitable[Any]]) -> Handler:
    async def handler(_requests: object, context: Context) -> Any:
        try:
            return await handle(context)
        except BaseException as error:
            forget(error)
            # gRPC keeps with the call what ended it, and that has this frame.
            del _requests, context
            raise

    made: Handler = kind(handler)
    return made


def forget(error: BaseException) -> None:
    """Parts errors from the frames that they came through, and from what they came of.

    A frame often names the error itself, or what has it. Such circles keep all that the frames
    name, such as a request of megabytes, until the garbage collector comes.
    """
    known: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in known:
            known.add(id(found))
            waiting += [found.__context__, found.__cause__]
            found.__traceback__ = found.__context__ = found.__cause__ = None
