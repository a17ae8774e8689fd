"""Help as manuals have it: `ID` and not `{ID}`, flags without `<bool>`, plain words for errors."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Word = TypeVar("Word", bound=StrEnum)


CONNECTION = ("server", "api_key", "tls", "tls_ca", "tls_cert", "tls_key")
"""The options that say how to reach a server: the help of the whole command shows them, once."""


class PlainCommand(TyperCommand):
    """A command with a plain help."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        parameters: list[Any] = self.params
        for parameter in parameters:
            parameter.hidden = getattr(parameter, "hidden", False) or (
                "api_key" in self._names and parameter.name in CONNECTION
            )
            parameter.show_envvar = False  # by one rule, which is said once
            _say_default_in_line(parameter)
        if "api_key" in self._names:
            self.epilog = "How to reach the server: `countermand --help`."

    @property
    def _names(self) -> set[str | None]:
        return {parameter.name for parameter in self.params}

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters; a flag has no type to show."""
        return _without_flag_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the words of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def _say_default_in_line(parameter: Any) -> None:
    """Says the default behind the help, where it costs no line of its own."""
    shown = getattr(parameter, "show_default", False) and parameter.default
    if shown and parameter.help and not parameter.is_flag:
        parameter.help = f"{parameter.help} [{parameter.default}]"
    parameter.show_default = False


class PlainGroup(TyperGroup):
    """Commands below one name, with a plain help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters; a flag has no type to show."""
        return _without_flag_types(super().get_params(ctx))


def _without_flag_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def one_of(words: type[Word]) -> Callable[[str], Word]:
    """Returns a parser of one of these words. Wrong usage otherwise."""

    def parse(text: str) -> Word:
        try:
            return words(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(words)}") from None

    return parse


def parse_number(text: str) -> int:
    """Reads a whole number. Wrong usage otherwise."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number") from None
