"""A history of a million cancellations is still listed and summarized at once.

The short round has 20,000 of them; the full one, with COUNTERMAND_CHAOS=full, has all.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import Caller, first_caller
from tests.support.server import Server

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
COUNT = 1_000_000 if FULL else 20_000
# The short round shares its cores with other tests, so there the bounds only catch a scan.
PAGE_SECONDS, SUMMARY_SECONDS = (0.1, 1.0) if FULL else (0.5, 1.0)
STEP = 2_000_000
"""Microseconds between two accepts: a million make 23 days."""
FIRST = 1_700_000_000_000_000
"""A day in November 2023."""
COMMON, RARE = "customer_requested", "compliance"
REASONS = (COMMON, "cart_changed", "fraud", "timeout", "superseded", "duplicate_order")
STATES = ("SUCCEEDED", "PARTIAL", "TOO_LATE")
PROOFS = ("NEVER_STARTED", "ACKNOWLEDGED", "FORCED", "AGENT_LOST")


class Row(NamedTuple):
    """What a test has to know of one cancellation."""

    id: bytes
    time: int
    reason: str
    state: str
    proof: str


def uuid_at(microseconds: int, number: int) -> bytes:
    """Returns a UUIDv7 of that time."""
    rest = (0x7 << 76) | (0b10 << 62) | number
    return ((microseconds // 1000) << 80 | rest).to_bytes(16, "big")


def history() -> Iterator[Row]:
    chosen = random.Random(7)
    for number in range(COUNT):
        moment = FIRST + number * STEP
        rare = number in (10, COUNT // 2, COUNT - 10)
        yield Row(
            uuid_at(moment, number),
            moment,
            RARE if rare else chosen.choices(REASONS, (60, 20, 10, 5, 4, 1))[0],
            "PARTIAL" if number == COUNT - 20 else chosen.choices(STATES, (90, 0, 10))[0],
            chosen.choices(PROOFS, (50, 40, 5, 5))[0],
        )


def fill(path: Path) -> list[Row]:
    """Writes the history into the file of a store that no server has open."""
    rows = list(history())
    with closing(sqlite3.connect(path)) as db:
        (namespace,) = db.execute("SELECT min(namespace_no) FROM namespaces").fetchone()
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO cancellations (namespace_no, cancellation_id, target_kind, target_id,"
            " reason, message, requested_by, certificate_name, on_behalf_of, request_id,"
            " create_time, trace_id, span_id, sampled, accept_seq, state, deadline_time, end_time,"
            " live_count, never_started_count, acknowledged_count, forced_count, agent_lost_count,"
            " completed_count) VALUES (?, ?, 'TASK', ?, ?, ?, 'key', '', '', NULL, ?, ?, ?, 0, 0,"
            " ?, NULL, ?, 0, ?, ?, ?, ?, 0)",
            (
                (
                    namespace,
                    row.id,
                    row.id,
                    row.reason,
                    "The buyer changed their mind",
                    row.time,
                    row.id,
                    row.id[:8],
                    row.state,
                    row.time + 1000,
                    *(int(row.proof == proof and row.state != "TOO_LATE") for proof in PROOFS),
                )
                for row in rows
            ),
        )
        db.execute("COMMIT")
    return rows


class Filled(NamedTuple):
    caller: Caller
    rows: list[Row]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Filled]:
    folder = tmp_path_factory.mktemp("history")
    # What is measured is what is served.
    server = await Server(folder, knobs={}).start()  # makes the store and its first tenant
    await server.stop()
    rows = fill(folder / "countermand.db")
    await server.start("--retention", "36500")  # what is filled in ended years ago
    async with first_caller(server) as caller:
        yield Filled(caller, rows)
    await server.kill()


async def timed(ask: Callable[[], Awaitable[Any]], most: float, what: str) -> Any:
    """Returns the answer; the best of three times must be short enough."""
    best, answer = float("inf"), None
    for _ in range(3):
        begin = time.perf_counter()
        answer = await ask()
        best = min(best, time.perf_counter() - begin)
    print(f"{COUNT:,} cancellations, {what}: {best * 1000:.1f} ms")
    assert best < most, f"{what} took {best:.3f} s"
    return answer


def at(microseconds: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMicroseconds(microseconds)
    return moment


async def page_of(filled: Filled, what: str, **fields: Any) -> list[str]:
    request = c.ListCancellationsRequest(**fields)
    answer = await timed(
        lambda: filled.caller.cancellations.ListCancellations(request), PAGE_SECONDS, what
    )
    return [cancellation.cancellation_id.replace("-", "") for cancellation in answer.cancellations]


def newest(rows: list[Row], count: int = 50) -> list[str]:
    return [row.id.hex() for row in rows[::-1][:count]]


async def test_a_page_by_time_range(filled):
    rows = filled.rows
    first, last = len(rows) // 3, len(rows) // 2
    for what, start, end in (("a third ago", first, last), ("one moment", first, first + 1)):
        times = {"start_time": at(rows[start].time), "end_time": at(rows[end].time)}
        found = await page_of(filled, f"a page of a time range, {what}", **times)
        assert found == newest(rows[start:end])
    assert await page_of(filled, "the newest page") == newest(rows)
    assert await page_of(filled, "1000 at once", page_size=1000) == newest(rows, 1000)


async def test_a_page_by_a_common_and_by_a_rare_reason(filled):
    for reason in (COMMON, RARE, "never heard of"):
        chosen = [row for row in filled.rows if row.reason == reason]
        found = await page_of(filled, f"a page by reason {reason}", reason=reason)
        assert found == newest(chosen)
    half = filled.rows[len(filled.rows) // 2]
    found = await page_of(
        filled, "a page by rare reason and time", reason=RARE, start_time=at(half.time)
    )
    assert found == newest([row for row in filled.rows if row.reason == RARE and row >= half])


async def test_a_page_by_state(filled):
    for number, state in ((2, "SUCCEEDED"), (3, "PARTIAL"), (4, "TOO_LATE"), (1, "IN_PROGRESS")):
        found = await page_of(filled, f"a page by state {state}", state=number)
        chosen = [row for row in filled.rows if row.state == state]
        # A page looks at so many rows at most, and may be short: what it has is the newest.
        assert found == newest(chosen)[: len(found)]
        assert found or state == "IN_PROGRESS"


async def test_every_page_by_a_rare_reason_and_state_is_short(filled):
    """All pages together have all of it, and none takes long."""
    token, found = "", []
    while True:
        request = c.ListCancellationsRequest(state=3, page_token=token)
        answer = await timed(
            lambda request=request: filled.caller.cancellations.ListCancellations(request),
            PAGE_SECONDS,
            "one page of a rare state",
        )
        found += answer.cancellations
        token = answer.next_page_token
        if not token:
            break
    assert len(found) == 1


async def test_summaries_of_all_and_of_a_time_range(filled):
    rows = filled.rows
    half = rows[len(rows) // 2 :]
    for what, chosen, fields in (
        ("all", rows, {}),
        ("half", half, {"start_time": at(half[0].time)}),
    ):
        stopped = [row for row in chosen if row.state != "TOO_LATE"]
        for number, name, expected in (
            (1, "REASON", Counter(row.reason for row in chosen)),
            (2, "STATE", Counter(row.state for row in chosen)),
            (3, "PROOF", Counter(row.proof for row in stopped)),
        ):
            request = c.SummarizeCancellationsRequest(group_by=number, **fields)
            answer = await timed(
                lambda request=request: filled.caller.cancellations.SummarizeCancellations(request),
                SUMMARY_SECONDS,
                f"a summary of {what} by {name}",
            )
            assert {row.key: row.count for row in answer.rows} == expected
