"""`countermand completion`."""

from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script

from countermand.cli.output import show

NAME, VARIABLE = "countermand", "_COUNTERMAND_COMPLETE"


class Shell(StrEnum):
    """Shells that can complete a command line."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[
        Shell,
        typer.Argument(metavar="SHELL", help=f"One of {', '.join(Shell)}.", show_default=False),
    ],
) -> None:
    """Print what makes a shell complete commands and options.

    A shell reads it at its start, or at once.

    Examples:

    - `countermand completion fish > ~/.config/fish/completions/countermand.fish`

    - `source <(countermand completion bash)`
    """
    show(get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=shell.value).strip())


completion_init()  # the shell asks by a variable in the environment
