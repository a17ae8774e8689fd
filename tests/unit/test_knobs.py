"""Bounds are knobs: no other module may have a number of its own that bounds something."""

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from countermand.client.knobs import ClientKnobs
from countermand.core.knobs import Knobs

SOURCE = Path(__file__).parents[2] / "service" / "countermand"
KNOBS = ("core/knobs/", "client/knobs.py")

# The numbers that are no knobs, by why they are none. A name that is used no more must go.
ALLOWED: dict[str, set[str]] = {
    "unit": {
        "core/idle.py NANOSECONDS",
        "cli/options.py _UNITS",
        "core/records.py SECOND",
        "core/retention.py DAY",
        "core/webhooks.py HOUR",
        "core/webhooks.py DAY",
        "engine/clock.py NANOSECONDS",
        "engine/purger.py HOUR",
        "store/postgres/shared.py HOUR",
        "store/sql/reading_cancellations.py MILLISECOND",
        "rpc/guard/buckets.py SECOND",
        "telemetry/environment.py _MILLISECONDS",
        "rpc/guard/limits.py MILLISECOND",
        "rpc/wire/form.py DAY",
        "rpc/wire/form.py HOUR",
    },
    "file format": {
        "store/sqlite/file/claim.py FIRST_BYTE",
        "store/sqlite/file/header.py CONSTANTS",
        "store/sqlite/file/header.py INTEGER_SIZES",
        "store/sqlite/file/header.py LEAF",
        "store/sqlite/file/header.py SIZE",
        "store/sqlite/file/inspection.py APPLICATION_ID",
        "store/sqlite/file/pairing.py COOKIES",
        "store/sqlite/file/pairing.py LOG_ID",
        "store/sql/queries.py NO_NUMBER",
        "store/postgres/values.py _LOADERS",
        "store/sql/rows/holders.py _SHARED",
        "store/sql/rows/tasks.py EVENT_WIDTH",
        "store/sqlite/file/wal.py LOGS",
        "store/sqlite/file/wal.py PAGE",
        "store/sqlite/file/wal.py YOUNGER_LOGS",
    },
    "one thread": {"rpc/servicers/large.py _THREAD"},
    "mode of files": {"store/sqlite/file/claim.py PRIVATE"},
    "format of ids, digests and tokens": {
        "core/commands.py digest: blake2b(digest_size)",
        "engine/keyring.py _NOBODY",
        "engine/vault.py SECRET_BYTES",
        "cli/local_keys.py OPERATOR",
        "rpc/wire/tokens.py _MAX_DIGITS",
        "rpc/wire/tokens.py _DIGEST_BYTES",
        "store/sql/rows/labels.py _DIGEST_BYTES",
        "store/postgres/receiving.py sum_of: blake2b(digest_size)",
        "rpc/wire/tokens.py _SYNCED",
        "store/sql/reading_cancellations.py AHEAD",
        "telemetry/sampling.py _LOW_64_BITS",
        "telemetry/traceparent.py _NO_SPAN",
        "telemetry/traceparent.py _NO_TRACE",
        "telemetry/traceparent.py _MAX_LENGTH",
        "telemetry/traceparent.py _MAX_MEMBERS",
        "telemetry/traceparent.py _SAMPLED",
    },
    "wire format": {
        "cli/reaching.py _PREFACE",
        "rpc/wire/pieces.py MAX_VARINT",
        "rpc/wire/pieces.py VARINT, FIXED64, BYTES, FIXED32",
        "rpc/wire/render/pages.py _FRAME_BYTES",
    },
    "of the protocols of the internet": {
        "client/channels.py _MAX_PORT",
        "core/egress.py WEB_PORTS",
        "store/postgres/address.py DEFAULTS",
        "core/egress.py FIRST_FREE_PORT",
        "core/egress.py LAST_PORT",
        "webhooks/sender.py PAUSING",
        "app/address.py MAX_PORT",
        "app/address.py _MAX_NAME",
        "telemetry/scraping.py _NO_LINGER",
    },
    "bounds of what is measured": {
        "telemetry/instruments.py AGE_BUCKETS",
        "telemetry/instruments.py BATCH_BUCKETS",
        "telemetry/instruments.py CALL_BUCKETS",
        "telemetry/instruments.py CANCEL_BUCKETS",
        "telemetry/instruments.py COMMIT_BUCKETS",
    },
    "number of glibc": {"app/memory.py M_ARENA_MAX"},
    "contract bound": {
        "core/quotas.py ROW_BYTES",
        "store/postgres/opening.py OLDEST_SERVER",
        "client/runtime/job.py _MAX_MESSAGE",
        "client/runtime/keeping.py MAX_STOPS",
        "core/egress.py MAX_URL",
        "core/webhooks.py MAX_WEBHOOKS",
        "core/webhooks.py MAX_SECRETS",
        "core/webhooks.py SCHEDULE",
        "core/webhooks.py LIFETIME",
        "core/webhooks.py FAILURES_THAT_HOLD_BACK",
        "core/webhooks.py DISABLED_AFTER",
        "core/webhooks.py MAX_RETRY_AFTER",
        "core/webhooks.py DELIVERY_RETENTION",
        "core/webhooks.py MAX_KEPT_DELIVERIES",
        "core/webhooks.py MAX_ATTEMPTS",
        "rpc/servicers/webhook.py LARGEST_PAGE",
        "rpc/wire/parse/webhooks.py MAX_NAME",
        "rpc/wire/parse/webhooks.py MAX_OVERLAP",
        "webhooks/sender.py MAX_ERROR",
        "core/records.py MAX_CHECKOUTS_PER_ORDER",
        "core/records.py MAX_ORDERS_PER_CHECKOUT",
        "core/records.py MAX_HOLDER_VERSIONS",
        "rpc/method.py MEDIUM",
        "rpc/method.py MAX_CERTIFICATE_NAME",
        "rpc/servicers/cancellation.py MAX_ROWS",
        "rpc/servicers/operator.py MAX_REFUSALS",
        "store/sql/reading_operator.py MAX_COUNTED",
        "rpc/guard/refusal_counts.py WINDOW",
        "rpc/wire/bounds.py BY_FIELD",
        "rpc/wire/bounds.py BY_NAME",
        "rpc/wire/bounds.py MAX_DEPTH",
        "rpc/wire/bounds.py MAX_PATHS",
        "rpc/wire/bounds.py MAX_SNAPSHOT_BYTES",
        "rpc/wire/bounds.py MAX_STATES",
        "rpc/wire/bounds.py NAME",
        "rpc/wire/bounds.py PARTS",
        "rpc/wire/bounds.py TOKEN",
        "rpc/wire/bounds.py UUID",
        "rpc/wire/form.py MAX_LABELS",
        "rpc/wire/form.py MAX_LABEL_BYTES",
        "rpc/wire/render/tasks.py MAX_ANSWERED_BYTES",
        "rpc/wire/render/tasks.py MAX_ANSWERED_TASKS",
        "cli/keys.py _all: keys.list_keys(page_size)",
        "cli/paging.py PAGE_SIZE",
        "cli/status.py _NEAR",
        "cli/top/command.py _HEARTBEAT_INTERVAL",
        "cli/top/command.py _REFRESH_INTERVAL",
        "cli/top/command.py _REFUNDS_INTERVAL",
        "cli/top/command.py _SILENCE",
        "cli/top/command.py _STATUS_INTERVAL",
        "cli/top/screen.py NEAR",
        "cli/top/screen.py SMALL",
        "cli/top/state.py MAX_LATELY",
        "cli/top/state.py WINDOW",
        "core/cancellations.py EARLY_CANCEL_LIFETIME",
        "core/cancellations.py MAX_JOINS",
        "core/leases.py MAX_DELAY",
        "core/records.py DEFAULT_GRACE",
        "core/records.py MAX_LATE_REPORTS",
        "core/records.py MAX_TASKS_PER_TARGET",
        "core/records.py MAX_VERSIONS",
        "core/retention.py MAX_OWED_RETENTIONS",
        "core/shipping.py MAX_WORD_LENGTH",
        "rpc/method.py LARGE",
        "rpc/method.py SMALL",
        "rpc/servicers/agent.py MAX_STOPS",
        "rpc/status.py ANSWERS",
        "rpc/wire/form.py DEFAULT_PAGE",
        "rpc/wire/form.py LARGEST_PAGE",
        "rpc/wire/form.py LONGEST_TEXT",
        "rpc/wire/form.py MAX_VIOLATIONS",
        "rpc/wire/parse/agents.py DEFAULT_LEASE",
        "rpc/wire/parse/keys.py HIGHEST_LIMIT",
        "rpc/wire/parse/keys.py LONGEST_OVERLAP",
        "rpc/wire/parse/watches.py DEFAULT_HEARTBEAT",
        "telemetry/variables.py VARIABLES",
    },
    "settings default": {
        "cli/options.py _MAX_DAYS",
        "cli/listening.py _MAX_BODY",
        "cli/webhooks.py _POLL_SECONDS",
        "cli/webhooks.py run: client.list_deliveries(page_size)",
        "cli/webhooks.py deliveries(limit)",
        "cli/webhooks.py deliveries: typer.Option(max)",
        "cli/options.py _RECONNECT_TIMEOUT",
        "cli/options.py _TIMEOUT",
        "cli/reaching.py _PROBE_TIMEOUT",
        "cli/watch.py _HEARTBEAT_INTERVAL",
        "cli/watch.py _SILENCE",
        "client/connection.py __init__(reconnect_timeout)",
        "client/connection.py __init__(timeout)",
        "client/runtime/agent.py LEASE",
        "client/runtime/agent.py run(max_tasks)",
        "client/sync/runtime.py run(max_tasks)",
        "app/settings.py Settings.drain_timeout",
        "app/settings.py Settings.max_failed_logins",
        "app/settings.py Settings.max_watches",
        "app/settings.py Settings.retention",
        "telemetry/environment.py DEFAULT_RATIO",
        "telemetry/environment.py _FIXED_RATIOS",
    },
    "estimate": {
        "engine/watching/entries.py ENTRY_BYTES",
        "engine/watching/entries.py LABEL_BYTES",
        "store/sql/session.py JSON_IN_A_MILLISECOND",
    },
    "first value": {
        "client/errors.py __init__(attempts)",
        "client/errors.py from_rpc(attempts)",
        "core/records.py Cart.version",
        "core/records.py Holder.version",
        "core/records.py Task.version",
    },
    "mark": {
        "cli/failures.py DONE, REFUSED, WRONG_USAGE, NOT_REACHED",
        "engine/watching/watch.py NOWHERE",
        "engine/watching/stretch.py UNKNOWN",
    },
    "layout": {
        "cli/output.py show(indent)",
        "cli/cancel.py _show: to_json(indent)",
        "cli/webhooks.py _set: to_json(indent)",
        "cli/webhooks.py _make: to_json(indent)",
        "cli/webhook_account.py show_delivery: to_json(indent)",
        "cli/keys.py _make: to_json(indent)",
        "cli/keys.py revoke: to_json(indent)",
        "cli/settle.py settle: to_json(indent)",
        "cli/demo/board.py _table: table.add_column(min_width)",
        "cli/demo/board.py shown: Live(refresh_per_second)",
    },
    "play of the demo": {
        "cli/demo/agents.py _LEASE",
        "cli/demo/play.py _BETWEEN_STARTS",
        "cli/demo/play.py _CAST",
        "cli/demo/play.py _SHOPPING",
        "cli/demo/sales.py GRACE_SECONDS",
        "cli/demo/sales.py _PRICES",
        "cli/demo/server.py __init__: deque(maxlen)",
        "cli/demo/server.py _START_TIMEOUT",
        "cli/demo/server.py _STOP_TIMEOUT",
    },
}
REASONS = {name: reason for reason, names in ALLOWED.items() for name in names}

