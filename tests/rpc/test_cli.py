"""The command as a person uses it: in a process of its own, against a real server."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from countermand.client import Client
from countermand.v1.agent_service_pb2 import (
    FINISH_OUTCOME_CANCELLED,
    FINISH_OUTCOME_COMPLETED,
    FINISH_OUTCOME_FAILED,
)
from countermand.v1.checkout_pb2 import Checkout
from countermand.v1.order_pb2 import Order
from countermand.v1.task_pb2 import TaskFilter
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.choosing import with_knobs
from tests.support.command import Command, finish, read_line
from tests.support.served_store import ON_POSTGRES
from tests.support.server import Server

UNKNOWN = "0192f0c1-0000-7000-8000-000000000001"


@pytest.fixture
def command(server: Server) -> Command:
    return Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.address, server.key) as client:
        yield client


async def start_one(client: Client) -> tuple[str, int]:
    created = (await client.create_task()).task
    return created.task_id, (await client.start_task(created.task_id, "agent-1")).fence


async def test_cancel_says_what_became_of_the_task(client: Client, command: Command):
    task_id, _ = await start_one(client)
    result = await command(
        *("cancel", "task", task_id, "--reason", "fraud", "--message", "stop it", "--grace", "1h"),
        *("--on-behalf-of", "risk", "--expected-version", "2"),
    )
    assert (result.status, result.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in result.out.splitlines()[:5])
    task = (await client.get_task(task_id)).task
    assert facts["task"] == task_id
    assert facts["state"] == "CANCELLING"
    assert facts["version"] == "3"
    assert task.cancel_message == "stop it"
    assert task.deadline_time.seconds - task.update_time.seconds == 3600
    assert f"result  {task_id}  STOPPING  CANCELLING  -\n" in result.out
    assert task.cancellation_id in result.out
    recorded = (await client.get_cancellation(task.cancellation_id)).cancellation
    assert (recorded.on_behalf_of, recorded.reason) == ("risk", "fraud")


async def test_cancel_prints_json_and_repeats_with_a_request_id(client: Client, command: Command):
    created = await client.create_group([CreateTaskRequest(), CreateTaskRequest()])
    arguments = ("cancel", "group", created.group.group_id, "--request-id", UNKNOWN, "--json")
    first = json.loads((await command(*arguments)).out)
    again = json.loads((await command(*arguments)).out)
    assert first["cancellation"]["state"] == "CANCELLATION_STATE_SUCCEEDED"
    assert len(first["cancellation"]["results"]) == 2
    assert again == first | {"replayed": True}


async def test_a_second_cancel_says_whose_it_joined_and_why_and_since_when(
    client: Client, command: Command
):
    task_id, _ = await start_one(client)
    first = await client.cancel_task(task_id, reason="fraud", on_behalf_of="risk")
    result = await command("cancel", "task", task_id, "--reason", "cart_changed")
    assert (result.status, result.err) == (0, "")
    since = first.cancellation.create_time.ToDatetime().isoformat(timespec="milliseconds")
    whose = f"yes, the cancel of {first.cancellation.requested_by} for risk with reason fraud"
    (joined,) = (line for line in result.out.splitlines() if line.startswith("joined "))
    assert joined.split(maxsplit=1)[1] == f"{whose}, since {since}Z"
    kept = (await client.get_cancellation(first.cancellation.cancellation_id)).cancellation
    assert [join.reason for join in kept.joins] == ["cart_changed"]


async def test_cancel_says_what_became_of_a_checkout_and_its_money(
    client: Client, command: Command
):
    created = await client.create_checkout(
        Checkout(checkout_id="checkout-1", cart_id="cart-1"),
        [CreateTaskRequest(), CreateTaskRequest()],
    )
    bought, pending = (task.task_id for task in created.tasks)
    fence = (await client.start_task(bought, "agent-1")).fence
    await client.begin_charge(bought, fence)
    result = await command("cancel", "checkout", "checkout-1", "--message", "No more.")
    assert (result.status, result.err) == (0, "")
    facts = dict(line.split("  ", maxsplit=1) for line in result.out.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["checkout"] == "checkout-1"
    assert facts["state"] == "CANCELLING"
    assert facts["cart"] == "cart-1"
    assert facts["tasks"] == "1 CANCELLING, 1 CANCELLED"
    assert facts["the buyer reads"] == "Checkout cancelled: No more."
    assert f"result  {bought}  STOPPING  CANCELLING  -\n" in result.out
    assert f"result  {pending}  STOPPED   CANCELLED   NEVER_STARTED\n" in result.out

    await client.finish_task(bought, fence, FINISH_OUTCOME_CANCELLED)
    watched = await command("watch", "--checkout", "checkout-1")
    assert "  charge=BEGUN  refund=REQUIRED\n" in watched.out
    assert (watched.status, len(watched.out.splitlines())) == (0, 2)


async def owed(client: Client, **fields: str) -> str:
    """Makes a task that was ended with its charge begun. Returns its id."""
    task_id = (await client.create_task(**fields)).task.task_id
    fence = (await client.start_task(task_id, "agent-1")).fence
    await client.begin_charge(task_id, fence)
    await client.finish_task(task_id, fence, FINISH_OUTCOME_FAILED)
    return task_id


async def test_whoever_is_owed_money_is_listed_and_settled(client: Client, command: Command):
    first = await owed(client, merchant="shop \u202e")
    second = await owed(client)
    await start_one(client)
    listed = await command("list", "tasks", "--refund-state", "required")
    assert (listed.status, listed.err) == (0, "")
    title, *rows = listed.out.splitlines()
    assert title.split() == ["TASK", "STATE", "VERSION", "CHARGE", "REFUND", "END", "MERCHANT"]
    assert [row.split()[:5] for row in rows] == [
        [second, "FAILED", "4", "BEGUN", "REQUIRED"],
        [first, "FAILED", "4", "BEGUN", "REQUIRED"],
    ]
    assert rows[1].endswith("shop \\u202e")

    said = ("--amount", "1999", "--currency", "EUR", "--note", "paid back", "--request-id", UNKNOWN)
    settled = await command("settle", first, "--refunded", *said)
    assert (settled.status, settled.err) == (0, "")
    facts = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in settled.out.splitlines()}
    assert facts["refund"] == facts["settled"] == "REFUNDED"
    assert (facts["amount"], facts["note"], facts["replayed"]) == ("1999 EUR", "paid back", "no")
    again = json.loads((await command("settle", first, "--refunded", *said, "--json")).out)
    assert (again["replayed"], again["task"]["settlement"]["amount"]) == (True, "1999")
    refused = await command("settle", first, "--not-owed")
    assert refused.status == 1
    assert "REFUND_ALREADY_SETTLED" in refused.err
    assert (await command("settle", second, "--not-owed")).status == 0

    left = await command("list", "tasks", "--refund-state", "REQUIRED")
    assert (left.status, left.out) == (0, "")
    lines = (await command("list", "tasks", "--state", "failed", "--json")).out.splitlines()
    states = {task["task_id"]: task["refund_state"] for task in map(json.loads, lines)}
    assert states == {first: "REFUND_STATE_REFUNDED", second: "REFUND_STATE_NOT_OWED"}


@pytest.mark.timeout(240)
@with_knobs({"paging.max_bytes": 100_000}, of="server")  # 1,000 pages take their time
async def test_a_list_follows_its_pages_and_its_filters(client: Client, command: Command):
    group = (await client.create_group([CreateTaskRequest() for _ in range(1001)])).group
    running, _ = await start_one(client)
    everything = await command("list", "tasks", "--json")
    assert len(everything.out.splitlines()) == 1002
    of_group = await command("list", "tasks", "--group", group.group_id, "--json")
    assert len(of_group.out.splitlines()) == 1001
    of_agent = await command("list", "tasks", "--agent", "agent-1", "--state", "RUNNING")
    assert [line.split()[0] for line in of_agent.out.splitlines()[1:]] == [running]
    unknown = await command("list", "tasks", "--checkout", "nobody-has-it")
    assert (unknown.status, unknown.out) == (1, "")
    assert "CHECKOUT_NOT_FOUND" in unknown.err


async def test_cancel_names_a_checkout_by_its_cart(client: Client, command: Command):
    created = await client.create_checkout(Checkout(cart_id="cart-1"))
    arguments = ("cancel", "checkout", "--cart", "cart-1")
    first = json.loads((await command(*arguments, "--json")).out)
    assert first["checkout"]["checkout_id"] == created.checkout.checkout_id
    assert first["checkout"]["state"] == "CHECKOUT_STATE_CANCELLED"
    again = await command(*arguments)
    assert again.status == 1
    assert again.err.startswith("countermand: CART_NOT_LOCKED: ")


async def test_cancel_and_watch_take_an_order(client: Client, command: Command):
    checkout = await client.create_checkout(tasks=[CreateTaskRequest()])
    order = Order(order_id="633130-00000004", checkout_ids=[checkout.checkout.checkout_id])
    await client.create_order(order, [CreateTaskRequest()])
    watch = await command.start("watch", "--order", order.order_id)
    opening = [await read_line(watch) for _ in range(2)]
    assert ["state=PENDING" in line for line in opening] == [True, True]
    result = await command("cancel", "order", order.order_id, "--reason", "duplicate_order")
    assert (result.status, result.err) == (0, "")
    assert "cancellation state  SUCCEEDED\n" in result.out
    assert result.out.count("NEVER_STARTED") == 2
    watched = await finish(watch)
    assert (watched.status, watched.out.count("state=CANCELLED")) == (0, 2)


async def test_validate_only_changes_nothing(client: Client, command: Command):
    task_id, _ = await start_one(client)
    result = await command("cancel", "task", task_id, "--validate-only")
    assert result.status == 0
    assert "CANCELLING" in result.out
    assert (await client.get_task(task_id)).task.version == 2


async def test_cancel_may_come_before_the_task(client: Client, command: Command):
    arguments = ("cancel", "task", UNKNOWN, "--allow-missing", "--reason", "fraud")
    result = await command(*arguments)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"task                {UNKNOWN}\nstate               not created")
    assert "cancellation state  IN_PROGRESS\n" in result.out
    task = (await client.create_task(task_id=UNKNOWN)).task
    assert (task.version, task.cancel_reason) == (2, "fraud")
    again = await command(*arguments)
    assert (again.status, again.out) == (1, "")
    assert again.err.startswith("countermand: TASK_ALREADY_CANCELLED: ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("cancel", "task", UNKNOWN), "TASK_NOT_FOUND"),
        (("cancel", "group", "nonsense"), "INVALID_REQUEST"),
        (("cancel", "checkout", UNKNOWN), "CHECKOUT_NOT_FOUND"),
        (("cancel", "checkout", "--cart", UNKNOWN), "CART_NOT_FOUND"),
        (("cancel", "order", UNKNOWN), "ORDER_NOT_FOUND"),
        (("watch", UNKNOWN), "TASK_NOT_FOUND"),
        (("watch", UNKNOWN, "--checkout"), "CHECKOUT_NOT_FOUND"),
        (("watch", UNKNOWN, "--order"), "ORDER_NOT_FOUND"),
        (("watch", UNKNOWN, "--group"), "GROUP_NOT_FOUND"),
        (("keys", "revoke", "unknown"), "KEY_NOT_FOUND"),
        (("keys", "list", "--api-key", ""), "API_KEY_MISSING: set COUNTERMAND_API_KEY or "),
        (("demo", "--api-key", ""), "API_KEY_MISSING: set COUNTERMAND_API_KEY or give --api-key"),
        (("demo", "--api-key", "cmd_wrong"), "API_KEY_INVALID: the key in COUNTERMAND_API_KEY"),
    ],
)
async def test_a_refusal_is_1_and_its_reason_is_printed(command: Command, arguments, reason):
    result = await command(*arguments)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"countermand: {reason}")
    assert result.err.count("\n") == 1


AWAY = "countermand: the server is away: nothing was heard of it for 2.5 s; trying on\n"
BACK = "countermand: the server is back\n"


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("how", ["killed", "stopped", "drained"])
@pytest.mark.parametrize("what", ["task", "group"])
async def test_watch_says_when_the_server_is_away_and_when_it_is_back(
    server: Server, client: Client, command: Command, what: str, how: str, as_json: bool
):
    group = (await client.create_group([CreateTaskRequest()])).group.group_id
    task_id = (await client.list_tasks(TaskFilter(group_id=group))).tasks[0].task_id
    target = (task_id,) if what == "task" else ("--group", group)
    watch = await command.start("watch", *target, *(["--json"] if as_json else []))
    lines = [await read_line(watch) for _ in range(2 if what == "group" and as_json else 1)]
    left = time.monotonic()
    match how:
        case "killed":
            await server.kill()
        case "drained":
            await server.stop()
        case "stopped":
            server.process.send_signal(signal.SIGSTOP)
    assert (await watch.stderr.readline()).decode() == AWAY
    assert time.monotonic() - left < (5 if how == "drained" else 4)
    if how == "stopped":
        server.process.send_signal(signal.SIGCONT)
    else:
        await server.start()
    assert (await watch.stderr.readline()).decode() == BACK
    await client.cancel_group(group)
    result = await finish(watch)
    lines += result.out.splitlines(keepends=True)
    assert (result.status, result.err) == (0, "")
    words = "TASK_STATE_PENDING", "TASK_STATE_CANCELLED"
    if as_json:
        states = [json.loads(line).get("task", {}).get("state") for line in lines]
        assert [state for state in states if state] == list(words)
    else:
        assert [f"state={word[11:]}" in line for word, line in zip(words, lines, strict=True)]


@pytest.mark.parametrize("as_json", [False, True])
async def test_watch_follows_an_order_itself(client: Client, command: Command, as_json: bool):
    order_id = (await client.create_order()).order.order_id
    flags = ("--order", "--record", *(("--json",) if as_json else ()))
    watch = await command.start("watch", order_id, *flags)
    lines = [await read_line(watch)]
    cancelled = (await client.cancel_order(order_id)).order
    result = await finish(watch)
    lines += result.out.splitlines(keepends=True)
    assert (result.status, result.err) == (0, "")
    if as_json:
        versions = [json.loads(line)["order"]["version"] for line in lines]
        assert versions == ["1", "2"]
    else:
        assert f"{order_id}  version=1  state=OPEN\n" in lines[0]
        end = f"version=2  state=CANCELLED  cancellation={cancelled.cancellation_id}\n"
        assert lines[1].endswith(end)
    assert (await command("watch", order_id, "--record")).status == 2


async def test_a_quiet_task_is_no_silent_server(client: Client, command: Command):
    task_id, fence = await start_one(client)
    watch = await command.start("watch", task_id)
    await read_line(watch)
    with pytest.raises(TimeoutError):  # longer than it waits for a word
        await asyncio.wait_for(watch.stderr.readline(), 4)
    await client.finish_task(task_id, fence, FINISH_OUTCOME_COMPLETED)
    assert (await finish(watch)).status == 0


async def test_watch_follows_a_task_over_a_restart(
    server: Server, client: Client, command: Command
):
    task_id, fence = await start_one(client)
    watch = await command.start("watch", task_id)
    lines = [await read_line(watch)]
    await client.cancel_task(task_id)
    lines.append(await read_line(watch))
    await server.kill()
    await server.start()
    await client.finish_task(task_id, fence, FINISH_OUTCOME_CANCELLED)
    result = await finish(watch)
    lines += result.out.splitlines(keepends=True)
    assert (result.status, result.err) in ((0, ""), (0, AWAY + BACK))  # as the restart takes
    words = [line.split() for line in lines]
    assert [line[1] for line in words] == [task_id] * 3
    assert [line[2:5] for line in words] == [
        ["version=2", "state=RUNNING", "proof=-"],
        ["version=3", "state=CANCELLING", "proof=-"],
        ["version=4", "state=CANCELLED", "proof=ACKNOWLEDGED"],
    ]
    assert words[0][5] == "deadline=-"
    assert words[1][5] == words[2][5] != "deadline=-"


async def test_watch_follows_a_group_in_json_lines(client: Client, command: Command):
    created = await client.create_group([CreateTaskRequest(), CreateTaskRequest()])
    watch = await command.start("watch", "--group", created.group.group_id, "--json")
    opening = [json.loads(await read_line(watch)) for _ in range(3)]
    assert [message["type"] for message in opening] == [
        "WATCH_TYPE_SNAPSHOT",
        "WATCH_TYPE_SNAPSHOT",
        "WATCH_TYPE_SYNCED",
    ]
    await client.cancel_group(created.group.group_id)
    result = await finish(watch)
    changes = [json.loads(line) for line in result.out.splitlines()]
    assert [message["task"]["state"] for message in changes] == ["TASK_STATE_CANCELLED"] * 2
    assert [message.get("last", False) for message in changes] == [False, True]
    assert (result.status, result.err) == (0, "")


async def test_a_key_from_the_environment_is_in_no_list_of_processes(
    server: Server, client: Client, command: Command
):
    task_id, fence = await start_one(client)
    watch = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "countermand", "watch", task_id],
        stdout=PIPE,
        stderr=PIPE,
        env=command.environment,
    )
    await read_line(watch)
    (line,) = alive_with(task_id)
    assert server.key.rpartition("_")[2] not in line
    await client.finish_task(task_id, fence, FINISH_OUTCOME_COMPLETED)
    assert (await finish(watch)).status == 0


async def test_ctrl_c_is_130_and_quiet(client: Client, command: Command):
    task_id, _ = await start_one(client)
    watch = await command.start("watch", task_id)
    await read_line(watch)
    watch.send_signal(signal.SIGINT)
    assert await finish(watch) == (130, "", "")


async def test_a_reader_that_leaves_ends_a_watch_quietly(client: Client, command: Command):
    task_id, _ = await start_one(client)
    read, write = os.pipe()
    watch = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "countermand", "watch", task_id],
        stdout=write,
        stderr=PIPE,
        env=command.environment,
    )
    os.close(write)
    assert await asyncio.to_thread(os.read, read, 10)
    os.close(read)
    await client.cancel_task(task_id)
    _, err = await watch.communicate()
    assert (watch.returncode, err) == (0, b"")


async def test_keys_over_a_server(server: Server, command: Command):
    made = await command(
        *("keys", "create", "--tenant", "shop", "--environment", "production"),
        *("--scope", "keys:admin", "--scope", "tasks:read", "--expire-in", "90d"),
        *("--writes-per-second", "10", "--reads-per-second", "20"),
        *("--watches-per-second", "30", "--open-watches", "40"),
    )
    assert (made.status, made.err) == (0, "")
    secret = made.out.removesuffix("\n")
    assert secret.startswith("cmd_")
    assert secret.split() == [secret]

    listed = await command("keys", "list", "--json", COUNTERMAND_API_KEY=secret)
    newest, first = json.loads(listed.out)
    assert newest["tenant"] == "shop"
    assert newest["environment"] == "production"
    assert newest["scopes"] == ["keys:admin", "tasks:read"]
    assert "expire_time" in newest
    assert newest["limits"] == {
        "writes_per_second": 10,
        "reads_per_second": 20,
        "watches_per_second": 30,
        "open_watches": 40,
    }
    assert "expire_time" not in first
    assert "secret" not in listed.out

    header, *plain = (await command("keys", "list")).out.splitlines()
    columns = ["KEY", "NAME", "STATE", "TENANT", "ENVIRONMENT", "CREATED", "ENDS"]
    assert header.split() == [*columns, "LAST", "USE", "LIMITS", "CREATED", "BY", "SCOPES"]
    assert [line.split()[0] for line in plain] == [newest["key_id"], first["key_id"]]
    assert plain[0][header.index("LIMITS") :].split() == [
        "writes/s=10,reads/s=20,watches/s=30,open_watches=40",
        first["key_id"],
        "keys:admin,tasks:read",
    ]
    assert plain[1][header.index("ENDS")] == "-"
    assert "Z" in plain[1][header.index("LAST USE") : header.index("LIMITS")]

    rotated = await command("keys", "rotate", newest["key_id"], "--overlap", "1h")
    assert (rotated.status, rotated.err) == (0, "")
    successor = rotated.out.removesuffix("\n")
    assert successor.split() == [successor]

    for _ in range(2):
        revoked = await command("keys", "revoke", newest["key_id"], COUNTERMAND_API_KEY=successor)
        assert (revoked.status, revoked.err) == (0, "")
        assert "state        REVOKED\n" in revoked.out
        assert f"successor    {successor.split('_')[2]}\n" in revoked.out
    refused = await command("keys", "list", COUNTERMAND_API_KEY=secret)
    assert refused.status == 1
    assert "API_KEY_INVALID" in refused.err


@pytest.mark.timeout(240)  # each command is a process
async def test_keys_on_a_store_that_no_server_has_open(server: Server, command: Command):
    store = server.store_url
    locked = await command("keys", "list", "--store", store)
    if ON_POSTGRES:  # which several may have open
        assert locked.status == 0, locked.err
    else:
        assert (locked.status, locked.out) == (1, "")
        assert locked.err.startswith("countermand: ")
        assert "Traceback" not in locked.err

    await server.stop()
    create = ("keys", "create", "--tenant", "shop", "--scope", "keys:admin", "--store", store)
    made = await command(*create, "--expire-in", "1h")
    gone = await command(*create)
    listed = json.loads((await command("keys", "list", "--json", "--store", store)).out)
    assert [key["tenant"] for key in listed] == ["shop", "shop", "default"]
    assert "expire_time" in listed[1]
    revoked = await command("keys", "revoke", listed[0]["key_id"], "--store", store)
    assert revoked.status == 0
    unknown = await command("keys", "revoke", "unknown", "--store", store)
    assert (unknown.status, "KEY_NOT_FOUND" in unknown.err) == (1, True)

    await server.start()
    for secret, status in ((made.out.strip(), 0), (gone.out.strip(), 1)):
        assert (await command("keys", "list", COUNTERMAND_API_KEY=secret)).status == status


async def test_a_key_s_first_use_on_a_new_store(tmp_path: Path, server: Server, command: Command):
    store = f"sqlite:///{tmp_path / 'new.db'}"
    made = await command(
        "keys", "create", "--tenant", "t", "--scope", "tasks:read", "--store", store
    )
    assert made.status == 0
    listed = json.loads((await command("keys", "list", "--json", "--store", store)).out)
    assert [key["tenant"] for key in listed] == ["t"]


async def test_serve_takes_its_settings_from_the_environment(tmp_path: Path):
    command = Command(
        COUNTERMAND_LISTEN="127.0.0.1:0",
        COUNTERMAND_STORE=f"sqlite:///{tmp_path / 'other.db'}",
        COUNTERMAND_DRAIN_TIMEOUT="3s",
    )
    serving = await command.start("serve")
    assert (await read_line(serving)).startswith("listening on 127.0.0.1:")
    assert (tmp_path / "other.db").exists()
    serving.send_signal(signal.SIGTERM)
    result = await finish(serving)
    assert result.status == 0
    drained = [json.loads(line) for line in result.err.splitlines() if '"draining"' in line]
    assert [event["seconds"] for event in drained] == [3.0]


async def test_serve_that_cannot_start_is_1(server: Server, command: Command):
    result = await command("serve", "--listen", server.address, "--store", "sqlite:///:/no.db")
    assert result.status == 1
    assert "Traceback" not in result.err


def alive_with(text: str) -> list[str]:
    """The processes whose command line has this text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except OSError:  # it has ended meanwhile
            continue
        if text in line:
            found.append(line.replace("\0", " "))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a demo of its own may put a store; in the end nothing is left there."""
    folder = tmp_path / "own"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
    assert alive_with(str(folder)) == []


async def test_the_demo_brings_its_server_and_plays_to_the_end(folder: Path):
    started = time.monotonic()
    # What the user's environment says about servers and stores is left alone.
    command = Command(
        TMPDIR=str(folder),
        COUNTERMAND_SERVER="127.0.0.1:1",
        COUNTERMAND_STORE="sqlite:////nowhere/x.db",
    )
    result = await command("demo", "--self-contained")
    assert (result.status, result.err) == (0, "")
    assert time.monotonic() - started < 45
    ends = [line for line in result.out.splitlines() if "CANCELLED   version 4" in line]
    assert [line.split("proof ")[1].split()[0] for line in ends] == [
        "ACKNOWLEDGED",
        "ACKNOWLEDGED",
        "FORCED",
    ]
    assert "would not stop: its task ended without it, FORCED" in result.out
    assert "SUCCEEDED, customer_requested" in result.out
    assert result.out.count("STOPPED  CANCELLED") == 3
    assert len(result.out.splitlines()[-1].removeprefix("Its trace: ")) == 32


async def test_the_demo_plays_a_checkout_that_lets_go_of_its_cart(folder: Path):
    started = time.monotonic()
    result = await Command(TMPDIR=str(folder))("demo", "--self-contained", "--checkout")
    assert (result.status, result.err) == (0, "")
    assert time.monotonic() - started < 45
    assert result.out.count("CANCELLED   version 4") == 3
    assert "The checkout is CANCELLED" in result.out
    assert "Its buyer reads: Checkout cancelled: The shopper thought again.\n" in result.out
    assert "Its cart is ACTIVE again.\n" in result.out
    assert "SUCCEEDED, customer_requested" in result.out


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
async def test_a_demo_that_is_broken_off_takes_its_server_along(
    folder: Path, number: signal.Signals, status: int
):
    demo = await Command(TMPDIR=str(folder)).start("demo", "--self-contained")
    while "RUNNING" not in await read_line(demo):
        assert alive_with(str(folder))
    demo.send_signal(number)
    result = await finish(demo)
    assert (result.status, result.err) == (status, "")


async def test_a_demo_whose_server_does_not_start_says_why(folder: Path, tmp_path: Path):
    (tmp_path / "uvloop.py").write_text("raise ImportError('no uvloop today')")
    command = Command(TMPDIR=str(folder), PYTHONPATH=str(tmp_path))
    result = await command("demo", "--self-contained")
    assert (result.status, result.out) == (3, "")
    assert result.err.startswith("countermand: the server ended before it was ready\n")
    assert "no uvloop today" in result.err
