"""`countermand store`: a store as a whole, looked at, checked, copied and put in place."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countermand.app.settings import Settings
from countermand.cli.failures import REFUSED
from countermand.cli.output import show, show_facts
from countermand.cli.store_work import as_facts, as_json, checked, human, work_on
from countermand.cli.usage import PlainCommand, PlainGroup

if TYPE_CHECKING:
    from countermand.store.sqlite.upkeep.facts import StoreFacts

app = typer.Typer(
    cls=PlainGroup,
    help="Look after a store: what is in it, whether it is sound, its backups. It is the file that"
    " these work on: they need no key and no server, and --store names it as `serve` does.",
    no_args_is_help=True,
)

StoreOption = Annotated[
    str,
    typer.Option("--store", envvar="COUNTERMAND_STORE", metavar="URL", help="The store."),
]
FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="A backup, in the place of --store.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

DEFAULT = Settings().store


@app.command(cls=PlainCommand)
def info(file: FileArgument = None, store: StoreOption = DEFAULT, json: JsonOption = False) -> None:
    """Show what is in a store: schema, sizes, how much of what, its oldest and newest task.

    A server may have it open.

    Examples:

    - `countermand store info`

    - `countermand store info backup.db --json`
    """
    with work_on(file or store) as work:
        _show_facts(work.path, work.facts(), json)


@app.command(cls=PlainCommand)
def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The backup; a new file.")],
    store: StoreOption = DEFAULT,
    json: JsonOption = False,
) -> None:
    """Copy a store into a new file, and show what is in the copy. A server may have it open.

    The copy holds all that was answered before the command began. It gets its name when it is
    whole and on disk, so a backup that was broken off leaves none; its owner alone can read it.

    Examples:

    - `countermand store backup backup.db`

    - `countermand store backup b.db --store sqlite:////srv/c.db`
    """
    with work_on(store) as work:
        _show_facts(to, work.back_up(to), json)


@app.command(cls=PlainCommand)
def check(
    file: FileArgument = None, store: StoreOption = DEFAULT, json: JsonOption = False
) -> None:
    """Read a whole store and show what is wrong in it: 0 nothing, 1 something.

    Every page is read, every reference followed, and the rows are held to the rules that the
    schema cannot hold. A server may have it open; its log grows until the check ends. Of a store
    on PostgreSQL the rows alone are read.

    Examples:

    - `countermand store check backup.db`

    - `countermand store check --json`
    """
    name, found = checked(file or store)
    if json:
        show(as_json(found._asdict()))
    else:
        for fault in found.faults:
            show(fault)
        if not found.faults:
            held = f"{found.rules} rules hold" if found.rules else "an older one: rules not held"
            show(f"{name} is sound (schema {found.schema}, {held})")
    if found.faults:
        raise typer.Exit(REFUSED)


@app.command(cls=PlainCommand)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    store: StoreOption = DEFAULT,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace the store that is there; all of it is gone then."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check a backup and put a copy of it in the place of a store that no server has open.

    What was accepted after the backup is lost. The old store is there until the new one is whole,
    so there must be room for both. If this is broken off, run it again.

    Examples:

    - `countermand store restore backup.db --replace`

    - `countermand store restore b.db --store sqlite:///new.db`
    """
    with work_on(store) as work:
        _show_facts(work.path, work.restore(file, replaces=replace), json)


@app.command(cls=PlainCommand)
def compact(store: StoreOption = DEFAULT, json: JsonOption = False) -> None:
    """Give the room back that a store does not use any more. No server may have it open.

    It writes the store anew, so there must be room for both; the old one is there until the new one
    is whole.

    Examples:

    - `countermand store compact`

    - `countermand store compact --store sqlite:////srv/c.db`
    """
    with work_on(store) as work:
        found = work.compact()
    if json:
        show(as_json(found._asdict()))
    else:
        show(f"{human(found.bytes_before)} before, {human(found.bytes_after)} now")


def _show_facts(path: Path, facts: "StoreFacts", json: bool) -> None:
    if json:
        show(as_json({"store": str(path)} | facts._asdict()))
    else:
        show_facts([("store", str(path)), *as_facts(facts).items()])
