"""The floor: a gRPC server on the same stack as ours that does nothing at all.

It answers every unary call, whatever its name, with an empty message, and parses nothing. What it
reaches is what grpc.aio on uvloop leaves to any server in Python, so it is what ours is held
against. An empty message is also a well-formed answer to an OTLP export, so a second one of these
serves as the collector that takes our server's spans during the run.
"""

import asyncio
import signal

import grpc
import uvloop


async def _answer_nothing(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
    return b""


class _EveryMethod(grpc.GenericRpcHandler):
    """Leads every method to the same handler, bytes in and bytes out."""

    def __init__(self) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(_answer_nothing)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._handler


async def serve() -> None:
    """Serves on a free loopback port, says which, and ends on SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_EveryMethod(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await stop.wait()
    await server.stop(grace=None)


if __name__ == "__main__":
    uvloop.run(serve())
