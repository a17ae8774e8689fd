"""The command's entry: its parts, and what each kind of failure prints and exits with."""

import asyncio
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

from countermand import __version__
from countermand.app.standard_streams import complain, flush_streams
from countermand.cli import (
    cancel,
    completion,
    copy,
    deliver,
    get,
    health,
    keys,
    list_cancellations,
    list_running,
    list_sales,
    listing,
    migrate,
    serve,
    settle,
    status,
    store,
    summary,
    watch,
    webhooks,
)
from countermand.cli.demo import command as demo
from countermand.cli.failures import DONE, REFUSED, WRONG_USAGE, as_failure
from countermand.cli.options import connection_help
from countermand.cli.output import plain_lines, show
from countermand.cli.top import command as top
from countermand.cli.usage import PlainCommand, PlainGroup

app = typer.Typer(
    name="countermand",
    cls=PlainGroup,
    help="Cancels work durably, and tells when it has ended. EXIT STATUS: 0 done, 1 refused"
    " (the reason is printed), 2 wrong usage, 3 server not reached.",
    epilog=connection_help(),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # flows paragraphs, and leaves [brackets] alone
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve", cls=PlainCommand)(serve.serve)
app.command("deliver", cls=PlainCommand)(deliver.deliver)
app.command("cancel", cls=PlainCommand)(cancel.cancel)
app.command("watch", cls=PlainCommand)(watch.watch)
app.command("get", cls=PlainCommand)(get.get)
app.command("history", cls=PlainCommand)(get.history)
listing.app.command("cancellations", cls=PlainCommand)(list_cancellations.cancellations)
for command in (
    list_sales.checkouts,
    list_sales.orders,
    list_sales.carts,
    list_running.agents,
    list_running.watches,
):
    listing.app.command(command.__name__, cls=PlainCommand)(command)
app.add_typer(listing.app, name="list")
app.command("summary", cls=PlainCommand)(summary.summary)
app.command("settle", cls=PlainCommand)(settle.settle)
app.add_typer(keys.app, name="keys")
app.add_typer(store.app, name="store")
app.command("migrate", cls=PlainCommand)(migrate.migrate)
app.command("copy", cls=PlainCommand)(copy.copy)
app.add_typer(webhooks.app, name="webhooks")
app.command("health", cls=PlainCommand)(health.health)
app.command("status", cls=PlainCommand)(status.status)
app.command("top", cls=PlainCommand)(top.top)
app.command("completion", cls=PlainCommand)(completion.completion)
app.command("demo", cls=PlainCommand)(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        show(f"countermand {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status; failures are printed to stderr."""
    try:
        app(list(arguments), prog_name="countermand")
    except SystemExit as end:  # typer ends everything with this: done, wrong usage, Ctrl-C
        if _complains_of_usage(end):
            return WRONG_USAGE
        if isinstance(end.__context__, BrokenPipeError):  # nobody reads the help any more
            return DONE
        return end.code if isinstance(end.code, int) else REFUSED
    except asyncio.CancelledError:
        return 128 + 15  # only a SIGTERM cancels the main task without an exception of its own
    except Exception as error:
        if _only_leaves(error):
            return DONE
        if _complains_of_usage(error):
            return WRONG_USAGE
        failure = as_failure(error)
        if failure is None:
            if isinstance(error, UnicodeEncodeError) and (argument := _no_text(arguments)):
                complain(f"this is no text in UTF-8: {argument}")
                return WRONG_USAGE
            raise
        complain(plain_lines(str(failure)))
        return failure.status
    return DONE


def _no_text(arguments: Sequence[str]) -> str:
    """Returns the first argument that no request can hold, in ASCII; names of files may be so."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            return ascii(argument)
    return ""


def _complains_of_usage(error: BaseException) -> bool:
    """Whether what is wrong with the usage could not be written; then says it where it can be."""
    unwritten = False
    cause: BaseException | None = error
    while cause is not None:
        if unwritten and getattr(cause, "exit_code", None) == WRONG_USAGE:
            complain(plain_lines(str(cause)))
            return True
        unwritten |= isinstance(cause, OSError)
        cause = cause.__context__
    return False


def _only_leaves(error: BaseException) -> bool:
    """Whether tasks of the command ended it because nobody reads any more."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_only_leaves, error.exceptions))
    return isinstance(error, typer.Exit)


def app_entry() -> None:
    """Runs the command with the process's arguments, and exits."""
    # A terminal may have no sign for what a record holds.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    flush_streams()
    sys.exit(status)
