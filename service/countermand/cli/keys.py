"""`countermand keys`: over a server, or on a store that no server has open."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer

from countermand.cli.options import (
    SERVER,
    ApiKeyOption,
    JsonOption,
    ServerOption,
    connect,
    parse_span,
)
from countermand.cli.output import moment, show, to_json
from countermand.cli.store_keys import open_store
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.client.keys import KeyMethods
from countermand.v1.key_service_pb2 import CreateKeyResponse, Key, KeyLimits

Found = TypeVar("Found")

app = typer.Typer(
    cls=PlainGroup,
    help="Create, list and revoke API keys: over a server, with a key that has the scope"
    " keys:admin, or with --store on a store that no server has open, to make the first key.",
    no_args_is_help=True,
)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="COUNTERMAND_STORE",
        metavar="URL",
        help="The store to work on, in the place of a server. On the command line it counts more"
        " than a server that the environment names, and the other way round.",
    ),
]


def _limit(what: str) -> Any:
    return typer.Option(metavar="N", min=0, show_default=False, help=f"{what}; 0 for no limit.")


@app.command(cls=PlainCommand)
def create(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose the key is.")],
    scope: Annotated[
        list[str],
        typer.Option(metavar="SCOPE", help="What the key may do; give it once for each scope."),
    ],
    environment: Annotated[
        str, typer.Option(metavar="NAME", help="sandbox or production.")
    ] = "sandbox",
    expire_in: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="Refuse the key after this span, such as 90d.  [default: never]",
        ),
    ] = None,
    writes_per_second: Annotated[int, _limit("How many calls per second may write")] = 0,
    reads_per_second: Annotated[int, _limit("How many calls per second may read")] = 0,
    watches_per_second: Annotated[int, _limit("How many watches per second may be opened")] = 0,
    open_watches: Annotated[int, _limit("How many watches may be open at once")] = 0,
    server: ServerOption = SERVER,
    store: StoreOption = None,
    api_key: ApiKeyOption = "",
) -> None:
    """Create a key and print it, alone; it cannot be read again. By default it has no limits.

    Scopes: tasks:read, tasks:write, tasks:run, tasks:cancel, checkouts:read, checkouts:write,
    orders:read, orders:write, webhooks:write, keys:admin.
    """
    try:
        expire_time = None if expire_in is None else datetime.now(UTC) + expire_in
    except OverflowError:
        raise typer.BadParameter("--expire-in ends beyond the calendar") from None
    limits = KeyLimits(
        writes_per_second=writes_per_second,
        reads_per_second=reads_per_second,
        watches_per_second=watches_per_second,
        open_watches=open_watches,
    )

    async def make(keys: KeyMethods) -> CreateKeyResponse:
        return await keys.create_key(
            tenant, environment, scope, expire_time=expire_time, limits=limits
        )

    show(_do(_source(context, server, store, api_key), make).secret)


@app.command("list", cls=PlainCommand)
def list_(
    context: typer.Context,
    as_json: JsonOption = False,
    server: ServerOption = SERVER,
    store: StoreOption = None,
    api_key: ApiKeyOption = "",
) -> None:
    """List all keys, newest first, revoked and expired ones too; with --json as one array."""
    found = _do(_source(context, server, store, api_key), _all)
    if as_json:
        show("[" + ",\n ".join(to_json(key) for key in found) + "]")
        return
    for key in found:
        show(_line(key))


@app.command(cls=PlainCommand)
def revoke(
    context: typer.Context,
    key_id: Annotated[
        str, typer.Argument(metavar="KEY_ID", help="The key's id.", show_default=False)
    ],
    server: ServerOption = SERVER,
    store: StoreOption = None,
    api_key: ApiKeyOption = "",
) -> None:
    """Revoke a key: it is refused from now on, and its watches end. A repeat is fine."""
    source = _source(context, server, store, api_key)
    show(_line(_do(source, lambda keys: keys.revoke_key(key_id)).key))


async def _all(keys: KeyMethods) -> list[Key]:
    found: list[Key] = []
    token = ""
    while True:
        page = await keys.list_keys(page_size=1000, page_token=token)
        found.extend(page.keys)
        token = page.next_page_token
        if not token:
            return found


def _source(
    context: typer.Context, server: str, store: str | None, api_key: str
) -> AbstractAsyncContextManager[KeyMethods]:
    """The keys of what the command line names, else of what the environment names, else of the
    default server. A server and a store of the same rank are wrong usage."""
    ranks = {"COMMANDLINE": 2, "ENVIRONMENT": 1}
    server_rank, store_rank = (
        ranks.get(source.name, 0) if source else 0
        for source in map(context.get_parameter_source, ("server", "store"))
    )
    if store is None or server_rank > store_rank:
        return connect(server, api_key)
    if server_rank == store_rank:
        raise typer.BadParameter("name a server or a store, not both")
    return open_store(store)


def _do(
    source: AbstractAsyncContextManager[KeyMethods],
    action: Callable[[KeyMethods], Awaitable[Found]],
) -> Found:
    async def run() -> Found:
        async with source as keys:
            return await action(keys)

    return asyncio.run(run())


def _line(key: Key) -> str:
    times = (
        f"{name}={moment(time)}"
        for name, time in (
            ("created", key.create_time),
            ("expires", key.expire_time),
            ("revoked", key.revoke_time),
        )
    )
    limits = (f"{field.name}={limit}" for field, limit in key.limits.ListFields())
    scopes = ",".join(key.scopes)
    facts = "  ".join((f"scopes={scopes}", *times, *limits))
    return f"{key.key_id}  {key.tenant}  {key.environment}  {facts}"
