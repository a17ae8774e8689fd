"""The command line, as far as it goes without a server."""

import os
import re
import socket
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import typer
from typer.main import get_command

from countermand import __version__
from countermand.cli import options
from countermand.cli.account import account
from countermand.cli.demo.board import Board
from countermand.cli.failures import Failure, as_failure
from countermand.cli.main import app, run
from countermand.cli.options import Access, parse_retention, parse_span
from countermand.cli.output import moment, show_facts, to_json, word
from countermand.cli.watch import Waiting, line
from countermand.client import CountermandError
from countermand.core.errors import Reason, Refused
from countermand.v1.cancellation_pb2 import (
    Cancellation,
    CancellationResult,
    CancellationState,
    Disposition,
)
from countermand.v1.cancellation_service_pb2 import (
    CancelCheckoutResponse,
    CancelGroupResponse,
    CancelOrderResponse,
    CancelTaskResponse,
    WatchTasksResponse,
    WatchType,
)
from countermand.v1.checkout_pb2 import Checkout, CheckoutMessage, CheckoutState
from countermand.v1.order_pb2 import Order, OrderState
from countermand.v1.task_pb2 import (
    CancelProof,
    ChargeState,
    RefundState,
    Task,
    TaskCount,
    TaskState,
)

TASK_ID = "0192f0c1-0000-7000-8000-000000000001"
WHEN = datetime(2026, 3, 1, 12, 30, 0, 250_999, tzinfo=UTC)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("COUNTERMAND_"):
            monkeypatch.delenv(name)


@pytest.fixture
def impatient(monkeypatch):
    """So that a test needs not wait as long as a person would."""
    monkeypatch.setattr(options, "_TIMEOUT", 0.3)


@pytest.fixture
def nobody():
    """An address where nothing listens, held so that nothing else can take it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield "127.0.0.1:{1}".format(*taken.getsockname())


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("10", timedelta(seconds=10)),
        ("10s", timedelta(seconds=10)),
        ("0", timedelta(0)),
        ("1.5h", timedelta(minutes=90)),
        (" 2 m ", timedelta(minutes=2)),
        ("500ms", timedelta(milliseconds=500)),
        ("90d", timedelta(days=90)),
    ],
)
def test_a_span_is_a_number_with_a_unit_or_seconds(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 week", "1e3", "10s5", "9" * 400 + "d", "١s"])
def test_anything_else_is_no_span(text):
    with pytest.raises(typer.BadParameter):
        parse_span(text)


@pytest.mark.parametrize(("text", "days"), [("1", 1), ("30", 30), (" 1.5 ", 1.5), ("36500", 36500)])
def test_a_retention_is_a_number_of_days_from_1_on(text, days):
    assert parse_retention(text) == days


@pytest.mark.parametrize("text", ["", "0", "0.999", "-1", "inf", "nan", "1e3", "30d", "36501", "١"])
def test_anything_else_is_no_retention(text):
    with pytest.raises(typer.BadParameter):
        parse_retention(text)


def test_a_retention_below_1_is_wrong_usage_in_the_environment_too(monkeypatch, capsys):
    monkeypatch.setenv("COUNTERMAND_RETENTION", "0.5")
    assert run(["serve"]) == 2
    assert "1 day" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["", "42", "x" * 129])
def test_a_shipped_word_without_a_letter_or_too_long_is_wrong_usage(word, capsys):
    assert run(["serve", "--shipped-word", "versandt", "--shipped-word", word]) == 2
    assert "at least one letter" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--refunded", "--not-owed"]])
def test_a_settlement_says_one_of_two_things(flags, capsys):
    assert run(["settle", TASK_ID, *flags]) == 2
    assert "--refunded" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [["--refund-state", "PAID"], ["--refund-state", "UNSPECIFIED"], ["--state", "STOPPED"]],
    ids=str,
)
def test_a_state_that_there_is_not_is_wrong_usage_and_the_words_are_named(flags, capsys):
    assert run(["list", "tasks", *flags]) == 2
    printed = capsys.readouterr().err
    assert "is none of" in printed
    assert ("REQUIRED" in printed) is ("--refund-state" in flags)


def test_the_version_is_the_package_s(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"countermand {__version__}\n"


def commands(group, above=()):
    """Every command that does something, by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name)


