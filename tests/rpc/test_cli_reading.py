"""The commands that look, as a person uses them: get, history, list, summary, health."""

import csv
import json
from collections.abc import AsyncIterator

import pytest

from countermand.client import Client
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_CANCELLED
from countermand.v1.checkout_pb2 import Checkout
from countermand.v1.order_pb2 import Order
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.command import Command
from tests.support.server import Server, started

UNKNOWN = "0192f0c1-0000-7000-8000-000000000001"


@pytest.fixture
def command(server: Server) -> Command:
    return Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.address, server.key) as client:
        yield client


def facts(text: str) -> dict[str, str]:
    """What is shown, by the names in the first column."""
    return {line.split("  ")[0]: line.split("  ")[-1].strip() for line in text.splitlines()}


async def test_get_shows_one_of_each_kind_for_people_and_programs(client: Client, command: Command):
    sold = await client.create_checkout(
        Checkout(checkout_id="c1", cart_id="k1"), [CreateTaskRequest(merchant="Tea")]
    )
    task = sold.tasks[0]
    await client.create_order(Order(order_id="o1", number="63-1", checkout_ids=["c1"]))
    cancelled = (await client.cancel_order("o1", reason="fraud")).cancellation
    ids = {
        "task": task.task_id,
        "group": sold.checkout.group_id,
        "checkout": "c1",
        "order": "o1",
        "cart": "k1",
        "cancellation": cancelled.cancellation_id,
    }
    shown = {}
    for kind, target_id in ids.items():
        result = await command("get", kind, target_id)
        assert (result.status, result.err) == (0, "")
        shown[kind] = facts(result.out)
        assert shown[kind][kind] == target_id
        found = json.loads((await command("get", kind, target_id, "--json")).out)
        assert found[f"{kind}_id"] == target_id
    assert shown["task"]["merchant"] == "Tea"
    assert shown["task"]["reason"] == "fraud"
    assert shown["order"]["number"] == "63-1"
    assert shown["cart"]["state"] == "ACTIVE"
    assert shown["cancellation"]["order"] == "o1"
    assert shown["cancellation"]["result"].endswith("NEVER_STARTED")
    result = await command("get", "task", UNKNOWN)
    assert (result.status, result.out) == (1, "")
    assert "TASK_NOT_FOUND" in result.err
    assert (await command("get", "parcel", UNKNOWN)).status == 2


async def test_history_shows_every_version_and_comes_back_also_while_the_task_lives(
    client: Client, command: Command
):
    task_id = (await client.create_task()).task.task_id
    started = await client.start_task(task_id, "agent-1")
    result = await command("history", task_id)
    assert (result.status, result.err) == (0, "")
    assert [line.split()[2:4] for line in result.out.splitlines()] == [
        ["version=1", "state=PENDING"],
        ["version=2", "state=RUNNING"],
    ]
    await client.cancel_task(task_id)
    await client.finish_task(task_id, started.fence, FINISH_OUTCOME_CANCELLED)
    result = await command("history", task_id, "--json")
    versions = [json.loads(line)["version"] for line in result.out.splitlines()]
    assert versions == ["1", "2", "3", "4"]


async def test_cancellations_are_listed_and_counted(client: Client, command: Command):
    for reason in ("fraud", "fraud", "=1+1"):
        task_id = (await client.create_task()).task.task_id
        await client.cancel_task(task_id, reason=reason, on_behalf_of="risk")
    listed = await command("list", "cancellations", "--reason", "fraud", "--since", "1h")
    header, *lines = listed.out.splitlines()
    assert header.split()[:3] == ["CANCELLATION", "STATE", "REASON"]
    assert [line.split()[1:3] for line in lines] == [["SUCCEEDED", "fraud"]] * 2
    of_task = await command("list", "cancellations", "--task", task_id, "--json")
    [found] = [json.loads(line) for line in of_task.out.splitlines()]
    assert found["task_id"] == task_id
    counted = await command("summary", "--by", "reason", "--since", "1h", "--csv")
    rows = list(csv.reader(counted.out.splitlines()))
    assert rows == [["key", "count"], ["fraud", "2"], ["'=1+1", "1"]]  # no spreadsheet runs it
    assert (await command("summary", "--by", "proof")).out.split() == [
        *("KEY", "COUNT"),
        *("NEVER_STARTED", "3"),
    ]
    assert (await command("summary", "--by", "merchant")).status == 2
    assert (await command("list", "cancellations", "--state", "partial")).out == ""


async def test_health_needs_no_key_and_says_by_its_status_how_the_server_is(tmp_path):
    async with started(tmp_path) as server:
        command = Command(COUNTERMAND_SERVER=server.address)
        result = await command("health")
        assert (result.status, result.out, result.err) == (0, "SERVING\n", "")
        gone = server.address
    result = await command("health", COUNTERMAND_SERVER=gone)
    assert result.status == 3
    assert "not reached" in result.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_is_printed_and_answers_the_shell(shell: str):
    command = Command()
    result = await command("completion", shell)
    assert result.status == 0
    assert "_COUNTERMAND_COMPLETE" in result.out
    asked = {
        "_COUNTERMAND_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "countermand hea",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "countermand hea",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    answered = await command("ignored", **asked)
    assert "health" in answered.out
