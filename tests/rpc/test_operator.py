"""OperatorService: what whoever runs a server sees of all tenants, and what not."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from countermand.client import Client
from countermand.v1 import operator_service_pb2 as p
from countermand.v1 import task_pb2
from countermand.v1.cancellation_service_pb2 import (
    WATCH_TYPE_CHANGE,
    WATCH_TYPE_SNAPSHOT,
    WATCH_TYPE_SYNCED,
)
from countermand.v1.operator_service_pb2_grpc import OperatorServiceStub
from countermand.v1.task_service_pb2 import GetTaskRequest, SettleRefundRequest
from tests.support.caller import CANCELLED, CANCELLING, FAILED, RUNNING, SECONDS, Caller
from tests.support.refusals import refused
from tests.support.served_store import STORE
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def operator(admin: Caller) -> OperatorServiceStub:
    return OperatorServiceStub(admin.channel)


@pytest_asyncio.fixture(loop_scope="session")
async def client(shared: Server) -> AsyncIterator[Client]:
    async with Client(shared.address, shared.key) as client:
        yield client


async def _all_tasks(operator: OperatorServiceStub, **fields: object) -> list[p.OperatorTask]:
    found: list[p.OperatorTask] = []
    request = p.OperatorServiceListTasksRequest(**fields)
    while True:
        page = await operator.ListTasks(request, timeout=SECONDS)
        found += page.tasks
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def _all_agents(operator: OperatorServiceStub, tenant: str) -> dict[str, p.Agent]:
    found: dict[str, p.Agent] = {}
    request = p.ListAgentsRequest(tenant=tenant)
    while True:
        page = await operator.ListAgents(request, timeout=SECONDS)
        found |= {one.agent_id: one for one in page.agents}
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def test_tasks_of_every_tenant_are_listed_with_whose_they_are(
    operator: OperatorServiceStub, caller: Caller, stranger: Caller
):
    one = await caller.running(merchant="Oolong", labels={"buyer": "Ms Doe"})
    other = await stranger.running(merchant="Oolong", labels={"buyer": "Ms Doe"})
    await caller.cancel(one.task_id, grace=600, message="Ms Doe asked")
    await stranger.cancel(other.task_id, grace=300, message="Ms Doe asked")
    label = {"key": "buyer", "value": "Ms Doe"}
    for size in (1, 1000):
        found = await _all_tasks(operator, merchant="Oolong", label=label, page_size=size)
        mine = {(one.tenant, one.task.task_id) for one in found}
        assert {(caller.tenant, one.task_id), (stranger.tenant, other.task_id)} <= mine
        nearest = await _all_tasks(
            operator, merchant="Oolong", order_by="deadline_time", page_size=size
        )
        times = [one.task.deadline_time.ToNanoseconds() for one in nearest]
        assert times == sorted(times)
        assert {other.task_id, one.task_id} <= {one.task.task_id for one in nearest}
    assert "Ms Doe" not in str([*found, *nearest])
    alone = await _all_tasks(operator, tenant=caller.tenant, states=[CANCELLING])
    assert [one.task.task_id for one in alone] == [one.task_id]
    assert alone[0].environment == "sandbox"
    assert await _all_tasks(operator, tenant=caller.tenant, environment="production") == []
    assert await _all_tasks(operator, tenant="nobody") == []
    assert await _all_tasks(operator, filter={"order_id": "nobody"}) == []


async def test_a_note_of_a_settlement_is_left_out(operator: OperatorServiceStub, caller: Caller):
    held = await caller.running()
    await caller.begin_charge(held)
    await caller.cancel(held.task_id, grace=0)
    await caller.ended(held.task_id)
    request = SettleRefundRequest(
        task_id=held.task_id, outcome=task_pb2.REFUND_STATE_NOT_OWED, note="Ms Doe was paid"
    )
    await caller.tasks.SettleRefund(request, timeout=SECONDS)
    (found,) = await _all_tasks(operator, tenant=caller.tenant)
    assert found.task.settlement.outcome == task_pb2.REFUND_STATE_NOT_OWED
    assert found.task.settlement.note == ""


async def test_a_page_token_of_another_filter_is_refused(
    operator: OperatorServiceStub, caller: Caller
):
    for _ in range(2):
        await caller.running(agent_id=f"agent-{_}")
    for method, request in (
        (operator.ListTasks, p.OperatorServiceListTasksRequest(tenant=caller.tenant)),
        (operator.ListAgents, p.ListAgentsRequest(tenant=caller.tenant)),
    ):
        request.page_size = 1
        request.page_token = (await method(request, timeout=SECONDS)).next_page_token
        assert request.page_token
        request.tenant = "other"
        await refused(method(request, timeout=SECONDS), "PAGE_TOKEN_INVALID")
        request.page_token = "AAAA"
        await refused(method(request, timeout=SECONDS), "PAGE_TOKEN_INVALID")


async def test_what_cannot_be_meant_is_refused(operator: OperatorServiceStub):
    for request, field in (
        (p.OperatorServiceListTasksRequest(tenant="a b"), "tenant"),
        (p.OperatorServiceListTasksRequest(environment="staging"), "environment"),
        (p.OperatorServiceListTasksRequest(order_by="merchant"), "order_by"),
        (p.OperatorServiceListTasksRequest(page_size=-1), "page_size"),
    ):
        call = operator.ListTasks(request, timeout=SECONDS)
        assert (await refused(call, "INVALID_REQUEST")).fields.keys() == {field}


async def test_a_watch_shows_live_tasks_of_every_tenant_then_every_version(
    operator: OperatorServiceStub, caller: Caller, stranger: Caller
):
    one, other = await caller.running(), await stranger.running()
    watch = operator.WatchTasks(p.OperatorServiceWatchTasksRequest(), timeout=SECONDS)
    first = []
    while not first or first[-1].type != WATCH_TYPE_SYNCED:
        first.append(await watch.read())
    assert {message.type for message in first[:-1]} == {WATCH_TYPE_SNAPSHOT}
    shown = {(message.task.tenant, message.task.task.task_id) for message in first}
    assert {(caller.tenant, one.task_id), (stranger.tenant, other.task_id)} <= shown
    await stranger.cancel(other.task_id, message="Ms Doe asked", grace=0)
    told = []
    while not told or told[-1].task.state != CANCELLED:
        message = await watch.read()
        if message.task.tenant == stranger.tenant:
            assert message.type == WATCH_TYPE_CHANGE
            told.append(message.task)
    assert [message.task.version for message in told] == [3, 4]
    assert "Ms Doe" not in str(told)
    watch.cancel()


async def test_the_status_says_how_the_server_stands(operator: OperatorServiceStub, caller: Caller):
    await caller.running()
    watch = caller.watch_many()
    await watch.read()
    for _ in range(3):
        await refused(caller.tasks.GetTask(GetTaskRequest(), timeout=SECONDS), "INVALID_REQUEST")
    found = (await operator.GetServerStatus(p.GetServerStatusRequest(), timeout=SECONDS)).status
    watch.cancel()
    assert (found.store_kind, found.schema > 0, found.version) == (STORE, True, "0.1.0")
    assert found.store_bytes > 0
    assert (found.free_disk_bytes > 0) == (STORE == "sqlite")  # another machine's is not known
    assert found.open_watches >= 1
    assert found.max_open_watches == 20_000
    assert found.live_agents >= 1
    assert {one.state: one.count for one in found.task_counts}[RUNNING] >= 1
    assert found.task_count_time.seconds >= found.start_time.seconds > 0
    assert found.last_commit_duration.ToNanoseconds() > 0
    refusals = {(one.key_id, one.reason): one.count for one in found.refusals}
    assert refusals[caller.key_id, "INVALID_REQUEST"] == 3


async def test_agents_are_listed_with_their_lease_and_what_they_hold(
    operator: OperatorServiceStub, caller: Caller
):
    held = await caller.running(agent_id="agent-a", lease=600)
    await caller.running(agent_id="agent-a", lease=600)
    lost = await caller.running(agent_id="agent-b", lease=1)
    await caller.cancel(held.task_id, grace=300)
    agents = await _all_agents(operator, caller.tenant)
    counts = {one.state: one.count for one in agents["agent-a"].task_counts}
    assert counts == {RUNNING: 1, CANCELLING: 1}
    assert agents["agent-a"].live
    assert agents["agent-a"].lease_end_time.seconds > agents["agent-b"].lease_end_time.seconds
    assert (await caller.ended(lost.task_id)).state == FAILED
    gone = (await _all_agents(operator, caller.tenant))["agent-b"]
    assert not gone.live
    assert not gone.task_counts


async def test_open_watches_are_listed_with_whose_and_what_they_are(
    operator: OperatorServiceStub, caller: Caller
):
    task = await caller.create()
    group = (await caller.create_group(1)).group
    watches = []
    for begin in (
        lambda: caller.watch(task.task_id),
        lambda: caller.watch_many(group_id=group.group_id),
    ):
        watches.append(begin())
        await watches[-1].read()
    request = p.ListOpenWatchesRequest(tenant=caller.tenant, page_size=1)
    one = await operator.ListOpenWatches(request, timeout=SECONDS)
    request.page_token = one.next_page_token
    two = await operator.ListOpenWatches(request, timeout=SECONDS)
    assert two.next_page_token == ""
    (first,), (second,) = one.watches, two.watches
    assert (first.tenant, first.key_id) == (caller.tenant, caller.key_id)
    assert (first.task_id, second.filter.group_id) == (task.task_id, group.group_id)
    assert first.method == "countermand.v1.CancellationService/WatchTask"
    assert first.messages >= 1
    assert 0 < first.open_time.ToNanoseconds() <= second.open_time.ToNanoseconds()
    assert not first.HasField("blocked_since")
    for watch in watches:
        watch.cancel()


async def test_the_status_names_the_replica_as_the_first_line_of_the_log_does(
    shared: Server, client: Client
):
    replica = (await client.get_server_status()).status.replica_id
    [starting] = [line for line in shared.log if '"event": "starting"' in line]
    assert json.loads(starting)["replica"] == replica


async def test_the_client_calls_every_method(client: Client, caller: Caller):
    held = await caller.running()
    tenant = caller.tenant
    page = await client.list_tasks_of_tenants(tenant=tenant, states=[RUNNING])
    assert [one.task.task_id for one in page.tasks] == [held.task_id]
    watch = client.watch_tasks_of_tenants(tenant=tenant)
    assert (await anext(watch)).task.task.task_id == held.task_id
    watches = await client.list_open_watches(page_size=1000)
    assert "countermand.v1.OperatorService/WatchTasks" in [one.method for one in watches.watches]
    await watch.aclose()
    agents = (await client.list_agents(tenant=tenant)).agents
    assert [one.agent_id for one in agents] == ["agent-1"]
    assert (await client.get_server_status()).status.version