@pytest.mark.parametrize("command", list(commands(get_command(app))), ids=" ".join)
def test_a_help_has_two_examples_and_40_lines_and_the_options_of_the_connection_elsewhere(
    command, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    assert run([*command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= 40
    assert len(re.findall(rf"^  • .*countermand {' '.join(command)}", printed, re.M)) >= 2
    assert "--api-key" not in printed


def test_the_options_of_the_connection_stand_in_the_help_of_the_whole_command_once(capsys):
    assert run(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in Access._fields:
        flag = f"--{name.replace('_', '-')}"
        assert len(re.findall(rf"{flag}[ ,]", printed)) == 1
    assert "COUNTERMAND_CLIENT_TLS_CA" in printed


@pytest.mark.parametrize(
    "command",
    [
        *([], ["serve"], ["cancel"], ["watch"], ["list"], ["list", "tasks"], ["settle"]),
        *(["keys"], ["keys", "create"], ["demo"]),
    ],
)
def test_each_command_has_a_help_in_the_form_of_manuals(command, capsys):
    assert run([*command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "--help" in printed
    assert "<bool>" not in printed
    assert "{" not in printed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["cancel", "cart", "x"], "'cart' is none of task, group, checkout, order"),
        (["cancel", "order", "x", "--cart"], "only a checkout is named by a cart"),
        (["cancel", "group", "x", "--allow-missing"], "only a task may be missing"),
        (["cancel", "task", "x", "--expected-version", "two"], "'two' is not a whole number"),
        (["watch", "x", "--group", "--order"], "give one of --group, --checkout and --order"),
        (["watch", "x", "--server", ""], "it has no port"),
        (["watch", "x", "--server", "localhost"], "it has no port"),
        (["watch", "x", "--server", "127.0.0.1:115587"], "its port is no number"),
        (["watch", "x", "--server", "127.0.0.1:http"], "its port is no number"),
        (["watch", "x", "--server", "127.0.0.1:0"], "its port is 0"),
        (["watch", "x", "--server", "http://127.0.0.1:1"], "brackets"),
    ],
)
def test_wrong_usage_is_told_in_plain_words(arguments, text, capsys):
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert text in printed.err
    assert "Value error" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["stop"],
        ["watch"],
        ["watch", TASK_ID, "--never"],
        ["cancel", "task"],
        ["cancel", "cart", TASK_ID],
        ["cancel", "group", TASK_ID, "--cart"],
        ["watch", TASK_ID, "--checkout", "--group"],
        ["cancel", "task", TASK_ID, "--grace", "soon"],
        ["cancel", "task", TASK_ID, "--expected-version", "two"],
        ["watch", TASK_ID, "--server", ""],
        ["watch", TASK_ID, "--api-key", "two\nlines"],
        ["serve", "--drain-timeout", "soon"],
        ["serve", "--retention", "0.99"],
        ["serve", "--retention", "-30"],
        ["serve", "--retention", "nan"],
        ["serve", "--retention", "9" * 20],
        ["serve", "--retention", "a month"],
        ["serve", "--tls-cert", "x"],
        ["keys", "create", "--scope", "tasks:read"],
        ["keys", "create", "--tenant", "t"],
        ["keys", "create", "--tenant", "t", "--scope", "tasks:read", "--expire-in", "9999999d"],
        ["keys", "create", "--tenant", "t", "--scope", "tasks:read", "--open-watches", "-1"],
        ["keys", "rotate"],
        ["keys", "rotate", "k", "--overlap", "soon"],
        ["keys", "list", "--server", "127.0.0.1:1", "--store", "sqlite:///x.db"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_calls_nobody(arguments, capsys):
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["cancel", "task", TASK_ID],
        ["cancel", "group", TASK_ID, "--json"],
        ["watch", TASK_ID],
        ["cancel", "checkout", "c-1"],
        ["cancel", "checkout", "--cart", "cart-1"],
        ["cancel", "order", "o-1", "--json"],
        ["watch", TASK_ID, "--group"],
        ["watch", "c-1", "--checkout"],
        ["watch", "--order", "o-1"],
        ["keys", "list"],
        ["keys", "revoke", "k"],
        ["keys", "create", "--tenant", "t", "--scope", "tasks:read"],
        ["keys", "rotate", "k", "--overlap", "0"],
        ["demo"],
        ["demo", "--checkout"],
    ],
    ids=" ".join,
)
def test_a_server_that_is_not_there_is_3(arguments, nobody, impatient, capsys):
    assert run([*arguments, "--server", nobody]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("countermand: the server was not reached: ")
    assert printed.err.count("\n") == 1


def test_the_environment_names_the_server(nobody, impatient, capsys, monkeypatch):
    monkeypatch.setenv("COUNTERMAND_SERVER", nobody)
    assert run(["keys", "list"]) == 3
    assert nobody in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        ([], {"STORE": "STORE", "LISTEN": "127.0.0.1:1"}, 3),
        ([], {"SERVER": "NOBODY", "STORE": "STORE"}, 3),
        (["--server", "NOBODY"], {"STORE": "STORE"}, 3),
        (["--server", "NOBODY"], {"SERVER": "other:1", "STORE": "STORE"}, 3),
        (["--store", "STORE"], {"SERVER": "NOBODY"}, 0),
        (["--store", "STORE"], {"STORE": "sqlite:////no/such/folder/x.db"}, 0),
        (["--server", "NOBODY", "--store", "STORE"], {}, 2),
    ],
)
def test_keys_take_a_file_by_store_alone_and_the_server_s_variables_are_not_theirs(
    arguments, environment, status, nobody, impatient, monkeypatch, tmp_path, capsys
):
    places = {"NOBODY": nobody, "STORE": f"sqlite:///{tmp_path / 'x.db'}"}
    monkeypatch.setenv("COUNTERMAND_SERVER", nobody)
    for name, value in environment.items():
        monkeypatch.setenv(f"COUNTERMAND_{name}", places.get(value, value))
    assert run(["keys", "list", *(places.get(part, part) for part in arguments)]) == status
    assert (tmp_path / "x.db").exists() == (status == 0)
    assert (nobody in capsys.readouterr().err) == (status == 3)


CLIENT_VARIABLES = {
    "COUNTERMAND_CLIENT_TLS": "1",
    "COUNTERMAND_CLIENT_TLS_CA": "FILE",
    "COUNTERMAND_CLIENT_TLS_CERT": "FILE",
    "COUNTERMAND_CLIENT_TLS_KEY": "FILE",
    "COUNTERMAND_TLS": "1",
    "COUNTERMAND_TLS_CA": "FILE",
}
MISSING = "/no/such/file.pem"
OLD = {"COUNTERMAND_TLS", "COUNTERMAND_TLS_CA"}


@pytest.mark.parametrize("name", CLIENT_VARIABLES)
@pytest.mark.parametrize("command", [["keys", "list"], ["watch", TASK_ID], ["demo"]], ids=str)
def test_each_variable_of_a_client_is_read_by_every_command(
    name, command, nobody, impatient, monkeypatch, capsys
):
    monkeypatch.setenv(name, CLIENT_VARIABLES[name].replace("FILE", MISSING))
    status = run([*command, "--server", nobody])
    err = capsys.readouterr().err
    if name.endswith(("CERT", "KEY")):
        assert (status, "--tls-cert and --tls-key belong together" in err) == (2, True)
    elif name.endswith("CA"):
        assert (status, f"cannot read {MISSING}" in err) == (1, True)
    else:
        assert status == 3
    new = name.replace("COUNTERMAND_TLS", "COUNTERMAND_CLIENT_TLS")
    warning = f"countermand: {name} is called {new} now"
    assert (warning in err) == (name in OLD)
    assert err.count("countermand: ") == (2 if name in OLD else 1) - (status == 2)


@pytest.mark.parametrize("old", sorted(OLD))
def test_nobody_is_warned_of_an_old_name_that_is_not_used(
    old, nobody, impatient, monkeypatch, capsys
):
    monkeypatch.setenv(old, CLIENT_VARIABLES[old].replace("FILE", MISSING))
    new = old.replace("COUNTERMAND_TLS", "COUNTERMAND_CLIENT_TLS")
    flag = {"COUNTERMAND_TLS": ["--tls"], "COUNTERMAND_TLS_CA": ["--tls-ca", MISSING]}[old]
    run(["keys", "list", "--server", nobody, *flag])
    monkeypatch.setenv(new, CLIENT_VARIABLES[new].replace("FILE", MISSING))
    run(["keys", "list", "--server", nobody])
    assert "is called" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "LISTEN", "STORE"])
