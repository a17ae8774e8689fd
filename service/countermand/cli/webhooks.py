"""`countermand webhooks`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from countermand.app.standard_streams import is_shown, write_line
from countermand.cli.failures import Failure
from countermand.cli.listening import listen
from countermand.cli.options import Access, JsonOption, calls_server, enum_parser, parse_span
from countermand.cli.output import after, show, show_columns, show_facts, to_json
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.cli.webhook_account import about_delivery, about_webhook, show_delivery
from countermand.client import Client
from countermand.v1 import webhook_service_pb2 as pb

Found = TypeVar("Found")
Secretive = TypeVar("Secretive", pb.CreateWebhookResponse, pb.RotateSecretResponse)

app = typer.Typer(
    cls=PlainGroup,
    help="Create, list, test and look after webhooks: signed HTTP requests that tell others what"
    " was committed. The key needs the scope webhooks:write.",
    no_args_is_help=True,
)
app.command("listen", cls=PlainCommand)(listen)

_POLL_SECONDS = 0.2
IdArgument = Annotated[
    str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.", show_default=False)
]


@app.command(cls=PlainCommand)
@calls_server
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to post.", show_default=False)],
    name: Annotated[str, typer.Option(metavar="TEXT", help="For people.")] = "",
    event: Annotated[
        list[str],
        typer.Option(
            metavar="TYPE", help="Send this type, such as task.cancelled; by default all are sent."
        ),
    ] = [],  # noqa: B006  # typer reads the default, and gives each call a list of its own
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Create a webhook and print its secret, which cannot be read again, after its id.

    Examples:

    - `countermand webhooks create https://shop.example/hooks`

    - `countermand webhooks create https://shop.example/ --event task.cancelled`
    """
    _make(access, lambda client: client.create_webhook(url, name=name, event_types=event), as_json)


@app.command("list", cls=PlainCommand)
@calls_server
def list_(as_json: JsonOption = False, *, access: Access) -> None:
    """List all webhooks, oldest first. With --json one in each line.

    Examples:

    - `countermand webhooks list`

    - `countermand webhooks list --json`
    """

    async def all_of(client: Client) -> list[pb.Webhook]:
        found: list[pb.Webhook] = []
        token = ""
        while True:
            page = await client.list_webhooks(page_token=token)
            found.extend(page.webhooks)
            token = page.next_page_token
            if not token:
                return found

    webhooks = _do(access, all_of)
    if as_json:
        for webhook in webhooks:
            show(to_json(webhook, indent=None).replace("\n", ""))
    else:
        show_columns([dict(about_webhook(webhook)) for webhook in webhooks])


@app.command(cls=PlainCommand)
@calls_server
def enable(webhook_id: IdArgument, as_json: JsonOption = False, *, access: Access) -> None:
    """Enable a webhook that was disabled, or fails: it goes on where it stood.

    Examples:

    - `countermand webhooks enable 01a21e0f-5496-715c-aa57-c7029a806f28`

    - `countermand webhooks enable 01a21e0f-5496-715c-aa57-c7029a806f28 --json`
    """
    _set(access, webhook_id, pb.WEBHOOK_STATE_ENABLED, as_json)


@app.command(cls=PlainCommand)
@calls_server
def disable(webhook_id: IdArgument, as_json: JsonOption = False, *, access: Access) -> None:
    """Disable a webhook: nothing is sent until it is enabled.

    Examples:

    - `countermand webhooks disable 01a21e0f-5496-715c-aa57-c7029a806f28`

    - `countermand webhooks disable 01a21e0f-5496-715c-aa57-c7029a806f28 --json`
    """
    _set(access, webhook_id, pb.WEBHOOK_STATE_DISABLED, as_json)


@app.command(cls=PlainCommand)
@calls_server
def delete(webhook_id: IdArgument, *, access: Access) -> None:
    """Remove a webhook with its deliveries.

    Examples:

    - `countermand webhooks delete 01a21e0f-5496-715c-aa57-c7029a806f28`

    - `countermand webhooks delete 01a21e0f-5496-715c-aa57-c7029a806f28 --server 10.0.0.5:50051`
    """
    _do(access, lambda client: client.delete_webhook(webhook_id))


