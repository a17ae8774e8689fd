"""Whether a server serves: the standard health service, which needs no key."""

import grpc
import grpc.aio

from countermand.client.connection import Connection
from countermand.client.errors import CountermandError

_CHECK = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""`status: SERVING`. A client has the messages of the health service only beside a server."""


class HealthMethods(Connection):
    """Asks how the server is."""

    async def is_serving(self) -> bool:
        """Returns whether the server says SERVING; it is asked once, and needs no key.

        Raises CountermandError if it is not reached within the timeout.
        """
        channel = self._opened()
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_CHECK)
        try:
            answer: bytes = await check(b"", timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise CountermandError.from_rpc(error) from error
        return answer == _SERVING
