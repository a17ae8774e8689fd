"""Every metric: its name, its unit, its labels and its bounds. docs/operations/metrics.md has the
same table, and a test compares them."""

from typing import Final

from countermand.core.errors import Reason
from countermand.core.states import CancelProof, TargetKind, TaskState
from countermand.core.webhooks import WebhookState
from countermand.telemetry import conventions
from countermand.telemetry.instrument import Instrument, Kind
from countermand.telemetry.shared_instruments import SHARED

CALL_BUCKETS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025),  # below those of the conventions
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
COMMIT_BUCKETS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.33),
    *(0.5, 1.0, 2.5, 5.0, 10.0),
)
CANCEL_BUCKETS: Final = (
    *(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0),
)
AGE_BUCKETS: Final = (
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0),
    *(3600.0, 14_400.0, 43_200.0, 86_400.0, 273_600.0),  # up to the 76 hours that are promised
)
BATCH_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)

CALL_DURATION: Final = Instrument(
    kind=Kind.HISTOGRAM,
    name="rpc.server.call.duration",
    unit="s",
    help="How long calls took that are answered once: no watches, health or reflection.",
    labels=(
        conventions.RPC_SYSTEM_NAME,
        conventions.RPC_METHOD,
        conventions.RPC_STATUS_CODE,
        conventions.ERROR_TYPE,
    ),
    buckets=CALL_BUCKETS,
)
REFUSALS: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.refusals",
    unit="{call}",
    help="Calls that were refused, and watches that were ended, by reason.",
    labels=("reason",),
    values=tuple(Reason),
)
WATCHES_OPENED: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.watches.opened",
    unit="{watch}",
    help="Watches that were let in.",
)
WATCHES_ENDED: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.watches.ended",
    unit="{watch}",
    help="Watches that ended, by status: CANCELLED when the client left.",
    labels=(conventions.RPC_STATUS_CODE,),
    values=("OK", "CANCELLED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"),
)
WATCHES_OPEN: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.watches.open",
    unit="{watch}",
    help="Watches that are open now.",
)
WATCHES_MAX: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.watches.max",
    unit="{watch}",
    help="How many watches may be open at once: --max-watches.",
)
CANCELLATIONS: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.cancellations",
    unit="{cancellation}",
    help="Cancellations that were accepted, by what they cancel.",
    labels=("target",),
    values=tuple(TargetKind),
)
CANCEL_REPEATS: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.cancel.repeats",
    unit="{cancel}",
    help="Cancels that made no cancellation: they joined a running one, or repeated a request_id.",
    labels=("kind",),
    values=("joined", "replayed"),
)
TASK_CHANGES: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.task.changes",
    unit="{task}",
    help="Tasks that came into a state; PENDING counts those that were created.",
    labels=("state",),
    values=tuple(TaskState),
)
CANCEL_DURATION: Final = Instrument(
    kind=Kind.HISTOGRAM,
    name="countermand.cancel.duration",
    unit="s",
    help="From the accept of its cancel until a task was CANCELLED, by proof.",
    labels=("proof",),
    values=tuple(CancelProof),
    buckets=CANCEL_BUCKETS,
)
COMMIT_DURATION: Final = Instrument(
    kind=Kind.HISTOGRAM,
    name="countermand.commit.duration",
    unit="s",
    help="How long commits took until they were on disk.",
    buckets=COMMIT_BUCKETS,
)
COMMIT_COMMANDS: Final = Instrument(
    kind=Kind.HISTOGRAM,
    name="countermand.commit.commands",
    unit="{command}",
    help="How many commands a commit served.",
    buckets=BATCH_BUCKETS,
)
COMMIT_FAILURES: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.commit.failures",
    unit="{commit}",
    help="Commits that failed: the disk was full, or failed, or we did.",
    labels=("cause",),
    values=("full", "disk", "fault"),
)
COMMANDS_WAITING: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.commands.waiting",
    unit="{command}",
    help="Commands that wait for the next commit.",
)
LEASE_OUTAGES: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.lease.outages",
    unit="{outage}",
    help="How often every lease was renewed, since no agent could: a slow disk, or a suspension.",
)
REAPER_LAG: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.reaper.lag",
    unit="s",
    help="For how long something is overdue that was not ended yet.",
)
RECORDS_REMOVED: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.records.removed",
    unit="{record}",
    help="Records that were removed after the retention.",
)
STORE_SIZE: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.store.size",
    unit="By",
    help="How large the store is, without its write-ahead log.",
)
STORE_WAL_SIZE: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.store.wal.size",
    unit="By",
    help="How large the write-ahead log of the store is.",
)
DISK_FREE: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.disk.free",
    unit="By",
    help="What the disk of the store has left.",
)
AGENTS_LIVE: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.agents.live",
    unit="{agent}",
    help="Agents that have a lease.",
)
TASKS_OVERDUE: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.tasks.overdue",
    unit="{task}",
    help="CANCELLING tasks that are past their deadline.",
)
WEBHOOK_ATTEMPTS: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.webhook.attempts",
    unit="{attempt}",
    help="Requests that were sent to webhooks, by what came of them.",
    labels=("outcome",),
    values=("succeeded", "failed"),
)
WEBHOOK_AGE: Final = Instrument(
    kind=Kind.HISTOGRAM,
    name="countermand.webhook.delivery.age",
    unit="s",
    help="From the commit of a change until a webhook took its event.",
    buckets=AGE_BUCKETS,
)
WEBHOOK_MISSED: Final = Instrument(
    kind=Kind.COUNTER,
    name="countermand.webhook.missed",
    unit="{event}",
    help="Events that were given up: every try failed, or they were too old.",
)
WEBHOOK_ENDPOINTS: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.webhook.endpoints",
    unit="{webhook}",
    help="Webhooks that there are, by state: FAILING when every try failed for an hour.",
    labels=("state",),
    values=tuple(WebhookState),
)
BUILD: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.build.info",
    unit="",
    help="Always 1; its labels say which version runs, on what kind of store.",
    labels=("version", "store"),
)

