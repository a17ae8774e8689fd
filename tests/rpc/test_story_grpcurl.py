"""The whole story with tools that know the service by reflection alone: grpcurl and buf curl."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process

import pytest

from tests.support.caller import new_id
from tests.support.command import program
from tests.support.raw import RPCS

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = ("Agent", "Cancellation", "Checkout", "Key", "Operator", "Order", "Task", "Webhook")
SERVICES = [f"countermand.v1.{name}Service" for name in KINDS]
METHODS: dict[str, list[str]] = {}
for rpc in RPCS.values():
    service, _, name = rpc.path[1:].partition("/")
    METHODS.setdefault(service, []).append(name)
METHODS = {service: sorted(methods) for service, methods in METHODS.items()} | {
    "grpc.health.v1.Health": ["Check", "List", "Watch"],
    "grpc.reflection.v1.ServerReflection": ["ServerReflectionInfo"],
    "grpc.reflection.v1alpha.ServerReflection": ["ServerReflectionInfo"],
}


class Tool:
    """A program that calls one server."""

    def __init__(self, server, key: str) -> None:
        self.address = server.address
        self.key = key

    def command(self, method: str, request: dict) -> list[str]:
        raise NotImplementedError

    async def start(self, method: str, **request) -> Process:
        """Starts a call; what it is answered comes to its stdout."""
        command = self.command(method, request)
        return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)

    async def call(self, method: str, **request) -> dict:
        """Calls, and returns the one answer."""
        process = await self.start(method, **request)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, err.decode()
        return json.loads(out)


class Grpcurl(Tool):
    def command(self, method, request):
        return [
            program("grpcurl"),
            "-plaintext",
            "-H",
            f"x-api-key: {self.key}",
            "-d",
            json.dumps(request),
            self.address,
            f"countermand.v1.{method}",
        ]


class BufCurl(Tool):
    def command(self, method, request):
        return [
            program("buf"),
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "-H",
            f"authorization: Bearer {self.key}",
            "-d",
            json.dumps(request),
            f"http://{self.address}/countermand.v1.{method}",
        ]


class Messages:
    """The JSON messages that a process writes to its stdout, one after the other."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._text = ""

    async def next(self) -> dict:
        """Returns the next message; an empty one at the end."""
        decoder = json.JSONDecoder()
        while True:
            try:
                message, end = decoder.raw_decode(self._text.lstrip())
            except ValueError:
                data = await asyncio.wait_for(self.process.stdout.read(65536), 20)
                if not data:
                    return {}
                self._text += data.decode()
                continue
            self._text = self._text.lstrip()[end:]
            return message


async def grpcurl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        program("grpcurl"), "-plaintext", *arguments, stdout=PIPE, stderr=PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_reflection_lists_every_service_without_a_key(shared):
    listed = (await grpcurl(shared.address, "list")).split()
    assert sorted(listed) == sorted(METHODS)


@pytest.mark.parametrize("service", METHODS)
async def test_reflection_describes_every_service(shared, service):
    listed = (await grpcurl(shared.address, "list", service)).split()
    assert sorted(listed) == [f"{service}.{method}" for method in METHODS[service]]
    described = await grpcurl(shared.address, "describe", service)
    for method in METHODS[service]:
        assert f"rpc {method} (" in described


async def test_reflection_describes_messages(shared):
    described = await grpcurl(shared.address, "describe", "countermand.v1.CancelTaskRequest")
    assert "optional int64 expected_version = 14;" in described


