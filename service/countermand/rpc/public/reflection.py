"""The manual by reflection, in both of its versions, for whoever asks.

Strangers call this, so it costs little: an answer is made once and kept, each address has so many a
second, and a stream that asks nothing ends.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from countermand.core.errors import invalid
from countermand.core.knobs import PublicKnobs
from countermand.rpc.guard.arrivals import Arrivals
from countermand.rpc.guard.handlers import Handler, answering_with_stream
from countermand.rpc.guard.open_calls import Context, OpenCalls, draining
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.method import SMALL
from countermand.rpc.public.manual import REFLECTION_V1, REFLECTION_V1ALPHA, ManualPool
from countermand.rpc.public.refusing import refusing
from countermand.rpc.public.streams import OpenStreams
from countermand.rpc.public.turns import Turns


class Reflection:
    """Answers questions about the services."""

    def __init__(
        self, services: Iterable[str], calls: OpenCalls, log: RefusalLog, knobs: PublicKnobs
    ) -> None:
        """`services` are those that it lists, beside itself."""
        names = [*services, REFLECTION_V1, REFLECTION_V1ALPHA]
        self._manual: Any = reflection.aio.ReflectionServicer(names, ManualPool())
        self._calls = calls
        self._log = log
        self._arrivals = Arrivals(knobs.reflecting)
        self._streams = OpenStreams(knobs)
        self._turns = Turns(knobs.max_answers_per_second, knobs.max_waiting)
        self._draining = False
        self._kept: dict[bytes, bytes] = {}
        """Answers by their questions, those that were asked last at the end."""
        self._kept_bytes = 0
        self._max_kept_bytes = knobs.max_kept_bytes

    def handlers(self) -> dict[str, Handler]:
        """Returns the handlers of its methods, by their paths."""
        # But for their packages the versions are the same, message by message.
        return {
            f"/{version}/ServerReflectionInfo": answering_with_stream(self._reflect)
            for version in (REFLECTION_V1, REFLECTION_V1ALPHA)
        }

    def drain(self) -> None:
        """Ends the open streams."""
        self._draining = True
        self._arrivals.drain()

    async def _reflect(self, context: Context) -> None:
        self._calls.stream()
        async with refusing(context, self._log):
            with self._streams.opened(context) as network:
                while True:
                    if self._draining:
                        raise draining()
                    question = await self._arrivals.next(context)
                    if question is None:
                        return
                    await self._turns.wait(network)
                    await context.write(await self._answer(question))

    async def _answer(self, question: bytes) -> bytes:
        """Returns the answer, which has the question in it. Raises DecodeError, or Refused."""
        answer = self._kept.pop(question, None)
        if answer is None:
            if len(question) > SMALL:
                raise invalid("request", f"must have at most {SMALL} bytes")
            request = ServerReflectionRequest.FromString(question)
            async for found in self._manual.ServerReflectionInfo(_one(request), None):
                answer = found.SerializeToString()
            assert answer is not None
            self._kept_bytes += len(question) + len(answer)
        self._kept[question] = answer
        while self._kept_bytes > self._max_kept_bytes:
            oldest = next(iter(self._kept))
            self._kept_bytes -= len(oldest) + len(self._kept.pop(oldest))
        return answer


async def _one(request: ServerReflectionRequest) -> AsyncIterator[ServerReflectionRequest]:
    yield request