def test_the_variables_of_the_server_are_not_read_by_clients(
    name, nobody, impatient, monkeypatch, capsys
):
    monkeypatch.setenv(f"COUNTERMAND_{name}", MISSING)
    assert run(["keys", "list", "--server", nobody]) == 3
    assert MISSING not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (Failure("no", 3), 3, "no"),
        (Refused(Reason.KEY_NOT_FOUND, "there is no key k"), 1, "KEY_NOT_FOUND: there is no key k"),
        (CountermandError(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND", "x"), 1, "TASK_NOT_FOUND"),
        (CountermandError(grpc.StatusCode.UNAVAILABLE, "DRAINING", "x"), 1, "DRAINING: x"),
        (
            CountermandError(grpc.StatusCode.UNAUTHENTICATED, "API_KEY_MISSING", "x"),
            1,
            "API_KEY_MISSING: set COUNTERMAND_API_KEY or give --api-key",
        ),
        (
            CountermandError(grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID", "x"),
            1,
            "API_KEY_INVALID: the key in COUNTERMAND_API_KEY or --api-key",
        ),
        (CountermandError(grpc.StatusCode.UNAVAILABLE, "", "refused"), 3, "not reached: refused"),
        (
            CountermandError(
                grpc.StatusCode.UNAVAILABLE, "", "all failed; last error: UNKNOWN: h:1: no"
            ),
            3,
            "the server was not reached: h:1: no",
        ),
        (CountermandError(grpc.StatusCode.DEADLINE_EXCEEDED, "", ""), 3, "in time"),
        (CountermandError(grpc.StatusCode.UNIMPLEMENTED, "", "what?"), 1, "UNIMPLEMENTED: what?"),
        (ExceptionGroup("", [ExceptionGroup("", [Failure("no")])]), 1, "no"),
    ],
)
def test_a_failure_that_is_not_ours_is_told_in_a_line(error, status, text):
    failure = as_failure(error)
    assert failure is not None
    assert failure.status == status
    assert text in str(failure)


@pytest.mark.parametrize(
    "error", [KeyError("x"), ExceptionGroup("", [Failure("no"), KeyError("x")])], ids=type
)
def test_a_fault_of_this_program_is_not_hidden(error):
    assert as_failure(error) is None


@pytest.mark.parametrize(
    ("enum", "value", "expected"),
    [
        (TaskState, TaskState.TASK_STATE_RUNNING, "RUNNING"),
        (TaskState, 0, "-"),
        (TaskState, 77, "77"),
        (CancelProof, CancelProof.CANCEL_PROOF_AGENT_LOST, "AGENT_LOST"),
        (CancellationState, CancellationState.CANCELLATION_STATE_TOO_LATE, "TOO_LATE"),
    ],
)
def test_enum_values_are_the_api_s_words(enum, value, expected):
    assert word(enum, value) == expected


def test_a_time_has_milliseconds_and_its_absence_a_dash():
    task = Task(create_time=WHEN)
    assert moment(task.create_time) == "2026-03-01T12:30:00.250Z"
    assert moment(task.end_time) == "-"


def test_json_has_the_names_of_the_proto_files():
    cancellation = Cancellation(cancellation_id="c", create_time=WHEN)
    assert to_json(cancellation) == (
        '{"cancellation_id": "c", "create_time": "2026-03-01T12:30:00.250999Z"}'
    )


def test_a_version_is_one_line_that_can_be_searched():
    task = Task(
        task_id=TASK_ID,
        version=3,
        state=TaskState.TASK_STATE_CANCELLED,
        cancel_proof=CancelProof.CANCEL_PROOF_FORCED,
        update_time=WHEN,
        deadline_time=WHEN - timedelta(seconds=1),
    )
    assert str(line(task)) == (
        f"2026-03-01T12:30:00.250Z  {TASK_ID}  version=3  state=CANCELLED  proof=FORCED"
        "  deadline=2026-03-01T12:29:59.250Z"
    )


def test_a_version_says_what_stands_with_its_money():
    task = Task(task_id=TASK_ID, charge_state=ChargeState.CHARGE_STATE_NONE)
    assert str(line(task)).endswith("deadline=-")
    task.charge_state = ChargeState.CHARGE_STATE_CAPTURED
    assert str(line(task)).endswith("deadline=-  charge=CAPTURED")
    for refund, told in ((1, ""), (2, "  refund=REQUIRED"), (3, "  refund=REFUNDED")):
        task.refund_state = refund
        assert str(line(task)).endswith(f"deadline=-  charge=CAPTURED{told}")


CANCELLATION = Cancellation(
    cancellation_id="c",
    reason="fraud",
    state=CancellationState.CANCELLATION_STATE_PARTIAL,
    results=[
        CancellationResult(
            task_id=TASK_ID,
            disposition=Disposition.DISPOSITION_STOPPED,
            task_state=TaskState.TASK_STATE_CANCELLED,
            cancel_proof=CancelProof.CANCEL_PROOF_FORCED,
            refund_state=RefundState.REFUND_STATE_REQUIRED,
        ),
        CancellationResult(
            task_id=TASK_ID,
            disposition=Disposition.DISPOSITION_SKIPPED,
            task_state=TaskState.TASK_STATE_COMPLETED,
        ),
    ],
)


def test_a_cancelled_checkout_is_told_with_results_proofs_and_refunds():
    facts, results = account(
        CancelCheckoutResponse(
            checkout=Checkout(
                checkout_id="c-1",
                cart_id="cart-1",
                state=CheckoutState.CHECKOUT_STATE_PARTIALLY_CANCELLED,
                version=3,
                task_counts=[TaskCount(state=TaskState.TASK_STATE_COMPLETED, count=2)],
                messages=[CheckoutMessage(content="Checkout cancelled: fraud")],
                cancel_time=WHEN,
            ),
            cancellation=CANCELLATION,
            replayed=True,
        )
    )
    assert facts == [
        ("checkout", "c-1"),
        ("state", "PARTIALLY_CANCELLED"),
        ("version", "3"),
        ("cart", "cart-1"),
        ("tasks", "2 COMPLETED"),
        ("cancelled at", "2026-03-01T12:30:00.250Z"),
        ("the buyer reads", "Checkout cancelled: fraud"),
        ("cancellation", "c"),
        ("cancellation state", "PARTIAL"),
        ("reason", "fraud"),
        ("message", ""),
        ("ends by", "-"),
        ("trace", ""),
        ("replayed", "yes"),
        ("joined", "no"),
    ]
    assert [str(result) for result in results] == [
        f"result  {TASK_ID}  STOPPED   CANCELLED   FORCED  refund=REQUIRED",
        f"result  {TASK_ID}  SKIPPED   COMPLETED   -",
    ]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"reason": "fraud"}, "of key-1 with reason fraud"),
        ({"on_behalf_of": "risk"}, "of key-1 for risk without a reason"),
    ],
)
def test_who_joins_a_cancel_is_told_whose_it_is_and_why_and_since_when(first, said):
    cancellation = Cancellation(requested_by="key-1", create_time=WHEN, **first)
    facts, _ = account(CancelGroupResponse(cancellation=cancellation, joined=True))
    assert facts[-1] == ("joined", f"yes, the cancel {said}, since 2026-03-01T12:30:00.250Z")


