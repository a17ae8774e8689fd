"""`countermand list` of what is sold, and of tasks by what else is known of them."""

import csv
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from countermand.client import Client
from countermand.v1.checkout_pb2 import Checkout
from countermand.v1.order_pb2 import Order
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.command import Command
from tests.support.server import Server


@pytest.fixture
def command(server: Server) -> Command:
    return Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.address, server.key) as client:
        yield client


async def test_sales_are_listed_for_people_and_programs(client: Client, command: Command):
    for number in range(2):
        await client.create_checkout(
            Checkout(checkout_id=f"listed-{number}", cart_id=f"cart-{number}"),
            [CreateTaskRequest()],
        )
    await client.create_order(Order(order_id="listed", number="63-9"))
    await client.complete_checkout("listed-0")
    shown = await command("list", "checkouts", "--state", "completed", "--cart", "cart-0")
    assert (shown.status, shown.err) == (0, "")
    head, row = shown.out.splitlines()
    assert head.split() == ["CHECKOUT", "STATE", "VERSION", "CART", "CREATED", "TASKS"]
    assert row.split()[:4] == ["listed-0", "COMPLETED", "2", "cart-0"]
    assert row.endswith("1 PENDING")
    orders = (await command("list", "orders", "--json")).out.splitlines()
    assert "listed" in [json.loads(line)["order_id"] for line in orders]
    carts = list(csv.DictReader((await command("list", "carts", "--csv")).out.splitlines()))
    assert {"cart-0": "CLOSED", "cart-1": "LOCKED"}.items() <= {
        cart["cart"]: cart["state"] for cart in carts
    }.items()
    assert (await command("list", "orders", "--state", "nothing")).status == 2


async def test_tasks_are_listed_by_merchant_label_and_deadline(client: Client, command: Command):
    labels = {"url": "https://shop.example/?a=b"}
    task = (await client.create_task(merchant="Oolong", labels=labels)).task
    await client.start_task(task.task_id, "agent-1", lease_duration=timedelta(hours=1))
    await client.cancel_task(task.task_id, grace_period=timedelta(hours=1))
    for chosen in (
        ("--merchant", "Oolong"),
        ("--label", "url=https://shop.example/?a=b"),
        ("--sort", "deadline"),
    ):
        listed = await command("list", "tasks", *chosen, "--json")
        assert listed.err == ""
        assert task.task_id in [json.loads(line)["task_id"] for line in listed.out.splitlines()]
    none = await command("list", "tasks", "--label", "url=other")
    assert (none.status, none.out, none.err) == (0, "", "countermand: nothing was found\n")
    for form in ("--json", "--csv"):
        assert (await command("list", "tasks", "--label", "url=other", form)).err == ""
    for wrong in (("--label", "url"), ("--sort", "merchant")):
        assert (await command("list", "tasks", *wrong)).status == 2
