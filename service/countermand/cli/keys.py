"""`countermand keys`: over a server, or on a store that no server has open."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from countermand.cli.key_sources import Keys, open_server, open_store
from countermand.cli.options import SERVER, ApiKeyOption, JsonOption, ServerOption, parse_span
from countermand.cli.output import moment, show, to_json
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.v1.key_service_pb2 import Key

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
    server: ServerOption = SERVER,
    store: StoreOption = None,
    api_key: ApiKeyOption = "",
) -> None:
    """Create a key and print it, alone; it cannot be read again.

    Scopes: tasks:read, tasks:write, tasks:run, tasks:cancel, checkouts:read, checkouts:write,
    orders:read, orders:write, webhooks:write, keys:admin.
    """
    try:
        expire_time = None if expire_in is None else datetime.now(UTC) + expire_in
    except OverflowError:
        raise typer.BadParameter("--expire-in ends beyond the calendar") from None
    source = _source(context, server, store, api_key)
    show(_do(source, lambda keys: keys.create(tenant, environment, scope, expire_time)))


@app.command("list", cls=PlainCommand)
def list_(
    context: typer.Context,
    as_json: JsonOption = False,
    server: ServerOption = SERVER,
    store: StoreOption = None,
    api_key: ApiKeyOption = "",
) -> None:
    """List all keys, newest first, revoked and expired ones too; with --json as one array."""
    found = _do(_source(context, server, store, api_key), lambda keys: keys.list())
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
    show(_line(_do(_source(context, server, store, api_key), lambda keys: keys.revoke(key_id))))


def _source(
    context: typer.Context, server: str, store: str | None, api_key: str
) -> AbstractAsyncContextManager[Keys]:
    """The keys of what the command line names, else of what the environment names, else of the
    default server. A server and a store of the same rank are wrong usage."""
    ranks = {"COMMANDLINE": 2, "ENVIRONMENT": 1}
    server_rank, store_rank = (
        ranks.get(source.name, 0) if source else 0
        for source in map(context.get_parameter_source, ("server", "store"))
    )
    if store is None or server_rank > store_rank:
        return open_server(server, api_key)
    if server_rank == store_rank:
        raise typer.BadParameter("name a server or a store, not both")
    return open_store(store)


def _do(
    source: AbstractAsyncContextManager[Keys], action: Callable[[Keys], Awaitable[Found]]
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
    scopes = ",".join(key.scopes)
    return f"{key.key_id}  {key.tenant}  {key.environment}  scopes={scopes}  {'  '.join(times)}"
