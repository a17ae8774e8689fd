"""One line of JSON for each event, whatever is in it."""

import io
import json
import logging
import warnings
from datetime import UTC, datetime

import pytest

from countermand.core.trace import TraceContext
from countermand.telemetry import logs
from countermand.telemetry.logs import JsonFormatter, TextFormatter, fields
from tests.support.knobs import PRODUCTION

CONTEXT = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)


class Written:
    """A logger, and the lines that it wrote."""

    def __init__(self) -> None:
        self.stream = io.StringIO(newline="")
        self.log = logging.Logger("countermand.test")
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(JsonFormatter())
        self.log.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def only(self) -> dict:
        """The one line, read strictly."""
        assert self.text.endswith("\n")
        [line] = self.text[:-1].splitlines()

        def refuse(constant):
            raise AssertionError(f"not JSON: {constant}")

        return json.loads(line, parse_constant=refuse)


@pytest.fixture
def written():
    return Written()


def configure(level: str, strangers=lambda: 0) -> None:
    logs.configure(level, strangers, PRODUCTION.telemetry)


@pytest.fixture
def kept_root():
    """Puts the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    switches = ("logThreads", "logProcesses", "logMultiprocessing")
    before = {name: getattr(logging, name) for name in switches}
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    for name, value in before.items():
        setattr(logging, name, value)


def test_a_line_has_time_level_logger_and_event(written):
    before = datetime.now(UTC)
    written.log.warning("ready on %s", 8443)
    line = written.only
    assert line.pop("time").endswith("Z")
    assert line == {"level": "WARNING", "logger": "countermand.test", "event": "ready on 8443"}
    moment = datetime.fromisoformat(json.loads(written.text)["time"])
    assert before <= moment <= datetime.now(UTC)


def test_the_time_is_rfc_3339_with_microseconds():
    record = logging.makeLogRecord({"msg": "x", "created": 1_700_000_000.0})
    assert json.loads(JsonFormatter().format(record))["time"] == "2023-11-14T22:13:20.000000Z"


def test_fields_are_added(written):
    written.log.info("call refused", extra=fields(method="a/B", ms=1.5, retried=False, why=None))
    expected = {"method": "a/B", "ms": 1.5, "retried": False, "why": None}
    assert written.only.items() >= expected.items()


def test_a_trace_adds_its_ids(written):
    written.log.info("slow call", extra=fields(CONTEXT, trace="any"))
    ids = {"trace_id": CONTEXT.trace_id, "span_id": CONTEXT.span_id, "trace": "any"}
    assert written.only.items() >= ids.items()


def test_a_field_does_not_replace_what_the_line_says(written):
    given = {"time": 1, "level": 2, "event": 3, "logger": 4, "exception": 5, "stack": 6}
    written.log.info("true", extra=fields(**given))
    line = written.only
    assert (line["event"], line["level"]) == ("true", "INFO")
    assert line.items() >= {f"{name}_": value for name, value in given.items()}.items()


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def cycle() -> list:
    found: list = []
    found.append(found)
    return found


def deep() -> list:
    found: list = []
    for _ in range(100_000):
        found = [found]
    return found


HOSTILE = [
    'end\n{"level":"ERROR","event":"forged"}',
    "\r\n\x00\x1b[31m\x7f\x85\u2028\u2029",
    '"\\"',
    "lone \ud800 surrogate",
    "naïve ☃ 🙂",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_line(written, text):
    written.log.info(text, extra=fields(reason=text, **{text: 1}))
    line = written.only
    assert (line["event"], line["reason"], line[text]) == (text, text, 1)
    assert written.text[:-1].isascii()
    assert written.text[:-1].isprintable()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 10**5000, b"\xff", {(1, 2): 3}, {1, 2}, object(), Unprintable()],
    ids=["nan", "inf", "digits", "bytes", "keys", "set", "object", "unprintable"],
)
def test_a_value_that_json_cannot_hold_becomes_text(written, value):
    written.log.info("odd", extra=fields(value=value, ms=1))
    line = written.only
    assert isinstance(line["value"], str)
    assert line["ms"] == 1


@pytest.mark.parametrize("make", [cycle, deep])
def test_endless_and_bottomless_values_become_text(written, make):
    written.log.info("odd", extra=fields(value=make(), ms=1))
    line = written.only
    assert isinstance(line["value"], str)
    assert line["ms"] == 1


@pytest.mark.parametrize(
    "arguments", [(1, 2), ("a",), (Unprintable(),)], ids=["many", "text", "bad"]
)
def test_wrong_arguments_do_not_lose_the_line(written, arguments):
    written.log.info("count %d", *arguments)
    assert written.only["event"].startswith("count %d ")


def test_an_exception_is_one_field(written):
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        written.log.exception("commit failed", stack_info=True)
    line = written.only
    assert line["event"] == "commit failed"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: first\nsecond")
    assert line["stack"].startswith("Stack (most recent call last):\n")


def test_there_is_no_exception_field_without_an_exception(written):
    written.log.error("told to look, found none", exc_info=True)
    assert "exception" not in written.only


def test_configure_writes_lines_to_stderr_from_its_level(kept_root, capsys):
    configure("warning")
    configure("info")
    logging.getLogger("countermand.any").debug("not shown")
    logging.getLogger("other.library").info("shown")
    logs.flush()
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["event"] == "shown"


def test_configure_takes_warnings_along(kept_root, capsys):
    configure("INFO")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old\nway", stacklevel=1)
    logs.flush()
    line = json.loads(capsys.readouterr().err)
    assert (line["logger"], line["level"]) == ("py.warnings", "WARNING")
    assert "old\nway" in line["event"]


def test_configure_refuses_an_unknown_level(kept_root):
    with pytest.raises(ValueError, match="LOUD"):
        configure("loud")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("RATE_LIMITED", "RATE_LIMITED"),
        ("two words", "two words"),
        ("two  blanks", '"two  blanks"'),
        ("a=b", '"a=b"'),
        ("", '""'),
        ("one\ntwo", '"one\\ntwo"'),
        ("\u202e", '"\\u202e"'),
        (12, "12"),
        (["a", "b"], '["a", "b"]'),
        (None, "null"),
    ],
)
def test_text_is_one_line_of_time_level_event_and_fields(value, shown):
    record = logging.LogRecord("countermand.x", logging.INFO, "", 0, "call refused", (), None)
    record.created = 1795000000.25
    vars(record).update(fields(reason=value))
    line = TextFormatter().format(record)
    begin = "2026-11-18T11:06:40.250000Z INFO     call refused  logger=countermand.x"
    assert line == f"{begin}  reason={shown}"
    assert line.isascii()
    assert line.isprintable()
