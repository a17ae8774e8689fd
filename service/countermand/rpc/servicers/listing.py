"""Pages of checkouts, orders and carts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from countermand.core.states import TaskState
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.tokens import decode_numbers, encode_numbers
from countermand.store.contract import Store
from countermand.store.lists import HolderQuery, PageQuery

Shown = TypeVar("Shown", bound=Message)


class Asked(NamedTuple):
    """What one page is asked for."""

    namespace: int
    limit: int
    page_token: str
    max_bytes: int


def cut(
    shown: list[Shown], numbers: Sequence[int], next_number: int | None, *bound_to: Any
) -> tuple[list[Shown], str]:
    """Returns the messages of a page and the token of the next one; empty if there is none."""
    if len(shown) < len(numbers):
        next_number = numbers[len(shown) - 1]
    following = () if next_number is None else (next_number,)
    return shown, encode_numbers(following, *bound_to)


async def list_holders(
    store: Store,
    query: HolderQuery,
    asked: Asked,
    render: Callable[[Any, Mapping[TaskState, int]], Shown],
) -> tuple[list[Shown], str]:
    """Returns a page of checkouts or orders, newest first, and the token of the next one.

    Raises Refused: PAGE_TOKEN_INVALID.
    """
    bound_to = ("holders", asked.namespace, *query)
    numbers = decode_numbers(asked.page_token, 1, *bound_to)
    before = numbers[0] if numbers else None
    page = await store.holders(
        asked.namespace, query, PageQuery(before, asked.limit, asked.max_bytes)
    )
    shown = fit_page((render(*reading) for reading in page.readings), asked.max_bytes)
    return cut(shown, page.numbers, page.next_number, *bound_to)
