"""Token buckets, with the clock passed in: who is throttled, how long, and what is kept of it."""

import asyncio
import time

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from countermand.core.errors import Reason, Refused, unavailable
from countermand.core.keys import KeyLimits
from countermand.core.knobs import CallsKnobs
from countermand.engine.keyring import Principal
from countermand.rpc.guard.buckets import SECOND, Buckets
from countermand.rpc.guard.limits import MILLISECOND, CallLimits, Kind
from countermand.rpc.guard.line_limit import LineLimit
from countermand.rpc.method import Stream, Unary
from countermand.rpc.status import render
from tests.support.raw import RPCS

KNOBS = CallsKnobs()
FREE_REFUSALS, MAX_HOLD = KNOBS.free_refusals_per_second, KNOBS.max_hold
WRONG = Refused(Reason.API_KEY_INVALID, "the API key is not valid")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key(key_id: str = "key-1", counted_as: str | None = None, **limits: int) -> Principal:
    return Principal(key_id, 1, frozenset(), KeyLimits(**limits), counted_as=counted_as or key_id)


@pytest.mark.parametrize("per_second", [1, 2, 3, 7, 1000, 1_000_000])
def test_a_bucket_gives_at_once_what_a_second_allows_and_then_evenly(clock, per_second):
    buckets = Buckets(clock=clock)
    assert [buckets.take("a", per_second) for _ in range(per_second)] == [0] * per_second
    interval = SECOND // per_second
    for _ in range(3):
        wait = buckets.take("a", per_second)
        assert 0 < wait <= interval
        assert buckets.take("a", per_second) == wait  # a refusal takes nothing
        clock.now += wait - 1
        assert buckets.take("a", per_second) == 1
        clock.now += 1
        assert buckets.take("a", per_second) == 0


def test_a_bucket_never_holds_more_than_a_second_allows(clock):
    buckets = Buckets(clock=clock)
    clock.now += 3600 * SECOND
    assert [buckets.take("a", 2) for _ in range(3)] == [0, 0, SECOND // 2]


def test_over_a_long_time_a_bucket_gives_what_its_limit_says(clock):
    buckets = Buckets(clock=clock)
    given = 0
    for _ in range(60_000):
        given += not buckets.take("a", 100)
        clock.now += MILLISECOND
    assert given == 60 * 100 + 99


def test_names_do_not_share(clock):
    buckets = Buckets(clock=clock)
    assert [buckets.take(name, 1) for name in "aabb"] == [0, SECOND, 0, SECOND]


def test_a_full_bucket_is_forgotten(clock):
    buckets = Buckets(clock=clock)
    for number in range(1000):
        buckets.take(number, 1)
    assert len(buckets) == 1000
    clock.now += SECOND
    buckets.take("last", 1)
    assert len(buckets) == 1


def test_names_above_the_most_share_one_bucket(clock):
    buckets = Buckets(max_names=2, clock=clock)
    assert [buckets.take(name, 2) for name in "abcde"] == [0, 0, 0, 0, SECOND // 2]
    assert buckets.take("a", 2) == 0  # those that were there first keep their own
    assert len(buckets) == 3


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        (Kind.WRITE, "writes_per_second"),
        (Kind.READ, "reads_per_second"),
        (Kind.WATCH, "watches_per_second"),
    ],
)
def test_each_kind_has_its_own_limit(clock, kind, limit):
    limits = CallLimits(1, KNOBS, clock)
    limited = key(**{limit: 1})
    limits.admit(limited, kind)
    for other in set(Kind) - {kind}:
        for _ in range(10):
            limits.admit(limited, other)
    with pytest.raises(Refused) as caught:
        limits.admit(limited, kind)
    assert caught.value.reason is Reason.RATE_LIMITED
    assert caught.value.metadata == {"key_id": "key-1", "limit": limit, "per_second": "1"}
    limits.admit(key("key-2", **{limit: 1}), kind)


@pytest.mark.parametrize(
    ("size", "tasks", "calls"),
    [(0, 0, 0), (128 * 1024 - 1, 49, 0), (128 * 1024, 0, 1), (0, 50, 1), (3 * 2**20, 10_000, 224)],
)
def test_what_a_call_moves_and_makes_delays_the_calls_after_it(clock, size, tasks, calls):
    limits, limited = CallLimits(1, KNOBS, clock), key(writes_per_second=2)
    limits.admit(limited, Kind.WRITE)
    limits.weigh(limited, Kind.WRITE, size, tasks)
    clock.now += calls * SECOND // 2
    limits.admit(limited, Kind.WRITE)
    with pytest.raises(Refused) as caught:
        limits.admit(limited, Kind.WRITE)
    assert caught.value.retry_after == 0.5
    limits.admit(key(reads_per_second=2), Kind.READ)


