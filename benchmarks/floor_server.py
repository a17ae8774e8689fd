"""The floor: a gRPC server on the same stack as ours that does nothing at all.

It answers every unary call, whatever its name, with an empty message, and parses nothing. What it
reaches is what grpc.aio on uvloop leaves to any server in Python, so it is what ours is held
against. An empty message is also a well-formed answer to an OTLP export, so a second one of these
serves as the collector that takes our server's spans during the run.

Of a watch and a broadcast it has the bare form, too: `/benchmarks.Floor/Watch` sends one empty
message and then whatever `/benchmarks.Floor/Tell` is called with, to all who watch.
"""

import asyncio
import signal

import grpc
import uvloop

Context = grpc.aio.ServicerContext


class _Broadcast:
    """Wakes every watcher with the same message, as bytes that each sends as they are."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bytes]] = []

    async def watch(self, _request: bytes, context: Context) -> None:
        loop = asyncio.get_running_loop()
        message = b""
        while True:
            following: asyncio.Future[bytes] = loop.create_future()
            self._waiting.append(following)
            await context.write(message)
            message = await following

    async def tell(self, message: bytes, _context: Context) -> bytes:
        told, self._waiting = self._waiting, []
        for following in told:
            if not following.done():
                following.set_result(message)
        return b""


async def _answer_nothing(_request: bytes, _context: Context) -> bytes:
    return b""


class _EveryMethod(grpc.GenericRpcHandler):
    """Leads every method but two to the same handler, bytes in and bytes out."""

    def __init__(self) -> None:
        broadcast = _Broadcast()
        self._empty = grpc.unary_unary_rpc_method_handler(_answer_nothing)
        self._others = {
            "/benchmarks.Floor/Watch": grpc.unary_stream_rpc_method_handler(broadcast.watch),
            "/benchmarks.Floor/Tell": grpc.unary_unary_rpc_method_handler(broadcast.tell),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._others.get(handler_call_details.method, self._empty)


async def serve() -> None:
    """Serves on a free loopback port, says which, and ends on SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # As many watchers as ours takes at once.
    server = grpc.aio.server(
        options=[
            ("grpc.server.max_pending_requests", 12_000),
            ("grpc.server.max_pending_requests_hard_limit", 16_000),
        ]
    )
    server.add_generic_rpc_handlers((_EveryMethod(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await stop.wait()
    await server.stop(grace=None)


if __name__ == "__main__":
    uvloop.run(serve())
