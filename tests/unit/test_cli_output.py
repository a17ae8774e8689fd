"""What is printed cannot steer the terminal, whoever wrote it."""

import contextlib
import csv
import io
import json

import grpc
import pytest
from rich.text import Text

from countermand.app.standard_streams import write_line
from countermand.cli.demo.board import Board
from countermand.cli.failures import as_failure
from countermand.cli.output import (
    after,
    moment,
    plain,
    show,
    show_columns,
    show_csv,
    show_facts,
    to_json,
)
from countermand.client import CountermandError
from countermand.core.errors import Reason, Refused
from countermand.v1.cancellation_service_pb2 import CancelOrderResponse
from countermand.v1.order_pb2 import Order
from countermand.v1.task_pb2 import Task

NASTY = "a\x1b[2J\x1b]0;title\x07\r\nb\tc\x00\x7f\x9b\u202edc\u2066\u200b\u2028\U000e0041é€😀"
PLAIN = (
    "a\\u001b[2J\\u001b]0;title\\u0007\\u000d\\u000ab\\u0009c\\u0000\\u007f\\u009b\\u202edc\\u2066"
    "\\u200b\\u2028\\ue0041é€😀"
)


class Steps(io.RawIOBase):
    """A file that keeps what each step wrote."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def writable(self):
        return True

    def write(self, data):
        self.steps.append(bytes(data).decode())
        return len(data)


def say_announcement(stream):
    write_line(stream, "listening")


def show_line(stream):
    with contextlib.redirect_stdout(stream):
        show("listening")


def show_styled(stream):
    with contextlib.redirect_stdout(stream):
        show(Text("listening"))


@pytest.mark.parametrize("say", [say_announcement, show_line, show_styled])
def test_a_line_is_written_in_one_step_with_its_end_though_nothing_is_buffered(say):
    """Else the line of another stream, or process, comes in between where both go to one place."""
    steps = Steps()
    say(io.TextIOWrapper(steps, write_through=True))
    assert steps.steps == ["listening\n"]


def test_what_is_not_printable_is_shown_as_an_escape():
    assert plain(NASTY) == PLAIN
    assert plain(PLAIN) == PLAIN


@pytest.mark.parametrize(
    "print_",
    [
        lambda: show_facts([("message", NASTY)]),
        lambda: show_columns([{"tenant": NASTY}]),
        lambda: show(Text.assemble("id ", (NASTY, "bold"))),
        lambda: Board().say(NASTY),
    ],
)
def test_words_stay_on_their_line(capsys, print_):
    print_()
    *_, line, end = capsys.readouterr().out.split("\n")
    assert end == ""
    assert line.isprintable()
    assert "\\u000ab" in line
    assert line.endswith("\\ue0041é€😀")


def test_styles_are_kept(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show(Text.assemble("id ", ("\x1b[2J", "bold")))
    assert capsys.readouterr().out == "id \x1b[1m\\u001b[2J\x1b[0m\n"


def test_json_says_the_same_and_is_ascii(capsys):
    task = Task(cancel_message=NASTY)
    show(to_json(task, indent=2))
    out = capsys.readouterr().out
    assert json.loads(out) == {"cancel_message": NASTY}
    assert out.isascii()
    assert all(line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize(
    "error",
    [
        CountermandError(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND", NASTY),
        CountermandError(grpc.StatusCode.UNAVAILABLE, "", f"last error: {NASTY}"),
        CountermandError(grpc.StatusCode.UNKNOWN, "", NASTY),
        Refused(Reason.INTERNAL, NASTY),
    ],
)
def test_a_failure_is_one_line(error):
    said = str(as_failure(error))
    assert said.endswith(PLAIN)
    assert said.isprintable()


def _odd_order() -> Order:
    """An order as the store may have it from before: with what JSON has no word for."""
    order = Order(order_id="o-1", place_time={"seconds": 1_795_787_141_000})
    order.delete_time.nanos = -1
    order.create_time.seconds = 1_700_000_000
    order.customer.fields["age"].number_value = float("nan")
    order.customer.fields["nothing"].SetInParent()
    line = order.fulfillments.add(id="f-1", ship_time={"seconds": -(1 << 62)}).line_items.add()
    line.fields["rest"].list_value.values.add(number_value=float("-inf"))
    return order


def test_json_shows_whatever_a_record_holds():
    shown = json.loads(to_json(CancelOrderResponse(order=_odd_order())))["order"]
    assert shown == {
        "order_id": "o-1",
        "place_time": "1795787141000 s and 0 ns from 1970",
        "delete_time": "0 s and -1 ns from 1970",
        "create_time": "2023-11-14T22:13:20Z",
        "customer": {"age": "nan", "nothing": None},
        "fulfillments": [
            {
                "id": "f-1",
                "ship_time": f"{-(1 << 62)} s and 0 ns from 1970",
                "line_items": [{"rest": ["-inf"]}],
            }
        ],
    }


def test_a_time_that_is_none_is_shown_all_the_same():
    assert moment(_odd_order().place_time) == "1795787141000 s and 0 ns from 1970"


def test_what_was_done_is_done_also_if_its_answer_cannot_be_shown(capsys):
    with after("the cancel was accepted"):
        raise ValueError("no\nword")
    captured = capsys.readouterr()
    assert captured.err.startswith("countermand: the cancel was accepted, but the answer cannot")
    assert captured.err.count("\n") == 1


def test_no_spreadsheet_runs_what_somebody_wrote(capsys):
    cells = ["=1+1", "+1", "-2+3|cmd", "@SUM(A1)", "\t=1", "-", "fraud", 'say "no", now']
    show_csv(["reason"], [{"reason": cell} for cell in cells])
    shown = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert shown[:5] == [["reason"], ["'=1+1"], ["'+1"], ["'-2+3|cmd"], ["'@SUM(A1)"]]
    assert shown[6:] == [["-"], ["fraud"], ['say "no", now']]
