"""`countermand keys`: over a server, or on a store that no server has open."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer

from countermand.app.standard_streams import is_shown, note, write_line
from countermand.cli.failures import Failure
from countermand.cli.key_account import account, ending, is_admin
from countermand.cli.options import Access, JsonOption, calls_server, parse_span
from countermand.cli.output import after, show, show_columns, show_facts, to_json
from countermand.cli.store_keys import open_store
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.client.keys import KeyMethods
from countermand.v1.key_service_pb2 import (
    CreateKeyResponse,
    Key,
    KeyLimits,
    RevokeKeyResponse,
    RotateKeyResponse,
)

Found = TypeVar("Found")

app = typer.Typer(
    cls=PlainGroup,
    help="Create, list, revoke and rotate API keys: over a server, with a key that has the scope"
    " keys:admin, or with --store on a store that no server has open, to make the first key.",
    no_args_is_help=True,
)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Work on this store, not on a server.",
    ),
]

KeyIdArgument = Annotated[
    str, typer.Argument(metavar="KEY_ID", help="The key's id.", show_default=False)
]

LOCKED_OUT = (
    "no key with the scope keys:admin is left; while no server has the store open,"
    " `countermand keys create --store` makes one"
)


def _limit(what: str) -> Any:
    return typer.Option(metavar="N", min=0, show_default=False, help=f"{what}; 0: no limit.")


@app.command(cls=PlainCommand)
@calls_server
def create(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose the key is.")],
    scope: Annotated[
        list[str],
        typer.Option(metavar="SCOPE", help="What it may do; may be repeated."),
    ],
    environment: Annotated[
        str, typer.Option(metavar="NAME", help="sandbox or production.")
    ] = "sandbox",
    name: Annotated[str, typer.Option(metavar="TEXT", help="What people call the key.")] = "",
    expire_in: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="When it ends, such as 90d: never.",
        ),
    ] = None,
    writes_per_second: Annotated[int, _limit("Calls that write")] = 0,
    reads_per_second: Annotated[int, _limit("Calls that read")] = 0,
    watches_per_second: Annotated[int, _limit("Watches opened")] = 0,
    open_watches: Annotated[int, _limit("Watches at once")] = 0,
    as_json: JsonOption = False,
    store: StoreOption = None,
    *,
    access: Access,
) -> None:
    """Create a key and print it, alone; it cannot be read again. By default it has no limits.

    Scopes: tasks:read, tasks:write, tasks:run, tasks:cancel, checkouts:read, checkouts:write,
    orders:read, orders:write, webhooks:write, refunds:write, operator:read, keys:admin.

    Examples:

    - `countermand keys create --tenant shop --scope tasks:cancel --name till-7`

    - `countermand keys create --tenant ops --scope operator:read --expire-in 90d`
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
            tenant, environment, scope, expire_time=expire_time, limits=limits, name=name
        )

    _make(_source(context, access, store), make, as_json)


@app.command("list", cls=PlainCommand)
@calls_server
def list_(
    context: typer.Context,
    ends_within: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="Only live ones that end this soon.",
        ),
    ] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    *,
    access: Access,
) -> None:
    """List all keys, newest first: LIVE ones, ROTATED ones that still live, EXPIRED and REVOKED
    ones. With --json as one array.

    Examples:

    - `countermand keys list`

    - `countermand keys list --ends-within 14d`
    """
    found = _do(_source(context, access, store), _all)
    if ends_within is not None:
        found = ending(found, datetime.now(UTC) + ends_within)
    if as_json:
        show("[" + ",\n ".join(to_json(key) for key in found) + "]")
    else:
        show_columns([dict(account(key)) for key in found])


@app.command(cls=PlainCommand)
@calls_server
def revoke(
    context: typer.Context,
    key_id: KeyIdArgument,
    as_json: JsonOption = False,
    store: StoreOption = None,
    *,
    access: Access,
) -> None:
    """Revoke a key: it is refused from now on, and its watches end. A repeat is fine.

    Examples:

    - `countermand keys revoke 7fc896b2b45e7e52`

    - `countermand keys revoke 7fc896b2b45e7e52 --store sqlite:///countermand.db`
    """

    async def end(keys: KeyMethods) -> tuple[RevokeKeyResponse, bool]:
        others = [key for key in await _all(keys) if key.key_id != key_id]
        return await keys.revoke_key(key_id), any(is_admin(key) for key in others)

    answer, administered = _do(_source(context, access, store), end)
    with after("the key was revoked"):
        if as_json:
            show(to_json(answer, indent=2))
        else:
            show_facts(account(answer.key))
    if not administered:
        note(LOCKED_OUT)


@app.command(cls=PlainCommand)
@calls_server
def rotate(
    context: typer.Context,
    key_id: KeyIdArgument,
    overlap: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="How long the old key lives on, 0 to 30d: 24h.",
        ),
    ] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    *,
    access: Access,
) -> None:
    """Replace a key by a new one with the same tenant, environment, scopes and limits, and print
    that, alone; it cannot be read again.

    If the old key was made to expire, the new one expires after the same span. A key is rotated
    once; after that, rotate its successor.

    Examples:

    - `countermand keys rotate 7fc896b2b45e7e52`

    - `countermand keys rotate 7fc896b2b45e7e52 --overlap 1h --json`
    """
    source = _source(context, access, store)
    _make(source, lambda keys: keys.rotate_key(key_id, overlap=overlap), as_json)


Made = TypeVar("Made", CreateKeyResponse, RotateKeyResponse)


def _make(
    source: AbstractAsyncContextManager[KeyMethods],
    action: Callable[[KeyMethods], Awaitable[Made]],
    as_json: bool,
) -> None:
    """Makes a key and shows its secret, the only time that it can be shown."""
    if not is_shown(sys.stdout):
        raise Failure("no key was made: standard output goes nowhere, and none could be shown")
    answer = _do(source, action)
    try:
        write_line(sys.stdout, to_json(answer, indent=2) if as_json else answer.secret)
    except OSError as error:
        key_id = answer.key.key_id
        raise Failure(
            f"key {key_id} was made, but cannot be shown ({error.strerror}): end it with"
            f" `countermand keys revoke {key_id}`"
        ) from None


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
    context: typer.Context, access: Access, store: str | None
) -> AbstractAsyncContextManager[KeyMethods]:
    """The keys of a store if one is named, else of a server. To name both is wrong usage; the
    environment's server is no name here."""
    if store is None:
        return access.connect()
    source = context.get_parameter_source("server")
    if source is not None and source.name == "COMMANDLINE":
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
