"""Metrics of a real server: what a scripted run did, to the unit, and nothing that callers say."""

import asyncio
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from countermand import __version__
from countermand.app.composition import open_store, running
from countermand.app.store_gauges import read_store
from countermand.telemetry.metrics import Metrics
from tests.support.alerts import fired, missing_promtool
from tests.support.caller import Caller, everything, first_caller, new_caller, new_id
from tests.support.knobs import PRODUCTION, drawn_values_but
from tests.support.raw import ID, RPCS
from tests.support.refusals import refused
from tests.support.scrape import OPENMETRICS, ask, metrics_address, parsed, scrape
from tests.support.served_store import on_sqlite_alone
from tests.support.server import Server, run_to_the_end, started
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLS = "rpc_server_call_duration_seconds_count"
CANCEL = "countermand.v1.CancellationService/CancelTask"
STATES = "countermand_task_changes_total"
STOPPED = "countermand_cancel_duration_seconds_count"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    flags = ("--metrics-listen", "127.0.0.1:0", "--max-failed-logins", "1000")
    knobs = drawn_values_but("telemetry.store_interval") | {"telemetry.store_interval": 0.2}
    async with started(tmp_path_factory.mktemp("metrics"), *flags, knobs=knobs) as server:
        yield server
        assert await server.stop() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def caller(server: Server) -> AsyncIterator[Caller]:
    async with first_caller(server) as admin, new_caller(server, admin) as caller:
        yield caller


async def test_a_hundred_cancels_are_a_hundred(server: Server, caller: Caller):
    group = await caller.create_group(100)
    before = await scrape(server)
    await asyncio.gather(*(caller.cancel(task.task_id) for task in group.tasks))
    after = await scrape(server)
    grown = {
        name: value
        for name, value in after.grown(before).items()
        if re.search(r"_(total|count)\b", name) and not re.search(r"process_|commit", name)
    }
    assert grown == {
        f"{CALLS}{{rpc_method={CANCEL},rpc_status_code=OK,rpc_system_name=grpc}}": 100,
        "countermand_cancellations_total{target=TASK}": 100,
        f"{STATES}{{state=CANCELLED}}": 100,
        f"{STOPPED}{{proof=NEVER_STARTED}}": 100,
    }
    name = "countermand_commit_commands_sum"
    assert after[name] - before[name] >= 100


async def test_a_story_is_counted_to_the_unit(server: Server, caller: Caller):
    """Each way in which a cancel, a task and a watch can go, once."""
    before = await scrape(server)
    request_id = new_id()
    acknowledged, forced, lost, done, failed = [await caller.running() for _ in range(5)]
    for _ in range(2):
        await caller.cancel(acknowledged.task_id, 600, request_id=request_id)
    await caller.cancel(acknowledged.task_id, 500)  # joins, and brings the deadline nearer
    await caller.finish(acknowledged, "CANCELLED")
    await caller.finish(done)
    await caller.begin_charge(failed)
    await caller.finish(failed, "FAILED")
    await refused(caller.cancel(done.task_id), "TASK_ALREADY_COMPLETED")
    await caller.cancel(forced.task_id, 0)
    await everything(caller.watch(forced.task_id))
    short = await caller.running("agent-short", lease=1)
    await caller.cancel(short.task_id, 600)
    await everything(caller.watch(short.task_id))
    early = new_id()
    await caller.cancel(early, allow_missing=True)
    await caller.create(task_id=early)
    sale = await caller.new_checkout(2, running=1)
    await caller.cancel_checkout(sale.made.checkout_id)
    await caller.settle(failed.task_id)
    await caller.cancel(lost.task_id, 600, validate_only=True)
    after = await scrape(server)
    grown = after.grown(before)

    def of(name: str) -> dict[str, float]:
        return {
            re.search(r"=([A-Za-z_]+)\}", series)[1]: value
            for series, value in grown.items()
            if series.startswith(name)
        }

    assert of(STATES) == {
        "PENDING": 9,
        "RUNNING": 7,
        "CANCELLING": 4,
        "CANCELLED": 5,
        "COMPLETED": 1,
        "FAILED": 1,
    }
    assert of(STOPPED) == {"ACKNOWLEDGED": 1, "FORCED": 1, "AGENT_LOST": 1, "NEVER_STARTED": 2}
    assert of("countermand_cancellations_total") == {"TASK": 4, "CHECKOUT": 1}
    assert of("countermand_cancel_repeats_total") == {"joined": 1, "replayed": 1}
    assert of("countermand_refusals_total") == {"TASK_ALREADY_COMPLETED": 1}
    assert of("countermand_watches_ended_total") == {"OK": 2}
    assert grown["countermand_watches_opened_total"] == 2
    took = after.of("countermand_cancel_duration_seconds_sum", proof="AGENT_LOST")
    assert took - before.of("countermand_cancel_duration_seconds_sum", proof="AGENT_LOST") > 0.5