async def buf_curl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *[program("buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments],
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
async def test_buf_lists_and_calls_methods_by_either_version_of_reflection(shared, version):
    how = ("--reflect-protocol", version)
    listed = (await buf_curl(*how, "--list-methods", f"http://{shared.address}")).split()
    assert sorted(listed) == sorted(
        f"{service}/{m}" for service in METHODS for m in METHODS[service]
    )
    url = f"http://{shared.address}/grpc.health.v1.Health/List"
    statuses = json.loads(await buf_curl(*how, url))["statuses"]
    assert statuses == {name: {"status": "SERVING"} for name in ("", *SERVICES)}


async def test_health_needs_no_key(shared):
    for service in ("", *SERVICES):
        request = json.dumps({"service": service})
        out = await grpcurl("-d", request, shared.address, "grpc.health.v1.Health/Check")
        assert json.loads(out) == {"status": "SERVING"}
    listed = json.loads(await grpcurl(shared.address, "grpc.health.v1.Health/List"))
    assert listed == {"statuses": {name: {"status": "SERVING"} for name in ("", *SERVICES)}}


@pytest.mark.parametrize("kind", [Grpcurl, BufCurl])
async def test_the_story_from_a_group_to_its_proven_end(shared, admin, kind):
    admin_tool = kind(shared, shared.key)
    made = await admin_tool.call(
        "KeyService/CreateKey",
        tenant=f"story-{new_id()}",
        environment="sandbox",
        scopes=["tasks:read", "tasks:write", "tasks:run", "tasks:cancel"],
    )
    tool = kind(shared, made["secret"])
    group = await tool.call(
        "TaskService/CreateGroup",
        tasks=[{"merchant": merchant} for merchant in ("books", "shoes", "tea")],
    )
    group_id, ids = group["group"]["groupId"], [task["taskId"] for task in group["tasks"]]
    started = await tool.call("AgentService/StartTask", task_id=ids[0], agent_id="buyer-1")
    assert started["task"]["state"] == "TASK_STATE_RUNNING"

    # One process watches, another one cancels.
    one = Messages(await tool.start("CancellationService/WatchTask", task_id=ids[0]))
    many = Messages(
        await tool.start("CancellationService/WatchTasks", filter={"group_id": group_id})
    )
    assert (await one.next())["task"]["state"] == "TASK_STATE_RUNNING"
    for state in ("RUNNING", "PENDING", "PENDING"):
        message = await many.next()
        assert message["type"] == "WATCH_TYPE_SNAPSHOT"
        assert message["task"]["state"] == f"TASK_STATE_{state}"
    assert (await many.next())["type"] == "WATCH_TYPE_SYNCED"
    request_id = new_id()
    cancel = {
        "group_id": group_id,
        "reason": "customer_requested",
        "message": "Changed my mind",
        "request_id": request_id,
        "grace_period": "60s",
    }
    answer = await tool.call("CancellationService/CancelGroup", **cancel)
    assert answer["cancellation"]["state"] == "CANCELLATION_STATE_IN_PROGRESS"
    dispositions = [result["disposition"] for result in answer["cancellation"]["results"]]
    assert dispositions == [f"DISPOSITION_{word}" for word in ("STOPPING", "STOPPED", "STOPPED")]
    assert (await one.next())["task"]["state"] == "TASK_STATE_CANCELLING"

    # The agent hears of it, and says that it stopped.
    beat = await tool.call("AgentService/Heartbeat", agent_id="buyer-1")
    assert [(stop["taskId"], stop["reason"]) for stop in beat["stops"]] == [
        (ids[0], "customer_requested")
    ]
    await tool.call(
        "AgentService/FinishTask",
        task_id=ids[0],
        fence=started["fence"],
        outcome="FINISH_OUTCOME_CANCELLED",
    )
    last = await one.next()
    assert last["task"]["state"] == "TASK_STATE_CANCELLED"
    assert last["task"]["cancelProof"] == "CANCEL_PROOF_ACKNOWLEDGED"
    assert last["last"] is True
    states = [(await many.next())["task"]["state"] for _ in range(4)]
    assert sorted(states) == ["TASK_STATE_CANCELLED"] * 3 + ["TASK_STATE_CANCELLING"]

    # Both streams end by themselves, with OK.
    for watch in (one, many):
        assert await watch.next() == {}
        assert await asyncio.wait_for(watch.process.wait(), 10) == 0
        assert await watch.process.stderr.read() == b""
    again = await tool.call("CancellationService/CancelGroup", **cancel)
    assert again["replayed"] is True
    assert again["cancellation"]["state"] == "CANCELLATION_STATE_SUCCEEDED"
