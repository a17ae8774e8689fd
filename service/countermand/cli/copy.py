"""`countermand copy`: from a store on SQLite to one on PostgreSQL."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from countermand.cli.failures import Failure
from countermand.cli.output import plain, show, show_facts
from countermand.cli.store_work import as_json

if TYPE_CHECKING:
    from countermand.store.transfer import Told


def copy(
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="URL", help="The store: sqlite:///PATH.", show_default=False
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="An empty database: postgresql://USER@HOST/DATABASE. The password may stand in"
            " PGPASSWORD or in ~/.pgpass.",
            show_default=False,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Copy a store from SQLite into PostgreSQL, and show how many rows it has. No server may have
    either open.

    The store is checked first, and stays as it is. Each table's rows are counted and summed on both
    sides in the end; until then no server takes the database. If this is broken off, run it again:
    it goes on where it was.

    Examples:

    - `countermand copy --from sqlite:///c.db --to postgresql://app@db/c`

    - `countermand copy --from sqlite:////srv/c.db --to postgresql:///c --json`
    """
    counts = _copied(source, target)
    if json:
        show(as_json(counts))
    else:
        show_facts([(name.replace("_", " "), str(count)) for name, count in counts.items()])


def _copied(source: str, target: str) -> Mapping[str, int]:
    # The client commands start faster without the stores, and run without their drivers.
    from countermand.core.knobs import Knobs
    from countermand.store.contract import StoreRefused
    from countermand.store.names import NEEDS_PSYCOPG
    from countermand.store.sqlite import path_of

    try:
        from countermand.store import transfer
    except ModuleNotFoundError as error:
        if error.name == "psycopg":
            raise Failure(NEEDS_PSYCOPG) from None
        raise
    try:
        with _progress() as told:
            return transfer.copy(path_of(source), target, Knobs().store, told)
    except StoreRefused as refusal:
        raise Failure(plain(str(refusal))) from None


@contextmanager
def _progress() -> Iterator["Told"]:
    """Shows how far the copy is, on a terminal alone."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        shown = bar.add_task("looking at the store", total=None)
        yield lambda step: bar.update(
            shown, description=step.doing, completed=step.done, total=step.all
        )