@app.command(cls=PlainCommand)
@calls_server
def rotate(
    webhook_id: IdArgument,
    overlap: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="How long the old secret signs, too: 0 to 30d.  [default: 24h]",
        ),
    ] = None,
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Give a webhook a new secret and print that after its id; it cannot be read again.

    Examples:

    - `countermand webhooks rotate 01a21e0f-5496-715c-aa57-c7029a806f28`

    - `countermand webhooks rotate 01a21e0f-5496-715c-aa57-c7029a806f28 --overlap 7d`
    """
    _make(access, lambda client: client.rotate_secret(webhook_id, overlap=overlap), as_json)


@app.command("test", cls=PlainCommand)
@calls_server
def send_test(
    webhook_id: IdArgument,
    wait: Annotated[
        timedelta,
        typer.Option(parser=parse_span, metavar="SPAN", help="How long to wait for the outcome."),
    ] = "20s",  # type: ignore[assignment]  # typer parses a default as it does an argument
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Send a webhook.test event and show what came of it. Exit status 1 if it was not taken.

    Examples:

    - `countermand webhooks test 01a21e0f-5496-715c-aa57-c7029a806f28`

    - `countermand webhooks test 01a21e0f-5496-715c-aa57-c7029a806f28 --wait 5s`
    """

    async def run(client: Client) -> pb.Delivery:
        delivery = (await client.send_test(webhook_id)).delivery
        async with asyncio.timeout(wait.total_seconds()):
            while delivery.state == pb.DELIVERY_STATE_PENDING:
                await asyncio.sleep(_POLL_SECONDS)
                page = await client.list_deliveries(webhook_id, page_size=100)
                known = {one.delivery_id: one for one in page.deliveries}
                delivery = known.get(delivery.delivery_id, delivery)
        return delivery

    try:
        delivery = _do(access, run)
    except TimeoutError:
        raise Failure("the test was sent, and nothing came of it so far") from None
    show_delivery(delivery, as_json)
    if delivery.state != pb.DELIVERY_STATE_SUCCEEDED:
        raise Failure(f"the test was not taken: {delivery.attempts[-1].error}")


@app.command(cls=PlainCommand)
@calls_server
def deliveries(
    webhook_id: IdArgument,
    state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(pb.DeliveryState),
            metavar="STATE",
            help="Only those: PENDING, SUCCEEDED or FAILED.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="How many.")] = 20,
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """List the last deliveries that did not succeed at once, tests, and what was sent again.

    Examples:

    - `countermand webhooks deliveries 01a21e0f-5496-715c-aa57-c7029a806f28`

    - `countermand webhooks deliveries 01a21e0f-5496-715c-aa57-c7029a806f28 --state FAILED`
    """

    async def run(client: Client) -> pb.ListDeliveriesResponse:
        return await client.list_deliveries(
            webhook_id, state=pb.DeliveryState.Name(state or 0), page_size=limit
        )

    found = _do(access, run).deliveries
    if as_json:
        for delivery in found:
            show(to_json(delivery, indent=None).replace("\n", ""))
    else:
        show_columns([dict(about_delivery(delivery)) for delivery in found])


@app.command(cls=PlainCommand)
@calls_server
def redeliver(
    webhook_id: IdArgument,
    delivery_id: Annotated[
        str,
        typer.Argument(metavar="DELIVERY", help="The event's webhook-id.", show_default=False),
    ],
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Send an event again, now and by a new schedule.

    Examples:

    - `countermand webhooks redeliver 01a21e0f-5496-715c-aa57-c7029a806f28 msg_1_2_661456c2079b5`

    - `countermand webhooks redeliver --json 01a21e0f-5496-715c-aa57-c7029a806f28 msg_1_2_66`
    """
    answer = _do(access, lambda client: client.redeliver(webhook_id, delivery_id))
    with after("it is sent again"):
        show_delivery(answer.delivery, as_json)


def _set(access: Access, webhook_id: str, state: pb.WebhookState, as_json: bool) -> None:
    webhook = pb.Webhook(webhook_id=webhook_id, state=state)
    answer = _do(access, lambda client: client.update_webhook(webhook, ["state"]))
    with after("the webhook was changed"):
        if as_json:
            show(to_json(answer, indent=2))
        else:
            show_facts(about_webhook(answer.webhook))


def _make(access: Access, action: Callable[[Client], Awaitable[Secretive]], as_json: bool) -> None:
    """Makes a secret and shows it, the only time that it can be shown."""
    if not is_shown(sys.stdout):
        raise Failure("nothing was made: standard output goes nowhere, and no secret can be shown")
    answer = _do(access, action)
    webhook_id = answer.webhook.webhook_id
    line = to_json(answer, indent=2) if as_json else f"{webhook_id} {answer.secret}"
    try:
        write_line(sys.stdout, line)
    except OSError as error:
        raise Failure(
            f"the secret of webhook {webhook_id} cannot be shown ({error.strerror}): make another"
            f" with `countermand webhooks rotate {webhook_id}`"
        ) from None


def _do(access: Access, action: Callable[[Client], Awaitable[Found]]) -> Found:
    async def run() -> Found:
        async with access.connect() as client:
            return await action(client)

    return asyncio.run(run())
