"""Help as manuals have it: `ID` and not `{ID}`, flags without `<bool>`, plain words for errors."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Word = TypeVar("Word", bound=StrEnum)


class PlainCommand(TyperCommand):
    """A command with a plain help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters; a flag has no type to show."""
        return _without_flag_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the words of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


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