def test_what_a_call_weighs_delays_others_for_5_minutes_at_most_and_only_where_there_is_a_limit(
    clock,
):
    limits, limited, free = CallLimits(1, KNOBS, clock), key(writes_per_second=1), key("key-2")
    for one in (limited, free):
        limits.admit(one, Kind.WRITE)
        limits.weigh(one, Kind.WRITE, 2**40)
    limits.admit(free, Kind.WRITE)
    clock.now += 300 * SECOND - 1
    with pytest.raises(Refused):
        limits.admit(limited, Kind.WRITE)
    clock.now += 1 + SECOND
    limits.admit(limited, Kind.WRITE)


@pytest.mark.parametrize("kind", Kind)
def test_keys_that_came_of_one_by_rotations_have_its_limit_together(clock, kind):
    limits = CallLimits(1, KNOBS, clock)
    family = [key(f"key-{number}", "key-1", **{kind: 2}) for number in range(1, 4)]
    limits.admit(family[0], kind)
    limits.admit(family[1], kind)
    for one in family:
        with pytest.raises(Refused) as caught:
            limits.admit(one, kind)
        assert caught.value.metadata["key_id"] == one.key_id
    limits.admit(key("key-4", **{kind: 2}), kind)


@pytest.mark.parametrize(
    ("passed", "milliseconds"), [(0, 334), (1, 334), (MILLISECOND, 333), (333_333_332, 1)]
)
def test_the_delay_is_exact_in_whole_milliseconds_and_never_too_short(clock, passed, milliseconds):
    limits = CallLimits(1, KNOBS, clock)
    limited = key(writes_per_second=3)
    for _ in range(3):
        limits.admit(limited, Kind.WRITE)
    clock.now += passed
    with pytest.raises(Refused) as caught:
        limits.admit(limited, Kind.WRITE)
    assert caught.value.retry_after == milliseconds / 1000
    trailers = dict(render(caught.value).trailers)
    assert trailers["grpc-retry-pushback-ms"] == str(milliseconds)
    clock.now += milliseconds * MILLISECOND
    limits.admit(limited, Kind.WRITE)


def test_details_and_trailer_say_the_same_of_every_delay():
    for milliseconds in range(1, 1001):
        refusal = Refused(Reason.RATE_LIMITED, "m", retry_after=milliseconds / 1000)
        trailers = dict(render(refusal).trailers)
        assert trailers["grpc-retry-pushback-ms"] == str(milliseconds)
        said = RetryInfo()
        assert Status.FromString(trailers["grpc-status-details-bin"]).details[1].Unpack(said)
        assert said.retry_delay.ToMilliseconds() == milliseconds


async def held(limits: CallLimits, limited: Principal, left: float | None = None) -> float:
    """Has a call refused, and returns for how long the refusal was held back."""
    begin = time.monotonic()
    try:
        while True:
            limits.admit(limited, Kind.WRITE)
    except Refused as refusal:
        await limits.hold_back(refusal, left)
    return time.monotonic() - begin


@pytest.mark.parametrize(("per_second", "at_once"), [(1, FREE_REFUSALS), (100, 100)])
async def test_only_who_is_refused_more_often_than_it_may_call_waits_for_refusals(
    clock, per_second, at_once
):
    limits = CallLimits(1, KNOBS, clock)
    limited = key(writes_per_second=per_second)
    assert [await held(limits, limited) < MAX_HOLD / 2 for _ in range(at_once)] == [True] * at_once
    assert MAX_HOLD / 2 <= await held(limits, limited) < 2 * MAX_HOLD
    assert await held(limits, key("key-2", writes_per_second=per_second)) < MAX_HOLD / 2
    clock.now += SECOND
    assert await held(limits, limited) < MAX_HOLD / 2


async def test_refusals_of_keys_that_came_of_one_are_counted_together(clock):
    limits = CallLimits(1, KNOBS, clock)
    family = [key(f"key-{number}", "key-1", writes_per_second=1) for number in range(2)]
    for number in range(FREE_REFUSALS):
        assert await held(limits, family[number % 2]) < MAX_HOLD / 2
    assert await held(limits, family[0]) >= MAX_HOLD / 2
    assert await held(limits, family[1]) >= MAX_HOLD / 2


async def test_a_refusal_is_held_back_for_half_of_what_is_left_of_the_deadline(clock):
    limits = CallLimits(1, KNOBS, clock)
    limited = key(writes_per_second=1)
    for _ in range(FREE_REFUSALS):
        await held(limits, limited)
    assert 0.025 <= await held(limits, limited, left=0.1) < MAX_HOLD / 2
    assert MAX_HOLD / 2 <= await held(limits, limited, left=60.0) < 60 / 4


