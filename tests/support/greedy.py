"""What somebody careless or hostile asks for with a limited key: a program of its own.

`python -m tests.support.greedy ADDRESS SEED KEY [KEY ...]` calls again and again, each method with
the largest and strangest requests that it takes, and as soon as the last call was answered. It
writes a line when it is under way, and when its standard input ends, as JSON, how often each
method gave which answer.
"""

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import grpc
import uvloop
from google.protobuf.message import DecodeError, Message

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_service_pb2 as t
from tests.support.fuzz import Fuzzer
from tests.support.largest import Largest
from tests.support.raw import RPCS, Rpc
from tests.support.refusals import refusal_of

AT_ONCE = 4
"""How many calls each key makes at once."""
MAX_KNOWN = 50
"""How many ids of each kind it remembers."""
MAX_MESSAGES = 200
"""How many messages of a watch it reads before it goes away."""
CALLED = [
    rpc
    for rpc in RPCS.values()
    if not {"keys:admin", "operator:read"} & {*rpc.scopes}  # what tenants call
]
ANSWERS = {
    rpc.name: getattr(sys.modules[type(rpc.request).__module__], f"{rpc.name}Response")
    for rpc in CALLED
}
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


class Greedy:
    """One key, and what it has learnt."""

    def __init__(self, channel: grpc.aio.Channel, key: str, chance: Random) -> None:
        self._channel = channel
        self._metadata = (("x-api-key", key),)
        self._chance = chance
        self._known: dict[str, list[str]] = {}
        self.answers: Counter[str] = Counter()

    async def go_on(self) -> None:
        """Calls until it is cancelled."""
        while True:
            rpc = self._chance.choice(CALLED)
            data = self._request(rpc)
            try:
                await self._call(rpc, data)
                self.answers[f"{rpc.name} OK"] += 1
            except grpc.aio.AioRpcError as error:
                self.answers[f"{rpc.name} {_reason(error)}"] += 1

    def _request(self, rpc: Rpc) -> bytes:
        kind = self._chance.random()
        if kind < 0.2:
            known = [id for ids in self._known.values() for id in ids]
            return Fuzzer(self._chance, known).request(rpc)
        request: Any = Largest(self._chance, self._known).request(rpc)
        if kind < 0.4 and isinstance(request, t.CreateGroupRequest):
            del request.tasks[:]
            request.tasks.extend([t.CreateTaskRequest()] * 10_000)  # as small as may be
        if isinstance(request, c.CancelGroupRequest | c.CancelOrderRequest):
            request.ClearField("validate_only")
        return request.SerializeToString()

    async def _call(self, rpc: Rpc, data: bytes) -> None:
        if not rpc.stream:
            call = self._channel.unary_unary(rpc.path)
            self._learn(rpc, await call(data, metadata=self._metadata, timeout=30))
            return
        watch = self._channel.unary_stream(rpc.path)(data, metadata=self._metadata, timeout=5)
        for _ in range(MAX_MESSAGES):
            if await watch.read() is grpc.aio.EOF:
                return
        watch.cancel()

    def _learn(self, rpc: Rpc, data: bytes) -> None:
        answer = ANSWERS[rpc.name]()
        with suppress(DecodeError):
            answer.ParseFromString(data)
        for field, value in answer.ListFields():
            if field.message_type is not None:
                for part in list(value[:3]) if field.is_repeated else [value]:
                    self._remember(part)

    def _remember(self, record: Message) -> None:
        for field, value in record.ListFields():
            if field.name.endswith("_id") and isinstance(value, str) and value:
                known = self._known.setdefault(field.name, [])
                if len(known) < MAX_KNOWN:
                    known.append(value)
                else:
                    known[self._chance.randrange(MAX_KNOWN)] = value


def _reason(error: grpc.aio.AioRpcError) -> str:
    """Returns how a call ended; gRPC's own words have no reason of the server's."""
    has_details = "grpc-status-details-bin" in dict(error.trailing_metadata() or ())
    return refusal_of(error).reason if has_details else error.code().name


async def main(address: str, seed: int, keys: list[str]) -> None:
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        greedy = [Greedy(channel, key, Random(f"{seed} {key[-8:]}")) for key in keys]
        calling = [asyncio.create_task(one.go_on()) for one in greedy for _ in range(AT_ONCE)]
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
        print("under way", flush=True)
        done, _ = await asyncio.wait({ended, *calling}, return_when=asyncio.FIRST_COMPLETED)
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
        for failed in done - {ended}:
            failed.result()
    answers = sum((one.answers for one in greedy), Counter[str]())
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
