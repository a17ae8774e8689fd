"""The pages that watchers hold: bounded together, the oldest are taken back first."""

from countermand.core.knobs import PagesKnobs
from countermand.core.log import Event
from countermand.engine.hub import ENTRY_BYTES
from countermand.engine.pages import Pages
from tests.support.ask import NS, create, uid
from tests.support.world import World


def _events(count: int) -> list[Event]:
    world = World()
    world.do_all(*[create(uid(number)) for number in range(1, count + 1)])
    return world.events


def _seqs(page) -> list[int]:
    return [event.seq for event in page]


def test_a_page_gives_what_was_found_in_order_and_keeps_nothing_of_it() -> None:
    found = _events(3)
    with Pages(PagesKnobs()).hold(found) as page:
        assert (len(page), next(iter(page)).seq) == (3, 1)
        assert len(page) == len(found) == 2
        assert _seqs(page) == [2, 3]
        assert (found, page.taken_back) == ([], False)


def test_the_oldest_page_is_taken_back_when_all_are_too_large() -> None:
    pages = Pages(PagesKnobs(max_bytes=4 * ENTRY_BYTES))
    with pages.hold(_events(2)) as first, pages.hold(_events(2)) as second:
        assert next(iter(first)).seq == 1
        assert not first.taken_back
        with pages.hold(_events(1)) as third:
            assert [first.taken_back, second.taken_back, third.taken_back] == [True, False, False]
            assert [_seqs(page) for page in (first, second, third)] == [[], [1, 2], [1]]


def test_a_page_that_was_told_whole_need_not_be_read_again() -> None:
    pages = Pages(PagesKnobs(max_bytes=ENTRY_BYTES))
    with pages.hold(_events(1)) as first:
        assert _seqs(first) == [1]
        with pages.hold(_events(1)) as second:
            assert not first.taken_back
            assert _seqs(second) == [1]


def test_the_newest_page_is_kept_however_large_it_is() -> None:
    pages = Pages(PagesKnobs(max_bytes=1))
    with pages.hold(_events(5)) as first, pages.hold(_events(3)) as second:
        assert first.taken_back
        assert _seqs(second) == [1, 2, 3]


def test_a_page_that_is_left_makes_room() -> None:
    pages = Pages(PagesKnobs(max_bytes=2 * ENTRY_BYTES))
    with pages.hold(_events(1)) as kept:
        for _ in range(5):
            with pages.hold(_events(1)) as left:
                next(iter(left))
        assert not kept.taken_back
        assert _seqs(kept) == [1]


def test_labels_count_for_what_they_take() -> None:
    world = World()
    world.do(create(uid(1), labels={f"{n:0128}": "x" * 128 for n in range(16)}))
    (task,) = world.tasks.values()
    assert task.namespace == NS
    pages = Pages(PagesKnobs(max_bytes=3 * ENTRY_BYTES))
    with pages.hold([task]) as page, pages.hold(_events(1)):
        assert page.taken_back