async def test_more_than_so_many_refusals_are_not_held_back_at_one_time(clock):
    limits = CallLimits(1, KNOBS, clock)
    limited = key(writes_per_second=1)
    for _ in range(FREE_REFUSALS):
        await held(limits, limited)
    waiting = [asyncio.create_task(held(limits, limited)) for _ in range(KNOBS.max_held)]
    await asyncio.sleep(0)
    assert await held(limits, limited) < MAX_HOLD / 2
    assert min(await asyncio.gather(*waiting)) >= MAX_HOLD / 2
    assert await held(limits, limited) >= MAX_HOLD / 2


async def test_a_failed_login_is_held_back_only_if_there_are_too_many_and_never_more_than_so_many(
    clock,
):
    limits = CallLimits(5, KNOBS, clock)

    async def login() -> float:
        begin = time.monotonic()
        await limits.hold_back(limits.failed_login("192.0.2.1", WRONG), None)
        return time.monotonic() - begin

    assert max([await login() for _ in range(5)]) < MAX_HOLD / 2
    waiting = [asyncio.create_task(login()) for _ in range(KNOBS.max_held_strangers)]
    await asyncio.sleep(0)
    assert await login() < MAX_HOLD / 2
    assert min(await asyncio.gather(*waiting)) >= MAX_HOLD / 2


def test_a_key_without_limits_is_never_put_off(clock):
    limits = CallLimits(1, KNOBS, clock)
    for _ in range(10_000):
        limits.admit(key(), Kind.WRITE)


def test_failed_logins_of_one_address_are_put_off_and_those_of_others_are_not(clock):
    limits = CallLimits(3, KNOBS, clock)
    answers = [limits.failed_login("192.0.2.1", WRONG) for _ in range(5)]
    assert answers[:3] == [WRONG] * 3
    assert {answer.reason for answer in answers[3:]} == {Reason.RATE_LIMITED}
    assert all(answer.retry_after == 0.334 for answer in answers[3:])
    assert limits.failed_login("192.0.2.2", WRONG) is WRONG
    clock.now += 334 * MILLISECOND
    assert limits.failed_login("192.0.2.1", WRONG) is WRONG


def test_calls_that_come_while_no_key_can_be_looked_up_are_no_failed_logins(clock):
    limits, away = CallLimits(3, KNOBS, clock), unavailable()
    assert [limits.failed_login("192.0.2.1", away) for _ in range(5)] == [away] * 5
    assert limits.failed_login("192.0.2.1", WRONG) is WRONG


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("/tmp/socket", "/tmp/socket", True),
        ("/tmp/socket", "", False),
    ],
)
def test_one_caller_s_many_addresses_are_one(clock, one, other, alike):
    limits = CallLimits(1, KNOBS, clock)
    limits.failed_login(one, WRONG)
    assert (limits.failed_login(other, WRONG) is not WRONG) == alike


def test_addresses_without_number_leave_bounded_memory(clock):
    limits = CallLimits(1, KNOBS, clock)
    for number in range(3 * KNOBS.max_addresses):
        limits.failed_login(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", WRONG)
    assert len(limits._addresses) <= KNOBS.max_addresses + 1


def test_the_log_takes_so_many_lines_and_counts_what_it_leaves_out(clock):
    lines = LineLimit(3, 1, clock)
    assert [lines.take() for _ in range(3 + 7)] == [0] * 3 + [None] * 7
    clock.now += SECOND
    assert lines.take() == 7
    assert lines.take() == 0


def test_every_method_is_counted_as_what_it_does():
    """Whatever changes something, or is a repeat of it, is a write: a lease that is renewed too."""

    async def nothing(*_):
        raise NotImplementedError

    kinds = {}
    for rpc in RPCS.values():
        form = Stream if rpc.stream else Unary
        kinds[rpc.name] = form(rpc.path[1:], type(rpc.request), rpc.scopes, nothing).kind
    reads = {"GetTask", "GetGroup", "GetCheckout", "GetCart", "GetOrder", "GetCancellation"}
    reads |= {"ListTasks", "ListCheckouts", "ListCarts", "ListOrders", "ListCancellations"}
    reads |= {"ListKeys", "SummarizeCancellations", "Operator.ListTasks"}
    reads |= {"GetWebhook", "ListWebhooks", "ListDeliveries"}
    reads |= {f"Operator.{name}" for name in ("GetServerStatus", "ListAgents", "ListOpenWatches")}
    assert {name for name, kind in kinds.items() if kind is Kind.READ} == reads
    watches = {name for name, kind in kinds.items() if kind is Kind.WATCH}
    assert watches == {
        *("WatchTask", "WatchTasks", "WatchCheckout", "WatchOrder", "Operator.WatchTasks")
    }
