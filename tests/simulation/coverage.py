"""What histories are made of: `python -m tests.simulation --covered`.

Every command of the core and every method of the API is done by somebody, every internal bound is
drawn down to its least, and every border has its faults; what is left out is left out for a reason.
`make simulate` fails if it plays many histories and one of these was done in none of them.
"""

from collections.abc import Iterable, Iterator

from countermand.v1 import (
    agent_service_pb2,
    cancellation_service_pb2,
    checkout_service_pb2,
    key_service_pb2,
    operator_service_pb2,
    order_service_pb2,
    task_service_pb2,
    webhook_service_pb2,
)
from tests.simulation.knobs import COSTLY, DRAWN_HERE, UNUSED
from tests.support.knobs import KEPT, LEAST, PRODUCTION, each

ENOUGH = 150
"""How many histories do all of it."""
SERVICES = (
    agent_service_pb2,
    cancellation_service_pb2,
    checkout_service_pb2,
    key_service_pb2,
    operator_service_pb2,
    order_service_pb2,
    task_service_pb2,
    webhook_service_pb2,
)
COMMANDS = {
    **dict.fromkeys(
        ("CreateTask", "CreateGroup", "CreateCheckout", "CreateOrder"), "workers of three tenants"
    ),
    **dict.fromkeys(
        ("StartTask", "RenewLease", "BeginCharge", "ReportCharge", "FinishTask"),
        "workers, with fences of now and of before",
    ),
    **dict.fromkeys(
        ("CancelTask", "CancelGroup", "CancelCheckout", "CancelOrder"),
        "workers: first ones, joins, repeats, early ones, trials, and with versions",
    ),
    **dict.fromkeys(
        ("CompleteCheckout", "ChangeCart", "UpdateCheckout", "UpdateOrder", "SettleRefund"),
        "workers; refunds also again, and otherwise",
    ),
    **dict.fromkeys(("CreateKey", "RevokeKey", "RotateKey"), "key lives, and the operator"),
    **dict.fromkeys(
        (
            "CreateWebhook",
            "UpdateWebhook",
            "DeleteWebhook",
            "RotateSecret",
            "SendTest",
            "Redeliver",
        ),
        "owners of webhooks",
    ),
    "Reap": "the reaper",
    "Purge": "the purger, under every watch",
    "NoteClock": "the timekeeper",
    "NoteKeyUses": "the keyring",
    "NoteOutcomes": "the courier of each endpoint: its cursor",
    "PurgeNotices": "the dispatcher: the outbox",
}
"""By whom each command of the core is given."""
BORDERS = {
    "caller and guard": ("messages take drawn times", "callers hang up", "deadlines pass"),
    "guard and watcher": ("stall_watchers", "watches are left and resumed anywhere"),
    "writer and disk": ("commit_fails", "commit_full", "commit_busy", "commit_unknown", "slow"),
    "a transaction and its middle": ("it pauses there, for readers and for a crash",),
    "readers and disk": ("read_fails", "each hop takes a drawn time"),
    "the process and its machine": ("crash", "restart", "stand_still"),
    "the clock": ("clock_jump",),
    "the outbox and its endpoints": ("endpoints fail, are slow, and are sent the same again",),
}
"""What goes wrong at each border: the faults by their names, and what needs none."""
CANNOT = {
    path: why
    for path, why in KEPT.items()
    if path not in DRAWN_HERE and not path.startswith(tuple(UNUSED))
}
"""The bounds, by their beginnings, that are those of production, and why."""


def methods() -> set[str]:
    """Returns all methods of the API, as histories call them."""
    found = set()
    for module in SERVICES:
        for service in module.DESCRIPTOR.services_by_name.values():
            found |= {method.input_type.name.removesuffix("Request") for method in service.methods}
    return found


def drawn_bounds() -> dict[str, float]:
    """Returns the bounds that histories draw, with the least of each."""
    least = LEAST | DRAWN_HERE
    return {
        path: least.get(path, 1 if isinstance(most, int) else 0.001)
        for path, most in each(PRODUCTION)
        if not path.startswith((*UNUSED, *CANNOT))
    }


def missing(done: Iterable[str]) -> list[str]:
    """Returns what should be done in many histories, and was done in none."""
    faults = {name for names in BORDERS.values() for name in names if " " not in name}
    return sorted({*COMMANDS, *methods(), *faults} - set(done))


def lines() -> Iterator[str]:
    """Returns all of it, for people."""
    yield f"# {len(COMMANDS)} commands of the core"
    yield from (f"{name}: {whom}" for name, whom in COMMANDS.items())
    yield f"# {len(methods())} methods of the API"
    yield ", ".join(sorted(methods()))
    yield "# faults, by border"
    yield from (f"{border}: {', '.join(faults)}" for border, faults in BORDERS.items())
    yield f"# {len(drawn_bounds())} bounds that are drawn, from the least"
    for path, least in drawn_bounds().items():
        rarely = f", but mostly from {COSTLY[path]:g}" if path in COSTLY else ""
        yield f"{path} from {least:g}{rarely}"
    yield "# bounds that are not drawn, by their beginnings"
    yield from (f"{path}: {why}" for path, why in {**CANNOT, **UNUSED}.items())
