"""What is read from a call's metadata: nothing counts for its place, or for being sent twice."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.core.errors import Reason, Refused
from countermand.rpc.guard.credentials import Credentials

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_PARENT = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"

Metadata = Sequence[tuple[str, str]]


def key_of(metadata: Metadata | None) -> str | None:
    """Returns the key, or the reason for which the call is refused."""
    try:
        return Credentials(metadata).key()
    except Refused as refusal:
        return refusal.reason


INVALID = Reason.API_KEY_INVALID
CASES: list[tuple[Metadata, str | None]] = [
    ([], None),
    ([("x-api-key", "K")], "K"),
    ([("x-api-key", "K"), ("x-api-key", "K")], "K"),
    ([("x-api-key", "K"), ("x-api-key", "L")], INVALID),
    ([("x-api-key", "K"), ("x-api-key", "L"), ("x-api-key", "K")], INVALID),
    # Joined on the way, which is the same to gRPC.
    ([("x-api-key", "K,K")], "K"),
    ([("x-api-key", "K, \tK ")], "K"),
    ([("x-api-key", "K,L")], INVALID),
    ([("x-api-key", "K"), ("x-api-key", "K,L")], INVALID),
    # A key is compared as it is; what is blank is no second word for it.
    ([("x-api-key", " K ")], "K"),
    ([("x-api-key", "K"), ("x-api-key", "k")], INVALID),
    ([("x-api-key", "K"), ("x-api-key", "")], INVALID),
    ([("x-api-key", "K,")], INVALID),
    ([("x-api-key", "")], ""),
    ([("x-api-key", ""), ("x-api-key", " ")], ""),
    # A mesh may add its own authorization.
    ([("x-api-key", "K"), ("authorization", "Bearer L")], "K"),
    ([("x-api-key", "K"), ("authorization", "Bearer K")], "K"),
    ([("x-api-key", "K"), ("authorization", "Bearer L"), ("authorization", "Bearer M")], "K"),
    ([("x-api-key", ""), ("authorization", "Bearer L")], ""),
    ([("x-api-key", "K"), ("x-api-key", "L"), ("authorization", "Bearer K")], INVALID),
    # Without a key the bearer is one.
    ([("authorization", "Bearer K")], "K"),
    ([("authorization", "bEARER   K")], "K"),
    ([("authorization", "Bearer K"), ("authorization", "bearer K")], "K"),
    ([("authorization", "Bearer K"), ("authorization", "Bearer L")], INVALID),
    ([("authorization", "Bearer K, Bearer L")], INVALID),
    ([("authorization", "Basic dTpw"), ("authorization", "Bearer K")], "K"),
    ([("authorization", "Basic dTpw, Bearer K")], "K"),
    ([("authorization", "Basic dTpw"), ("authorization", "Basic eDp5")], None),
    ([("authorization", 'Digest username="u", realm="r"')], None),
    ([("authorization", "Bearer ")], None),
    ([("authorization", "K")], None),
    # What only looks like it.
    ([("x-api-key-bin", "K")], None),
    ([("api-key", "K"), ("x-apikey", "K"), ("proxy-authorization", "Bearer K")], None),
]


@pytest.mark.parametrize(("metadata", "key"), CASES)
def test_the_key_of_a_call(metadata: Metadata, key: str | None) -> None:
    assert (key_of(metadata) or None) == (key or None)


def test_a_call_without_metadata_has_neither_a_key_nor_a_trace() -> None:
    assert key_of(None) is None
    assert Credentials(None).traceparent() is None


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([], None),
        ([PARENT], PARENT),
        ([PARENT, PARENT], PARENT),
        ([f"{PARENT},{PARENT}"], PARENT),
        ([PARENT, OTHER_PARENT], None),
        ([f"{PARENT}, {OTHER_PARENT}"], None),
        ([PARENT, ""], None),
    ],
)
def test_different_traceparents_begin_a_trace_of_the_call_s_own(
    sent: list[str], read: str | None
) -> None:
    assert Credentials([("traceparent", one) for one in sent]).traceparent() == read


NAMES = st.sampled_from(["x-api-key", "authorization", "traceparent", "user-agent"])
VALUES = st.sampled_from(
    ["", "K", "L", "Bearer K", "bearer L", "Basic K", "K,L", " K", "Bearer K,"]
)
ENTRIES = st.lists(st.tuples(NAMES, VALUES), max_size=4)


@settings(deadline=None)
@given(ENTRIES)
def test_the_order_of_the_metadata_decides_nothing(metadata: Metadata) -> None:
    found = {(key_of(order), Credentials(order).traceparent()) for order in permutations(metadata)}
    assert len(found) == 1


@settings(deadline=None)
@given(ENTRIES)
def test_what_is_sent_again_decides_nothing(metadata: Metadata) -> None:
    once, twice = Credentials(metadata), Credentials([*metadata, *metadata])
    assert key_of(metadata) == key_of([*metadata, *metadata])
    assert once.traceparent() == twice.traceparent()