def test_the_cancel_of_a_task_that_is_yet_to_come_is_told_without_one():
    waiting = CancellationState.CANCELLATION_STATE_IN_PROGRESS
    cancellation = Cancellation(cancellation_id="c", task_id=TASK_ID, state=waiting)
    facts, results = account(CancelTaskResponse(cancellation=cancellation))
    assert facts[:4] == [
        ("task", TASK_ID),
        ("state", "not created yet"),
        ("cancellation", "c"),
        ("cancellation state", "IN_PROGRESS"),
    ]
    assert results == []


def test_a_cancelled_order_is_told_with_its_checkouts():
    order = Order(
        order_id="o-1",
        number="4711",
        state=OrderState.ORDER_STATE_CANCELLING,
        version=2,
        checkout_ids=["c-1", "c-2"],
        cancel_time=WHEN,
    )
    facts, results = account(CancelOrderResponse(order=order))
    assert facts[:7] == [
        ("order", "o-1"),
        ("number", "4711"),
        ("state", "CANCELLING"),
        ("version", "2"),
        ("checkouts", "c-1, c-2"),
        ("tasks", ""),
        ("cancelled at", "2026-03-01T12:30:00.250Z"),
    ]
    assert results == []


def test_facts_stand_below_one_another_and_are_never_broken(capsys):
    show_facts([("state", "CANCELLED"), ("message", "[bold]" + "x" * 200), ("reason", "")])
    assert capsys.readouterr().out == (
        f"state    CANCELLED\nmessage  [bold]{'x' * 200}\nreason   -\n"
    )


