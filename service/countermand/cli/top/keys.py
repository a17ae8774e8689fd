"""What each key does."""

from collections.abc import Sequence

from countermand.cli.top.screen import View
from countermand.v1.operator_service_pb2 import OperatorTask

UP, DOWN, ENTER, ESCAPE, DELETE = ("\x1b[A", "k"), ("\x1b[B", "j"), "\r\n", "\x1b", "\x7f\b"


def press(typed: str, view: View, shown: Sequence[OperatorTask]) -> View | None:
    """Returns what is shown after a key; None if the reader leaves."""
    if view.is_typing:
        return _type(typed, view)
    place = max(0, min(view.place, len(shown) - 1))
    if typed in ("q", "Q", "\x03", "\x04"):
        return None
    if typed == "/":
        return view._replace(is_typing=True, opened=None)
    if typed == ESCAPE:
        return view._replace(opened=None, chosen="" if view.opened is None else view.chosen)
    if typed in UP:
        return view._replace(place=max(0, place - 1))
    if typed in DOWN:
        return view._replace(place=min(max(0, len(shown) - 1), place + 1))
    if typed in ENTER and shown:
        return view._replace(opened=shown[place])
    return view


def _type(typed: str, view: View) -> View:
    if typed == ESCAPE:
        return view._replace(is_typing=False, chosen="")
    if typed in ENTER:
        return view._replace(is_typing=False, place=0)
    if typed in DELETE:
        return view._replace(chosen=view.chosen[:-1])
    if typed.isprintable():
        return view._replace(chosen=view.chosen + typed)
    return view
