"""Every question of an operator is answered by one command, in under two seconds: of one tenant by
its key, and of all by one that has `operator:read`; among 3,000 tasks in six states.

The commands are run as a person types them, in a thread of this process: to start Python for each
would take longer than all of them.
"""

import asyncio
import csv
import fcntl
import io
import json
import os
import pty
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from countermand.cli.main import run
from countermand.client import Client
from countermand.v1.agent_service_pb2 import FINISH_OUTCOME_COMPLETED, FINISH_OUTCOME_FAILED
from countermand.v1.checkout_pb2 import Checkout
from countermand.v1.order_pb2 import Order
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.caller import SCOPES
from tests.support.served_store import ON_POSTGRES
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = ("tea", "toys", "tools")
PENDING, CANCELLED, EACH = 880, 40, 20
"""How many tasks of each tenant are in these states, and in each of the four others."""
SECONDS = 2.0


class Answer(NamedTuple):
    status: int
    out: str
    err: str

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shop:
    """What is known of the shops' tasks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tenant_key = ""
        self.operator_key = ""
        self.stuck: list[str] = []
        """The CANCELLING tasks of the first tenant, nearest deadline first."""
        self.cancellation = ""
        self.expiring = ""
        self.revoked = ""
        self.admin = server.key.split("_")[2]

    async def ask(self, key: str, *words: str) -> Answer:
        environment = {"COUNTERMAND_SERVER": self.server.address, "COUNTERMAND_API_KEY": key}
        out, err = io.StringIO(), io.StringIO()

        def type_it() -> int:
            with redirect_stdout(out), redirect_stderr(err):
                return run(words)

        os.environ |= environment
        try:
            return Answer(await asyncio.to_thread(type_it), out.getvalue(), err.getvalue())
        finally:
            for name in environment:
                del os.environ[name]


async def _fill(client: Client, tenant: str, shop: Shop) -> None:
    """Makes a thousand tasks in six states: 880 PENDING, 40 CANCELLED, and 20 of each other."""
    label = {"campaign": "spring"}
    await client.create_group([CreateTaskRequest() for _ in range(PENDING)])
    stopped = await client.create_group([CreateTaskRequest() for _ in range(CANCELLED)])
    await client.cancel_group(stopped.group.group_id, reason="fraud")
    new = [CreateTaskRequest(merchant="Oolong", labels=label) for _ in range(4 * EACH)]
    tasks = (await client.create_group(new)).tasks

    async def hold(number: int, task_id: str) -> tuple[str, int]:
        lease = timedelta(hours=1)
        held = await client.start_task(task_id, f"{tenant}-{number % 4}", lease_duration=lease)
        return task_id, held.fence

    held = await asyncio.gather(*(hold(n, task.task_id) for n, task in enumerate(tasks)))
    cancelled, completed, failed = (held[EACH * n : EACH * (n + 1)] for n in (1, 2, 3))
    for number, (task_id, _) in enumerate(cancelled):
        grace = timedelta(minutes=50 - number)
        await client.cancel_task(task_id, reason="customer_requested", grace_period=grace)
    if tenant == TENANTS[0]:
        shop.stuck = [task_id for task_id, _ in reversed(cancelled)]
    for task_id, fence in completed:
        await client.finish_task(task_id, fence, FINISH_OUTCOME_COMPLETED)
    for task_id, fence in failed:
        await client.begin_charge(task_id, fence)
        await client.finish_task(task_id, fence, FINISH_OUTCOME_FAILED)


async def _sell(client: Client, shop: Shop) -> None:
    """Makes an order and a checkout that are being cancelled, and a cart that is locked."""
    for kind in ("checkout", "order"):
        new = [CreateTaskRequest()]
        if kind == "checkout":
            sold = await client.create_checkout(Checkout(checkout_id="c-1", cart_id="k-1"), new)
        else:
            sold = await client.create_order(Order(order_id="63-1"), new)
        await client.start_task(sold.tasks[0].task_id, "tea-0", lease_duration=timedelta(hours=1))
    grace = timedelta(hours=1)
    await client.cancel_checkout("c-1", grace_period=grace)
    done = await client.cancel_order("63-1", reason="fraud", grace_period=grace)
    again = {"reason": "timeout", "on_behalf_of": "till-9"}
    await client.cancel_order("63-1", grace_period=grace, **again)
    shop.cancellation = done.cancellation.cancellation_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    server = await Server(tmp_path_factory.mktemp("questions"), knobs={}).start()
    shop = Shop(server)
    scopes = [scope for scope in SCOPES if scope not in ("operator:read", "keys:admin")]
    try:
        async with Client(server.address, server.key) as admin:
            for tenant in TENANTS:
                made = await admin.create_key(tenant, "sandbox", scopes, name=f"{tenant} till")
                async with Client(server.address, made.secret) as client:
                    await _fill(client, tenant, shop)
                    if tenant == TENANTS[0]:
                        shop.tenant_key = made.secret
                        await _sell(client, shop)
            watching = ["operator:read", "keys:admin"]
            shop.operator_key = (await admin.create_key("ops", "sandbox", watching)).secret
            soon = datetime.now(UTC) + timedelta(days=3)
            ending = await admin.create_key("tea", "sandbox", ["tasks:read"], expire_time=soon)
            shop.expiring = ending.key.key_id
            gone = await admin.create_key("tea", "sandbox", ["tasks:read"])
            shop.revoked = (await admin.revoke_key(gone.key.key_id)).key.key_id
            yield shop
    finally:
        await server.kill()


def _facts(answer: Answer) -> dict[str, str]:
    return {line.split("  ")[0]: line for line in answer.out.splitlines()}


def _status(*names: str) -> Callable[[Shop, Answer], bool]:
    return lambda shop, answer: all(_facts(answer)[name].strip() != name for name in names)


def _counts(tenants: int) -> dict[str, int]:
    running = {"RUNNING": EACH * tenants, "CANCELLING": EACH * tenants + 2}
    ended = {"CANCELLED": CANCELLED, "COMPLETED": EACH, "FAILED": EACH}
    return {"PENDING": PENDING * tenants} | running | {k: n * tenants for k, n in ended.items()}


class Question(NamedTuple):
    asked: str
    command: str
    """TASK, CANCELLATION stand for the ids of these."""
    is_right: Callable[[Shop, Answer], bool]
    who: str = "tenant"
    """Whose key asks: the tenant's, or the operator's."""


OWED = "list tasks --refund-state REQUIRED --csv"
QUESTIONS = [
    Question("alive and ready?", "health", lambda s, a: a.out == "SERVING\n", "nobody"),
    Question("version, and since when?", "status", _status("version", "up since"), "operator"),
    Question("store and WAL size?", "status", _status("store", "write-ahead log"), "operator"),
    Question("last commit?", "status", _status("last commit"), "operator"),
    Question("free disk?", "status", _status("disk left"), "operator"),
    Question(
        "open watches, whose, near the bound?",
        "list watches --csv",
        lambda s, a: [row["tenant"] for row in a.rows()] == ["toys"],
        "operator",
    ),
    Question(
        "agents alive, lease left, what they hold?",
        "list agents --csv",
        lambda s, a: (
            {(row["tenant"], row["live"]) for row in a.rows()} == {(one, "yes") for one in TENANTS}
            and len(a.rows()) == 4 * len(TENANTS)
            and all("min" in row["lease left"] and "RUNNING" in row["tasks"] for row in a.rows())
        ),
        "operator",
    ),
    Question(
        "stuck CANCELLING, nearest deadline first?",
        "list tasks --sort deadline --json",
        lambda s, a: [one["task_id"] for one in a.messages()][:EACH] == s.stuck,
    ),
    Question(
        "stuck CANCELLING, of all?",
        "list tasks --all --sort deadline --csv",
        lambda s, a: (
            len(a.rows()) == 3 * EACH + 2
            and [row["end"] for row in a.rows()] == sorted(row["end"] for row in a.rows())
        ),
        "operator",
    ),
    Question(
        "how many in each state?",
        "list tasks --count --csv",
        lambda s, a: {row["state"]: int(row["count"]) for row in a.rows()} == _counts(1),
    ),
    Question(
        "how many in each state, of all?",
        "list tasks --all --count --csv",
        lambda s, a: (
            {row["state"]: int(row["count"]) for row in a.rows()}
            == _counts(3) | {"RUNNING": 3 * EACH, "CANCELLING": 3 * EACH + 2}
        ),
        "operator",
    ),
    Question(
        "one task, whole?",
        "get task TASK",
        lambda s, a: "CANCELLING" in a.out and "Oolong" in a.out and "tea till" in a.out,
    ),
    Question("its history?", "history TASK", lambda s, a: len(a.out.splitlines()) == 3),
    Question(
        "one cancellation?",
        "get cancellation CANCELLATION",
        lambda s, a: "63-1" in a.out and "result" in a.out,
    ),
    Question(
        "who cancelled order X and why, and who else asked?",
        "get order 63-1",
        lambda s, a: "tea till" in a.out and "fraud" in a.out and "for till-9  timeout" in a.out,
    ),
    Question(
        "cancels of the last hour by reason?",
        "summary --by reason --since 1h --csv",
        lambda s, a: {row["key"]: int(row["count"]) for row in a.rows()}["fraud"] == 2,
    ),
    Question("where is a refund owed?", OWED, lambda s, a: len(a.rows()) == EACH),
    Question(
        "where is a refund owed, of all?",
        f"{OWED} --all",
        lambda s, a: {row["tenant"] for row in a.rows()} == set(TENANTS),
        "operator",
    ),
    Question(
        "which orders are CANCELLING?",
        "list orders --state CANCELLING --csv",
        lambda s, a: [row["order"] for row in a.rows()] == ["63-1"],
    ),
    Question(
        "which checkouts are?",
        "list checkouts --state CANCELLING --csv",
        lambda s, a: [row["checkout"] for row in a.rows()] == ["c-1"],
    ),
    Question(
        "which carts are locked?",
        "list carts --state LOCKED --csv",
        lambda s, a: [row["cart"] for row in a.rows()] == ["k-1"],
    ),
    Question(
        "everything of merchant M?",
        "list tasks --merchant Oolong --csv",
        lambda s, a: len(a.rows()) == 4 * EACH,
    ),
    Question(
        "everything of label L, of all?",
        "list tasks --all --label campaign=spring --csv",
        lambda s, a: len(a.rows()) == 3 * 4 * EACH,
        "operator",
    ),
    Question(
        "export as CSV?",
        "list tasks --csv",
        lambda s, a: len(a.rows()) == sum(_counts(1).values()),
    ),
    Question(
        "export as CSV, of all?",
        "list tasks --all --csv",
        lambda s, a: len(a.rows()) == 3 * 1000 + 2,
        "operator",
    ),
    Question(
        "who made this key and who revoked it?",
        "keys list --json",
        lambda s, a: (
            {one["key_id"]: one.get("revoked_by") for one in json.loads(a.out)}[s.revoked]
            == s.admin
            and {one["created_by"] for one in json.loads(a.out)} == {s.admin, "system:start"}
        ),
        "operator",
    ),
    Question(
        "which keys end soon?",
        "keys list --ends-within 14d",
        lambda s, a: s.expiring in a.out and len(a.out.splitlines()) == 2,
        "operator",
    ),
    Question(
        "who is refused, and why?",
        "status",
        lambda s, a: "SCOPE_MISSING" in a.out,
        "operator",
    ),
]


OF_FILES = ("store and WAL size?", "free disk?")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.asked)
async def test_one_command_answers(question: Question, shop: Shop) -> None:
    if ON_POSTGRES and question.asked in OF_FILES:
        pytest.skip("of a store on SQLite: the sizes of its files")
    keys = {"tenant": shop.tenant_key, "operator": shop.operator_key, "nobody": ""}
    ids = {"TASK": shop.stuck[0], "CANCELLATION": shop.cancellation}
    words = [ids.get(word, word) for word in question.command.split()]
    if "watches" in question.asked:
        shown = await _while_toys_watch(shop, keys["operator"], *words)
    else:
        if "refused" in question.asked:
            refused = await shop.ask(shop.tenant_key, "status")
            assert "SCOPE_MISSING" in refused.err
            assert "COUNTERMAND_API_KEY" in refused.err
        begin = time.monotonic()
        shown = await shop.ask(keys[question.who], *words)
        assert time.monotonic() - begin < SECONDS
    assert (shown.status, shown.err) == (0, "")
    assert question.is_right(shop, shown), shown.out[:2000]


async def _while_toys_watch(shop: Shop, key: str, *words: str) -> Answer:
    async with Client(shop.server.address, shop.server.key) as admin:
        made = await admin.create_key("toys", "sandbox", ["tasks:read"])
    async with Client(shop.server.address, made.secret) as client:
        watch = client.watch_tasks()
        await anext(watch)
        begin = time.monotonic()
        shown = await shop.ask(key, *words)
        assert time.monotonic() - begin < SECONDS
        await watch.aclose()
        return shown


@pytest.mark.parametrize("who", ["tenant", "operator"])
async def test_everything_can_be_followed_and_ended_now(who: str, shop: Shop) -> None:
    """Tail everything, and end one task: the tail shows it, whoever's key it is."""
    key = shop.tenant_key if who == "tenant" else shop.operator_key
    async with Client(shop.server.address, shop.tenant_key) as client:
        task = (await client.create_task()).task
    environment = {"COUNTERMAND_SERVER": shop.server.address, "COUNTERMAND_API_KEY": key}
    tail = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "countermand", "watch", "--all", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    assert tail.stdout is not None
    line = b""
    try:
        async with asyncio.timeout(60):
            async for line in tail.stdout:
                if json.loads(line)["type"] == "WATCH_TYPE_SYNCED":
                    break
            ended = await shop.ask(shop.tenant_key, "cancel", "task", task.task_id, "--grace", "0")
            assert ended.status == 0
            async for line in tail.stdout:
                if task.task_id.encode() in line:
                    break
            assert (b'"tenant"' in line) is (who == "operator")
    finally:
        tail.kill()
        await tail.wait()


async def test_the_live_screen_shows_it_on_80_columns_without_colour_and_is_left_by_a_key(
    shop: Shop,
) -> None:
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {"COUNTERMAND_SERVER": shop.server.address, "NO_COLOR": "1", "TERM": "xterm"}
    screen = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "countermand", "top"),
        stdin=inside,
        stdout=inside,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment | {"COUNTERMAND_API_KEY": shop.operator_key},
    )
    os.close(inside)
    shown = b""
    try:
        async with asyncio.timeout(60):
            while b"refunds owed 60" not in shown or shop.stuck[1].encode() not in shown:
                shown += await asyncio.to_thread(os.read, terminal, 65536)
            os.write(terminal, b"q")
            assert screen.stderr is not None
            assert await screen.stderr.read() == b""
            assert await screen.wait() == 0
    finally:
        if screen.returncode is None:
            screen.kill()
            await screen.wait()
        os.close(terminal)
    assert b"\x1b[3" not in shown  # no colour


async def test_the_live_screen_says_that_it_needs_a_terminal(shop: Shop) -> None:
    answer = await shop.ask(shop.operator_key, "top")
    assert (answer.status, "countermand status" in answer.err) == (2, True)