def test_without_a_terminal_the_demo_s_board_is_one_line_for_each_version(capsys):
    board = Board()
    board.expect({TASK_ID: "Fern & Fable Books"})
    task = Task(task_id=TASK_ID, version=2, state=TaskState.TASK_STATE_RUNNING, agent_id="a-1")
    with board.shown():
        board.hear(task)
        board.say("[bold]stop")
    assert capsys.readouterr().out == (
        "     0 ms  Fern & Fable Books    RUNNING     version 2  proof -  a-1\n[bold]stop\n"
    )


def test_on_a_terminal_the_demo_s_board_is_a_table(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    board = Board()
    board.expect({TASK_ID: "Fern & Fable Books"})
    with board.shown():
        board.cancel_is_sent()
        board.hear(
            Task(
                task_id=TASK_ID,
                version=4,
                state=TaskState.TASK_STATE_CANCELLED,
                cancel_proof=CancelProof.CANCEL_PROOF_FORCED,
            )
        )
    last = capsys.readouterr().out.split("merchant")[-1]
    for text in ("Fern & Fable Books", "CANCELLED", "4", "FORCED", " ms"):
        assert text in last


def _told(state, number=1, **more):
    ended = state in (TaskState.TASK_STATE_CANCELLED, TaskState.TASK_STATE_COMPLETED)
    task = Task(task_id=str(number), state=state, end_time={"seconds": 1} if ended else None)
    return WatchTasksResponse(type=WatchType.WATCH_TYPE_CHANGE, task=task, **more)


def test_a_watch_says_once_what_an_open_group_waits_for_whose_tasks_have_ended(capsys):
    synced = WatchTasksResponse(type=WatchType.WATCH_TYPE_SYNCED)
    waiting = Waiting("group")
    for message in (
        _told(TaskState.TASK_STATE_RUNNING),
        _told(TaskState.TASK_STATE_COMPLETED, 2),
        synced,
        _told(TaskState.TASK_STATE_CANCELLING),
    ):
        waiting.hear(message)
    assert capsys.readouterr().err == ""
    waiting.hear(_told(TaskState.TASK_STATE_CANCELLED))
    waiting.hear(WatchTasksResponse(type=WatchType.WATCH_TYPE_HEARTBEAT))
    said = "all 2 tasks have ended, and the group is open: it is over when it is cancelled"
    assert capsys.readouterr().err == f"countermand: {said}; waiting on\n"
    waiting.hear(_told(TaskState.TASK_STATE_RUNNING, 3))
    waiting.hear(_told(TaskState.TASK_STATE_CANCELLED, 3))
    assert "all 3 tasks have ended" in capsys.readouterr().err


def test_a_watch_says_nothing_of_a_group_that_is_over(capsys):
    waiting = Waiting("order")
    waiting.hear(WatchTasksResponse(type=WatchType.WATCH_TYPE_SYNCED, last=True))
    waiting.hear(_told(TaskState.TASK_STATE_CANCELLED, last=True))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    [
        ["cancel", "task", TASK_ID, "--message", "a\udcffb"],
        ["get", "task", "\ud800"],
        ["keys", "create", "--tenant", "t", "--scope", "tasks:read", "--name", "\udcff"],
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, capsys, words):
    """As a shell hands on bytes that are not UTF-8; no request can hold them."""
    store = ["--store", f"sqlite:///{tmp_path / 'x.db'}"] if words[0] == "keys" else []
    access = [] if store else ["--server", "127.0.0.1:1", "--api-key", "cmd_sandbox_0_0"]
    assert run([*words, *store, *access]) == 2
    assert re.fullmatch(r"countermand: this is no text in UTF-8: '\S+'\n", capsys.readouterr().err)
