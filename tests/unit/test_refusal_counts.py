"""What was refused in the last minute, for an operator who asks."""

from countermand.rpc.guard.buckets import SECOND
from countermand.rpc.guard.refusal_counts import RefusalCounts


class Clock:
    def __init__(self) -> None:
        self.now = 1000 * SECOND

    def __call__(self) -> int:
        return self.now


def test_refusals_count_by_key_and_reason_for_a_minute_most_often_first() -> None:
    clock = Clock()
    counts = RefusalCounts(10, clock)
    counts.add("key-1", "RATE_LIMITED")
    clock.now += 59 * SECOND
    for _ in range(2):
        counts.add("key-1", "SCOPE_MISSING")
    counts.add("", "API_KEY_INVALID")
    assert counts.last_minute(10) == [
        (("key-1", "SCOPE_MISSING"), 2),
        (("", "API_KEY_INVALID"), 1),
        (("key-1", "RATE_LIMITED"), 1),
    ]
    assert counts.last_minute(1) == [(("key-1", "SCOPE_MISSING"), 2)]
    clock.now += SECOND
    assert (("key-1", "RATE_LIMITED"), 1) not in counts.last_minute(10)
    clock.now += 60 * SECOND
    assert counts.last_minute(10) == []


def test_keys_that_are_too_many_are_counted_by_their_reasons_alone() -> None:
    counts = RefusalCounts(2, Clock())
    for number in range(1000):
        counts.add(f"key-{number}", "RATE_LIMITED")
    assert counts.last_minute(10) == [
        (("", "RATE_LIMITED"), 998),
        (("key-0", "RATE_LIMITED"), 1),
        (("key-1", "RATE_LIMITED"), 1),
    ]
