"""Logs: one JSON object a line on stderr, whatever is in it."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from countermand.core.knobs import TelemetryKnobs
from countermand.core.trace import TraceContext
from countermand.telemetry.log_writer import LogWriter

LineCount: TypeAlias = Callable[[], int | None]

_FIELDS: Final = "countermand_fields"
FOREIGN: Final = {"grpc", "asyncio"}
"""The loggers of libraries that write what callers sent."""


def fields(trace: TraceContext | None = None, /, **values: object) -> dict[str, object]:
    """Returns the `extra` of a log call: `log.info("call refused", extra=fields(reason="..."))`.

    With a trace, given first and without a name, the line carries its ids. Values that JSON cannot
    hold are written as text.
    """
    if trace is not None:
        values = {"trace_id": trace.trace_id, "span_id": trace.span_id, **values}
    return {_FIELDS: values}


class JsonFormatter(logging.Formatter):
    """Renders a record as JSON in printable ASCII without a line break.

    The fields are time (RFC 3339, UTC), level, logger, event, those of `fields`, and, if there was
    one, exception. A field that takes one of these names is written with a `_` behind it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end. Never fails."""
        line: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": _event(record),
        }
        given = getattr(record, _FIELDS, None)
        if given:
            taken = {*line, "exception", "stack"}
            line |= {f"{name}_" if name in taken else name: given[name] for name in given}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return _to_json(line)


class _Handler(logging.Handler):
    """Hands lines to the thread that writes them."""

    def __init__(
        self, writer: LogWriter, strangers: Callable[[], int | None], knobs: TelemetryKnobs
    ) -> None:
        super().__init__()
        self._writer = writer
        self._strangers = strangers
        self._knobs = knobs

    def emit(self, record: logging.LogRecord) -> None:
        """Formats the record here and now, so that nothing that it names is kept."""
        if record.name.partition(".")[0] in FOREIGN:
            left_out = self._strangers()
            if left_out is None:
                return
            record = _without_values(record, left_out, self._knobs.max_places)
        self._writer.write(self.format(record))

    def flush(self) -> None:
        """Waits a moment for what is not written yet."""
        self._writer.flush(self._knobs.log_timeout)


class TextFormatter(JsonFormatter):
    """Renders a record for people, in printable ASCII without a line break: time, level, event, and
    the fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end. Never fails."""
        line = json.loads(super().format(record))
        begin = f"{line.pop('time')} {line.pop('level'):<8} {_quoted(line.pop('event'))}"
        return "  ".join([begin, *(f"{name}={_quoted(value)}" for name, value in line.items())])


def _quoted(value: object) -> str:
    """Returns a value as JSON; a text alone if it cannot be taken for anything else."""
    text = _to_json({"": value}).removeprefix('{"": ').removesuffix("}")
    bare = isinstance(value, str) and text == f'"{value}"' and value and "  " not in value
    return str(value) if bare and "=" not in str(value) else text


def configure(
    level: str, strangers: LineCount, knobs: TelemetryKnobs, *, as_text: bool = False
) -> None:
    """Sends all logs from `level` up, such as `INFO`, and Python's warnings, to stderr: as JSON, or
    as text for people.

    Of what libraries log of calls, which strangers can cause, `strangers` says line by line how
    many were left out before it, and None if it is to be left out, too. Nobody waits for stderr:
    what it does not take is left out and counted. Replaces whatever handlers the root logger had.
    Raises ValueError if there is no such level.
    """
    root = logging.getLogger()
    root.setLevel(level.upper())
    formatter = TextFormatter() if as_text else JsonFormatter()
    writer = LogWriter(sys.stderr, knobs.max_log_bytes, lambda count: formatter.format(_gap(count)))
    handler = _Handler(writer, strangers, knobs)
    handler.setFormatter(formatter)
    root.handlers[:] = [handler]
    logging.captureWarnings(True)
    # What no line shows need not be looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def flush() -> None:
    """Waits a moment until the log is written, so that what follows it on stderr stands below."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _gap(count: int) -> logging.LogRecord:
    """Returns what stands in the log for lines that are not there."""
    return logging.makeLogRecord(
        {
            "name": __name__,
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": "standard error took no more lines",
            **fields(left_out=count),
        }
    )


def _without_values(record: logging.LogRecord, left_out: int, max_places: int) -> logging.LogRecord:
    """Returns a record with nothing that a caller may have sent: not its arguments, nor the text
    of its error. A message without arguments may have been put together from them."""
    said = str(record.msg) if record.args else f"{record.name} has something to say of a call"
    error = record.exc_info[1] if record.exc_info else None
    found = (
        {} if error is None else {"error": type(error).__name__, "at": _places(error, max_places)}
    )
    given = {
        name: getattr(record, name) for name in ("name", "levelno", "levelname", "created", "msecs")
    }
    return logging.makeLogRecord(
        {**given, "msg": said, "args": (), **fields(**found, left_out=left_out)}
    )


def _places(error: BaseException, most: int) -> list[str]:
    """Returns where an error came through, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__, limit=-most)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _rfc3339(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _event(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # wrong arguments: the line matters more than its form
        return f"{_text(record.msg)} {_text(record.args)}"


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _to_json(line: Mapping[str, object]) -> str:
    try:
        text = _ENCODE(line)
    except (TypeError, ValueError, RecursionError):
        text = _ENCODE({name: _jsonable(value) for name, value in line.items()})
    # The one control character that JSON lets pass.
    return text.replace("\x7f", "\\u007f")


def _jsonable(value: object) -> object:
    """Returns the value, or its text if it has cycles, not-a-number, odd keys or endless digits."""
    try:
        _ENCODE(value)
    except (TypeError, ValueError, RecursionError):
        return _text(value)
    return value


_ENCODE: Final = json.JSONEncoder(allow_nan=False, default=_text).encode
