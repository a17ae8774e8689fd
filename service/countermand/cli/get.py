"""`countermand get` and `countermand history`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import typer
from google.protobuf.message import Message

from countermand.cli.account import (
    Facts,
    about_cancellation,
    about_checkout,
    about_group,
    about_order,
    about_task,
    result_line,
)
from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import moment, show, show_facts, to_json, word
from countermand.cli.watch import line
from countermand.client import Client, CountermandError
from countermand.v1.cancellation_pb2 import Cancellation, CancellationJoin
from countermand.v1.checkout_pb2 import Cart, CartState
from countermand.v1.task_pb2 import Group, Task


class Kind(StrEnum):
    """What can be shown by its id."""

    TASK = "task"
    GROUP = "group"
    CHECKOUT = "checkout"
    ORDER = "order"
    CART = "cart"
    CANCELLATION = "cancellation"


class _Shown(NamedTuple):
    read: Callable[[Client, str], Awaitable[Any]]
    about: Callable[[Any], Facts]


def _whole_task(task: Task) -> Facts:
    return [
        *about_task(task),
        ("group", task.group_id),
        ("checkout", task.checkout_id),
        ("order", task.order_id),
        ("merchant", task.merchant),
        ("agent", task.agent_id),
        ("cancellation", task.cancellation_id),
        ("reason", task.cancel_reason),
        ("failure", task.failure_message),
        ("created", moment(task.create_time)),
        ("started", moment(task.start_time)),
        ("ended", moment(task.end_time)),
        ("expires", moment(task.expire_time)),
        *((f"label {key}", value) for key, value in sorted(task.labels.items())),
    ]


def _whole_group(group: Group) -> Facts:
    return [
        *about_group(group),
        ("closed", "yes" if group.closed else "no"),
        ("checkout", group.checkout_id),
        ("order", group.order_id),
        ("cancellation", group.cancellation_id),
        ("created", moment(group.create_time)),
    ]


def _whole_cart(cart: Cart) -> Facts:
    return [
        ("cart", cart.cart_id),
        ("state", word(CartState, cart.state)),
        ("version", str(cart.version)),
        ("checkout", cart.checkout_id),
        ("lines", str(len(cart.line_items))),
    ]


def _whole_cancellation(found: Cancellation) -> Facts:
    target = found.WhichOneof("target") or ""
    return [
        *about_cancellation(found),
        (target.removesuffix("_id") or "target", getattr(found, target, "")),
        ("requested by", by(found)),
        ("on behalf of", found.on_behalf_of),
        ("request id", found.request_id),
        ("joined by", str(found.join_count) if found.join_count else ""),
        ("accepted", moment(found.create_time)),
        ("ended", moment(found.end_time)),
    ]


_SHOWN: dict[Kind, _Shown] = {
    Kind.TASK: _Shown(Client.get_task, _whole_task),
    Kind.GROUP: _Shown(Client.get_group, _whole_group),
    Kind.CHECKOUT: _Shown(
        Client.get_checkout,
        lambda checkout: [
            *about_checkout(checkout),
            ("group", checkout.group_id),
            ("cancellation", checkout.cancellation_id),
            ("created", moment(checkout.create_time)),
            ("expires", moment(checkout.expire_time)),
        ],
    ),
    Kind.ORDER: _Shown(
        Client.get_order,
        lambda order: [
            *about_order(order),
            ("fulfilment", order.fulfillment_status),
            ("reason", order.cancel_reason),
            ("cancellation", order.cancellation_id),
            ("created", moment(order.create_time)),
        ],
    ),
    Kind.CART: _Shown(Client.get_cart, _whole_cart),
    Kind.CANCELLATION: _Shown(Client.get_cancellation, _whole_cancellation),
}


@calls_server
def get(
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}.", show_default=False)
    ],
    target_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.", show_default=False)],
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Show one task, group, checkout, order, cart or cancellation as it is now.

    What was cancelled comes with who asked for it and why, and who joined; a cancellation with a
    line for each task that it covers.

    Examples:

    - `countermand get order 63-1`

    - `countermand get cancellation ID --json`
    """
    shown = _SHOWN[kind]

    async def run() -> tuple[Message, Cancellation | None]:
        async with access.connect() as client:
            answer = await shown.read(client, target_id)
            found: Message = getattr(answer, kind.value)
            cancellation_id = getattr(found, "cancellation_id", "")
            if as_json or not cancellation_id or isinstance(found, Cancellation):
                return found, None
            return found, await _cancellation(client, cancellation_id)

    found, cancellation = asyncio.run(run())
    if as_json:
        show(to_json(found))
        return
    show_facts(_known([*shown.about(found), *_who_cancelled(cancellation)]))
    if isinstance(found, Cancellation):
        cancellation = found
    for join in cancellation.joins if cancellation is not None else ():
        show(_join_line(join))
    if isinstance(found, Cancellation):
        for result in found.results:
            show(result_line(result))


async def _cancellation(client: Client, cancellation_id: str) -> Cancellation | None:
    """Returns the cancellation of what is shown; None if the key may not read it."""
    try:
        return (await client.get_cancellation(cancellation_id)).cancellation
    except CountermandError as error:
        if error.reason not in ("SCOPE_MISSING", "CANCELLATION_NOT_FOUND"):
            raise
        return None


def by(found: Cancellation) -> str:
    """Who asked for a cancel: the key, with its name."""
    name = found.requested_by_name
    return f"{found.requested_by} ({name})" if name else found.requested_by


def _who_cancelled(found: Cancellation | None) -> Facts:
    if found is None:
        return []
    return [
        ("cancelled for", found.reason),
        ("cancelled by", by(found)),
        ("on behalf of", found.on_behalf_of),
        ("joined by", str(found.join_count) if found.join_count else ""),
    ]


def _join_line(join: CancellationJoin) -> str:
    """Who else asked for a cancel, and why, in one line."""
    acts_for = f" for {join.on_behalf_of}" if join.on_behalf_of else ""
    return f"join    {moment(join.join_time)}  {join.requested_by}{acts_for}  {join.reason or '-'}"


def _known(facts: Iterable[tuple[str, str]]) -> Facts:
    """Leaves out what is not set."""
    return [(name, value) for name, value in facts if value not in ("", "-")]


@calls_server
def history(
    task_id: Annotated[
        str, typer.Argument(metavar="TASK", help="The task's id.", show_default=False)
    ],
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Show every version of a task, the oldest first, and come back.

    One line each, as `countermand watch` prints them; with --json one task a line.

    Examples:

    - `countermand history 0190a5c0-0000-7000-8000-000000000001`

    - `countermand history TASK --json | jq .state`
    """

    async def run() -> None:
        async with access.connect() as client:
            present = (await client.get_task(task_id)).task.version
            async with aclosing(client.watch_task(task_id, after_version=0)) as messages:
                async for message in messages:
                    show(to_json(message.task) if as_json else line(message.task))
                    if message.task.version >= present:
                        return

    asyncio.run(run())
