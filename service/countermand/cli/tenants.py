"""The options that choose whose rows a command shows, for keys with `operator:read`."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from countermand.cli.usage import one_of
from countermand.client import CountermandError

Found = TypeVar("Found")


class Environment(StrEnum):
    """Where a tenant's rows are."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


AllOption = Annotated[
    bool,
    typer.Option(
        "--all",
        help="Every tenant's, with operator:read.",
    ),
]
TenantOption = Annotated[
    str,
    typer.Option(metavar="TENANT", help="Only this tenant's (operator:read)."),
]
EnvironmentOption = Annotated[
    Environment | None,
    typer.Option(
        parser=one_of(Environment),
        metavar="NAME",
        help="Only of sandbox or of production.",
    ),
]


def lacks_operator_scope(error: CountermandError) -> bool:
    """Whether a key may not see other tenants' rows."""
    return error.reason == "SCOPE_MISSING"


async def if_operator(ask: Callable[[], Awaitable[Found]], *, required: bool) -> Found | None:
    """Returns what an operator is answered; None if the key is none, unless it must be."""
    try:
        return await ask()
    except CountermandError as error:
        if required or not lacks_operator_scope(error):
            raise
        return None