# Calls whose bare numbers bound something; with others, a number is told by its name alone.
BOUNDING = {
    "BoundedSemaphore",
    "Queue",
    "Semaphore",
    "ThreadPoolExecutor",
    "call_later",
    "deque",
    "sleep",
    "timeout",
    "wait",
    "wait_for",
}


class Number(NamedTuple):
    """A number in the source: where it stands, and what it is given to."""

    name: str
    line: int


def is_number(node: ast.AST) -> bool:
    """Whether it is a number that can bound something: any but nought."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
        and node.value != 0
    )


def has_number(node: ast.AST | None) -> bool:
    return node is not None and any(map(is_number, ast.walk(node)))


def is_arithmetic(node: ast.AST) -> bool:
    """Whether it is a number, or put together from numbers alone."""
    parts = [part for part in ast.walk(node) if isinstance(part, ast.expr)]
    plain = (ast.Constant, ast.BinOp, ast.UnaryOp)
    return all(isinstance(part, plain) for part in parts) and has_number(node)


def constants(body: list[ast.stmt], owner: str = "") -> Iterator[Number]:
    """What modules and classes name that holds a number."""
    for node in body:
        match node:
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
                if has_number(node.value):
                    yield Number(owner + ast.unparse(target).strip("()"), node.lineno)
            case ast.Assign():
                if has_number(node.value):
                    yield Number(owner + ast.unparse(node.targets[0]), node.lineno)
            case ast.ClassDef():
                yield from constants(node.body, f"{node.name}.")
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                yield from constants(node.body + getattr(node, "orelse", []), owner)


Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def defaults(node: Function, name: str) -> Iterator[Number]:
    """Arguments with a number by default."""
    given = node.args
    named = (given.posonlyargs + given.args)[::-1]
    pairs = [
        *zip(named, given.defaults[::-1], strict=False),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        if default is not None and has_number(default):
            yield Number(f"{name}({argument.arg})", default.lineno)


def calls(node: ast.Call, within: str) -> Iterator[Number]:
    """Numbers that a function gives to another by their names, or to one that waits or bounds."""
    called = ast.unparse(node.func)
    for keyword in node.keywords:
        if is_arithmetic(keyword.value) and ast.unparse(keyword.value) != "1":
            yield Number(f"{within}: {called}({keyword.arg})", keyword.value.lineno)
    if called.rpartition(".")[2] in BOUNDING and any(map(is_arithmetic, node.args)):
        yield Number(f"{within}: {called}()", node.lineno)


def inside(node: ast.AST, within: str) -> Iterator[Number]:
    """Numbers within functions, however deep."""
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, Function):
            name = getattr(child, "name", "lambda")
            yield from defaults(child, name)
        elif isinstance(child, ast.Call) and within:
            yield from calls(child, within)
        yield from inside(child, name)


def numbers(path: str, text: str) -> list[Number]:
    """Returns all numbers of a module that may be bounds."""
    tree = ast.parse(text)
    found = [*constants(tree.body), *inside(tree, "")]
    return [Number(f"{path} {name}", line) for name, line in found]


def modules() -> Iterator[tuple[str, str]]:
    """Every module that was written and not generated."""
    for file in sorted(SOURCE.rglob("*.py")):
        path = file.relative_to(SOURCE)
        if path.parts[0] != "v1" and not str(path).startswith(KNOBS):
            yield str(path), file.read_text()


def test_bounds_stand_nowhere_but_in_the_knobs() -> None:
    found = [number for path, text in modules() for number in numbers(path, text)]
    broken = [f"{name} in line {line}" for name, line in found if name not in REASONS]
    assert not broken, "a bound belongs to the knobs:\n" + "\n".join(broken)
    gone = set(REASONS) - {number.name for number in found}
    assert not gone, f"no longer there: {gone}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MAX_X = 100", "MAX_X"),
        ("MAX_X = 1", "MAX_X"),
        ("MAX_X: Final = 16 * 1024", "MAX_X"),
        ("MAX_X = -(2**3)", "MAX_X"),
        ("MAX_X = 30 * SECOND", "MAX_X"),
        ("OPTIONS = [('grpc.keepalive_time_ms', 30_000)]", "OPTIONS"),
        ("WAIT = timedelta(seconds=5)", "WAIT"),
        ("if sys.platform == 'linux':\n    MAX_X = 100", "MAX_X"),
        ("class A:\n    window = 10_000", "A.window"),
        ("class A:\n    class B:\n        pause: float = 0.5", "B.pause"),
        ("def f(limit=100): ...", "f(limit)"),
        ("async def f(*, limit: int = 100): ...", "f(limit)"),
        ("class A:\n    def f(self, a, limit=2 * 50): ...", "f(limit)"),
        ("def f():\n    def g(limit=100): ...", "g(limit)"),
        ("f = lambda limit=100: limit", "lambda(limit)"),
        ("def f():\n    read(limit=100)", "f: read(limit)"),
        ("async def f():\n    await asyncio.sleep(0.5)", "f: asyncio.sleep()"),
        ("async def f():\n    await asyncio.wait_for(x, 2 * 5)", "f: asyncio.wait_for()"),
    ],
)
def test_a_planted_bound_is_found(text: str, name: str) -> None:
    assert f"a.py {name}" in [number.name for number in numbers("a.py", text)]


@pytest.mark.parametrize(
    "text",
    [
        "NAME = 'a1'",
        "FIRST = 0",
        "FLAG = True",
        "def f(limit, after=0, flag=True): ...",
        "def f(row):\n    return row[14]",
        "async def f():\n    await asyncio.sleep(self._knobs.pause)",
        "async def f():\n    await asyncio.sleep(0)",
    ],
)
def test_what_bounds_nothing_is_let_be(text: str) -> None:
    assert numbers("a.py", text) == []


def each(knobs: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every knob with its path."""
    for field in fields(knobs):
        value = getattr(knobs, field.name)
        if is_dataclass(value):
            yield from each(value, f"{path}{field.name}.")
        else:
            yield path + field.name, value


@pytest.mark.parametrize("knobs", [Knobs(), ClientKnobs()])
def test_every_knob_is_a_positive_number_that_cannot_be_changed(knobs: Any) -> None:
    assert all(value > 0 for _, value in each(knobs))
    with pytest.raises(FrozenInstanceError):
        setattr(knobs, fields(knobs)[0].name, 1)