async def test_strangers_make_no_new_series(server: Server, caller: Caller):
    before = await scrape(server)
    async with grpc.aio.insecure_channel(server.address) as channel:
        calls = []
        for rpc in RPCS.values():
            calls += [rpc.call(channel, b"", secrets.token_hex(8)) for _ in range(2)]
            calls.append(rpc.call(channel, b""))
        unknown = [
            channel.unary_unary(f"/countermand.v1.TaskService/{secrets.token_hex(4)}")(b"")
            for _ in range(20)
        ]
        answers = await asyncio.gather(*calls, *unknown, return_exceptions=True)
    assert {type(answer) for answer in answers} == {grpc.aio.AioRpcError}
    after = await scrape(server)
    assert after.values.keys() == before.values.keys()
    unary = sum(not rpc.stream for rpc in RPCS.values())
    others = [after.of(CALLS, rpc_method="_OTHER") - before.of(CALLS, rpc_method="_OTHER")]
    assert others == [3 * unary + 20]
    reasons = ("API_KEY_MISSING", "API_KEY_INVALID", "RATE_LIMITED")
    counted = sum(
        scraped.of("countermand_refusals_total", reason=reason) * sign
        for scraped, sign in ((after, 1), (before, -1))
        for reason in reasons
    )
    assert counted == 3 * len(RPCS)


async def test_agents_and_tenants_make_no_new_series(server: Server, caller: Caller):
    """As many as are needed to see it: nothing that a caller names is a label."""
    await caller.heartbeat("agent-0")
    await caller.create(merchant="merchant-0", labels={"a": "b"})
    before = await scrape(server)
    for first in range(0, 500, 50):
        await asyncio.gather(*(caller.heartbeat(f"agent-{first + n}") for n in range(50)))
    await asyncio.gather(*(caller.create(merchant=f"merchant-{n}") for n in range(50)))
    after = await scrape(server)
    assert after.values.keys() == before.values.keys()


async def test_no_tenant_key_or_id_is_a_label(server: Server, caller: Caller):
    held = await caller.running("agent-named")
    await caller.cancel(held.task_id, 600)
    await refused(caller.get(ID), "TASK_NOT_FOUND")
    _, body = await ask(await metrics_address(server))
    for word in (caller.tenant, caller.key_id, held.task_id, "agent-named", "127.0.0.1"):
        assert word.encode() not in body
    labels = {label for _, given in parsed(body.decode()).values for label, _ in given}
    assert labels == {
        *("rpc_system_name", "rpc_method", "rpc_status_code", "error_type", "le"),
        *("reason", "target", "kind", "state", "proof", "cause", "outcome", "version", "store"),
    }


async def test_a_sampled_call_is_the_exemplar_of_its_bucket(server: Server, caller: Caller):
    """Only somebody who sends spans samples, so this server has none; both formats agree."""
    address = await metrics_address(server)
    head = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {OPENMETRICS}\r\n\r\n".encode()
    top, body = await ask(address, head)
    assert f"Content-Type: {OPENMETRICS}" in top
    assert body.endswith(b"# EOF\n")
    assert b"trace_id" not in body
    top, plain = await ask(address)
    assert "Content-Type: text/plain; version=0.0.4" in top
    again = parsed(plain.decode()).values.keys()
    assert parsed(body.decode(), of_openmetrics=True).values.keys() == again