PROCESS: Final = (
    Instrument(
        kind=Kind.COUNTER,
        name="process.cpu.time",
        named="process_cpu_seconds",
        unit="s",
        help="CPU time that the server took.",
    ),
    Instrument(
        kind=Kind.GAUGE,
        name="process.memory.usage",
        named="process_resident_memory_bytes",
        unit="By",
        help="Memory that the server takes.",
    ),
    Instrument(
        kind=Kind.GAUGE,
        name="process.memory.virtual",
        named="process_virtual_memory_bytes",
        unit="By",
        help="Addresses that the server takes.",
    ),
    Instrument(
        kind=Kind.GAUGE,
        name="process.unix.file_descriptor.count",
        named="process_open_fds",
        unit="{file_descriptor}",
        help="Descriptors that are open: connections and files.",
    ),
)
"""What is known of the process, where OpenTelemetry has a name for it."""

OWN: Final = (
    CALL_DURATION,
    REFUSALS,
    WATCHES_OPENED,
    WATCHES_ENDED,
    WATCHES_OPEN,
    WATCHES_MAX,
    CANCELLATIONS,
    CANCEL_REPEATS,
    TASK_CHANGES,
    CANCEL_DURATION,
    COMMIT_DURATION,
    COMMIT_COMMANDS,
    COMMIT_FAILURES,
    COMMANDS_WAITING,
    LEASE_OUTAGES,
    REAPER_LAG,
    RECORDS_REMOVED,
    STORE_SIZE,
    STORE_WAL_SIZE,
    DISK_FREE,
    AGENTS_LIVE,
    TASKS_OVERDUE,
    *SHARED,
    WEBHOOK_ATTEMPTS,
    WEBHOOK_AGE,
    WEBHOOK_MISSED,
    WEBHOOK_ENDPOINTS,
    BUILD,
)
