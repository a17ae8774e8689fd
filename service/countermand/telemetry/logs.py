"""Logs: one JSON object a line on stderr, whatever is in it."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from countermand.core.trace import TraceContext

_FIELDS: Final = "countermand_fields"


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


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines as long as somebody takes them."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Does nothing: the formatter never fails, and what stderr does not take can be told
        nowhere."""


def configure(level: str) -> None:
    """Sends all logs from `level` up, such as `INFO`, and Python's warnings, to stderr as JSON.

    Replaces whatever handlers the root logger had. Raises ValueError if there is no such level.
    """
    root = logging.getLogger()
    root.setLevel(level.upper())
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root.handlers[:] = [handler]
    logging.captureWarnings(True)
    # What no line shows need not be looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


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