async def test_open_watches_are_a_gauge(server: Server, caller: Caller):
    before = await scrape(server)
    watches = [caller.watch_many() for _ in range(3)]
    for watch in watches:
        await watch.read()
    assert (await scrape(server))["countermand_watches_open"] == 3
    for watch in watches:
        watch.cancel()
    async with asyncio.timeout(20):
        while (after := await scrape(server))["countermand_watches_open"]:
            pass
    name = "countermand_watches_ended_total"
    ended = after.of(name, rpc_status_code="CANCELLED")
    assert ended - before.of(name, rpc_status_code="CANCELLED") == 3


@on_sqlite_alone("the sizes of its files")
async def test_how_the_store_stands_is_read_now_and_then(server: Server, caller: Caller):
    await caller.heartbeat("agent-live", lease=600)
    async with asyncio.timeout(20):
        while not (found := await scrape(server))["countermand_agents_live"]:
            pass
    assert found["countermand_store_size_bytes"] == server.store.stat().st_size
    assert found["countermand_store_wal_size_bytes"] >= 0  # it is emptied now and then
    assert found["countermand_disk_free_bytes"] > 0
    assert found["countermand_tasks_overdue"] == 0
    assert found["countermand_reaper_lag_seconds"] < 5
    assert found.of("countermand_build_info", version=__version__, store="sqlite") == 1


async def test_what_is_not_known_of_a_database_elsewhere_is_no_metric(
    tmp_path: Path, database: str
):
    """A number would say that its disk is full, and raise an alarm."""
    metrics, name = Metrics(), "countermand_store_size_bytes"
    store = open_store(database, PRODUCTION.store)
    async with running(store, PRODUCTION) as (app, _):
        reading = asyncio.create_task(read_store(metrics, store, app.clock, PRODUCTION.telemetry))
        await until(lambda: bool(metrics.registry.get_sample_value(name)))
        reading.cancel()
    for gone in ("countermand_disk_free_bytes", "countermand_store_wal_size_bytes"):
        assert metrics.registry.get_sample_value(gone) is None


async def test_a_taken_port_is_one_clear_line(tmp_path: Path, server: Server):
    host, port = await metrics_address(server)
    taken = f"{host}:{port}"
    status, out, err = await run_to_the_end(
        tmp_path / "x.db", "--listen", "127.0.0.1:0", "--metrics-listen", taken
    )
    assert (status, out) == (1, "")
    (line,) = [line for line in err.splitlines() if not line.startswith("{")]
    assert line == f"countermand: cannot listen on {taken} for metrics: another program has {taken}"


async def test_without_the_flag_there_is_no_port(tmp_path: Path):
    async with started(tmp_path) as server:
        assert not any("metrics" in line for line in server.log)


@pytest.mark.skipif(shutil.which("promtool") is None, reason=missing_promtool)
async def test_ordinary_traffic_causes_no_alert(server: Server, caller: Caller, tmp_path: Path):
    """As if what is done here went on for twenty minutes."""
    before = await scrape(server)
    watch = caller.watch_many()
    group = await caller.create_group(30)
    for task in group.tasks[:10]:
        await caller.start(task.task_id, lease=600)
    held = [await caller.running(lease=600) for _ in range(5)]
    await caller.cancel_group(group.group.group_id, 600)
    for one in held:
        await caller.cancel(one.task_id, 600)
        await caller.finish(one, "CANCELLED")
    await refused(caller.get(ID), "TASK_NOT_FOUND")
    watch.cancel()
    after = await scrape(server)
    series = {'up{job="countermand"}': "1x30"}
    for (name, labels), value in after.values.items():
        named = ",".join(f'{key}="{text}"' for key, text in sorted(labels))
        grown = value - before.values.get((name, labels), 0) if is_counter(name) else 0
        series[f'{name}{{job="countermand",{named}}}'] = f"{value:f}+{grown:f}x30"
    assert fired(tmp_path, series) == {}


def is_counter(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))
