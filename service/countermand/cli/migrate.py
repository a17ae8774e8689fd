"""`countermand migrate`."""

from typing import Annotated

import typer

from countermand.cli.failures import Failure
from countermand.cli.output import plain, show


def migrate(
    store: Annotated[
        str,
        typer.Option(
            "--store", envvar="COUNTERMAND_STORE", metavar="URL", help="The store on PostgreSQL."
        ),
    ],
) -> None:
    """Bring the schema of a store on PostgreSQL up to date, while servers have it open.

    Each step is applied once, in a transaction of its own; one that does not get its locks within
    two seconds lets go of them and tries again. If this is broken off, run it again.

    Examples:

    - `countermand migrate --store postgresql://countermand@db1,db2/countermand`

    - `countermand migrate --store postgresql:///countermand`
    """
    from countermand.core.knobs import Knobs
    from countermand.store.contract import StoreRefused
    from countermand.store.names import NEEDS_PSYCOPG, is_postgres

    if not is_postgres(store):
        raise Failure("`serve` itself brings a store on SQLite up to date when it opens it")
    try:
        from countermand.store.postgres.opening import migrate_store
    except ImportError as error:
        raise Failure(NEEDS_PSYCOPG) from error
    try:
        found = migrate_store(
            store, Knobs().store.postgres, lambda step: show(f"applied step {step}")
        )
    except StoreRefused as refusal:
        raise Failure(plain(str(refusal))) from None
    show(f"the schema is up to date: {found.version}")
