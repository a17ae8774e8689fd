"""Ids: the UUIDs that we make, and the forms that we accept."""

import threading
from uuid import UUID

import pytest

from countermand.core.caller import Caller
from countermand.core.errors import Refused
from countermand.core.ids import UuidMaker, is_name, parse_uuid, uuid_at
from tests.support.ask import TRACE, cancel, cancel_group, completed, create, start
from tests.support.world import World

NOW = 1_700_000_000_123_456


def test_a_uuid_of_ours_has_version_7_its_variant_and_its_time() -> None:
    for text in (UuidMaker()(NOW) for _ in range(200)):
        made = UUID(text)
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert made.int >> 80 == NOW // 1000
        assert text == str(made)


@pytest.mark.parametrize("step", [0, 1, 1000, -5_000_000], ids=["same", "us", "ms", "back"])
def test_ids_grow_also_within_a_millisecond_and_when_the_clock_steps_back(step: int) -> None:
    make, now, ids = UuidMaker(), NOW, []
    for _ in range(2000):
        ids.append(make(now))
        now += step
    assert ids == sorted(set(ids))


def test_ids_grow_when_the_random_bits_of_a_millisecond_are_used_up() -> None:
    make = UuidMaker()
    first = make(NOW)
    make._tail = (1 << 74) - 1
    second, third = make(NOW), make(NOW)
    assert first < second < third
    assert UUID(second).version == UUID(third).version == 7
    assert UUID(second).int >> 80 == NOW // 1000 + 1


def test_ids_differ_when_threads_make_them_at_once() -> None:
    make, made = UuidMaker(), [[] for _ in range(4)]

    def work(mine: list[str]) -> None:
        mine.extend(make(NOW) for _ in range(5000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for mine in made for id in mine}) == 20_000


def test_the_smallest_id_of_a_time_is_below_all_of_it_and_above_all_before_it() -> None:
    make = UuidMaker()
    before, at = make(NOW - 1000), make(NOW)
    assert before < uuid_at(NOW) <= at
    assert uuid_at(-5) == "00000000-0000-0000-0000-000000000000"
    assert uuid_at(1 << 80) == "ffffffff-ffff-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("00000000-0000-0000-0000-000000000000", None),
        ("", None),
        ("01890a5dac96774bbcceb302099a8057", None),
        ("{01890a5d-ac96-774b-bcce-b302099a8057}", None),
        ("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057", None),
        ("01890a5d-ac96-774b-bcce-b302099a805", None),
        ("01890a5d-ac96-774b-bcce-b302099a80577", None),
        ("01890a5d-ac96-774b-bcce-b302099a8057\n", None),
        (" 01890a5d-ac96-774b-bcce-b302099a8057", None),
        ("01890a5d-ac96-774b-bcceb-302099a8057", None),
        ("01890a5g-ac96-774b-bcce-b302099a8057", None),
        ("٠١٨٩0a5d-ac96-774b-bcce-b302099a8057", None),
    ],
)
def test_a_uuid_is_36_characters_of_any_version_but_nil_in_any_case(
    text: str, parsed: str | None
) -> None:
    assert parse_uuid(text) == parsed


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("checkout_abc123", True),
        ("633130-00000004", True),
        ("a.b:c-D_9", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("a b", False),
        ("é", False),
        ("a/b", False),
        ("a\n", False),
    ],
)
def test_a_name_is_1_to_128_of_a_few_characters(text: str, good: bool) -> None:
    assert is_name(text) is good


def test_equal_requests_have_equal_fingerprints_and_others_do_not() -> None:
    requests = [
        cancel(),
        cancel(reason="a"),
        cancel(reason="", message="a"),
        cancel(grace=1),
        cancel(expected_version=0),
        cancel(on_behalf_of="a"),
        cancel_group(cancel().target_id),
    ]
    assert len({request.fingerprint() for request in requests}) == len(requests)
    again = cancel(caller=Caller("x", TRACE), request_id=cancel().target_id, validate_only=True)
    assert again.fingerprint() == cancel().fingerprint()


@pytest.mark.parametrize(
    ("now", "text"),
    [(NOW, "2023-11-14T22:13:20.123456Z"), (0, "1970-01-01T00:00:00.000000Z")],
)
def test_a_time_is_told_in_utc_to_the_microsecond(world: World, now: int, text: str) -> None:
    world.now = now
    *_, refusal = world.run(create(), start(), completed(), cancel())
    assert refusal.metadata["end_time"] == text


def test_a_refusal_keeps_no_rows_alive(world: World) -> None:
    (refusal,) = world.run(cancel())
    assert isinstance(refusal, Refused)
    assert refusal.__traceback__ is None
