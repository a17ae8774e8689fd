"""An operator, who looks at everything and gives out keys."""

import asyncio
from typing import TYPE_CHECKING

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import operator_service_pb2 as o
from countermand.v1 import operator_service_pb2_grpc as service
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.checks.verdict import Promise
from tests.chaos.robustness.clients import Client
from tests.simulation.network import Channel, SimClient
from tests.simulation.script import STEP, TENANTS
from tests.support.caller import SCOPES, span

if TYPE_CHECKING:
    from tests.simulation.play import Play

KEYS = (c.SUMMARY_KEY_REASON, c.SUMMARY_KEY_STATE, c.SUMMARY_KEY_PROOF, c.SUMMARY_KEY_REFUND)


MEASURED = ("last_commit_duration", "last_commit_time", "free_disk_bytes")
"""What a server measures of the real machine, so that no seed decides it."""


class Operator:
    """An operator with the first key."""

    def __init__(self, client: Client, tenant: str, play: "Play") -> None:
        stub = service.OperatorServiceStub(Channel(play.address))
        client.add_methods(vars(stub), also_named="OperatorService")
        self._client = client
        self._play = play

    async def list_all_tasks(self) -> None:
        tenant = STEP.get().choice(("", *TENANTS))
        request = o.OperatorServiceListTasksRequest(tenant=tenant, page_size=3)
        page = await self._client.call(request)
        if page.done and page.answer.next_page_token:
            request.page_token = page.answer.next_page_token
            await self._client.call(request)

    async def watch_all_tasks(self) -> None:
        watch = self._client.watch(
            o.OperatorServiceWatchTasksRequest(tenant=STEP.get().choice(("", *TENANTS)))
        )
        until = asyncio.get_running_loop().time() + STEP.get().uniform(0.1, 1)
        while watch.open and (left := until - asyncio.get_running_loop().time()) > 0:
            await self._play.mood.reading.wait()
            await watch.read(left)
        await watch.close()

    async def server_status(self) -> None:
        call = await self._client.call(o.GetServerStatusRequest())
        if call.done:
            for measured in MEASURED:
                call.answer.status.ClearField(measured)

    async def agents(self) -> None:
        await self._client.call(o.ListAgentsRequest(page_size=2))

    async def open_watches(self) -> None:
        await self._client.call(o.ListOpenWatchesRequest())

    async def summary(self) -> None:
        await self._client.call(c.SummarizeCancellationsRequest(group_by=STEP.get().choice(KEYS)))

    async def keys(self) -> None:
        """Makes a key and another in its place, which must be good."""
        await self._client.call(k.ListKeysRequest(page_size=2))
        tenant = STEP.get().choice(TENANTS)
        made = await self._client.call(
            k.CreateKeyRequest(tenant=tenant, environment="sandbox", scopes=SCOPES)
        )
        if not made.done:
            return
        request = k.RotateKeyRequest(key_id=made.answer.key.key_id, overlap=span(1))
        rotated = await self._client.call(request)
        if rotated.done:
            channel = Channel(self._play.address)
            user = SimClient("new-key", tenant, channel, rotated.answer.secret, self._play.aside)
            used = await user.call(t.ListTasksRequest(page_size=1))
            if used.reason == "API_KEY_INVALID":
                self._play.fail(Promise.STATUS, "a key that was rotated to is refused")
