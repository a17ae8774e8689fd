"""The knobs: every bound of a page, batch, queue, cache, retry or wait that is ours to choose.

The defaults are the production values. The composition hands each part its own; no part reads them
from here. What the API promises (lengths of texts, the largest page) is no knob, and what an
operator may set is in the settings.
"""

from dataclasses import dataclass, field

from countermand.core.knobs.engine import (
    ClockKnobs,
    KeyUseKnobs,
    MembershipKnobs,
    PulseKnobs,
    PurgerKnobs,
    ReaperKnobs,
    TaskCountKnobs,
    WebhookKnobs,
    WriterKnobs,
)
from countermand.core.knobs.serving import (
    ArrivalKnobs,
    CallsKnobs,
    ConnectionKnobs,
    KeyringKnobs,
    PagingKnobs,
    PieceKnobs,
    PublicKnobs,
    ServerKnobs,
)
from countermand.core.knobs.store import PostgresKnobs, StoreKnobs
from countermand.core.knobs.telemetry import ScrapingKnobs, TelemetryKnobs
from countermand.core.knobs.watching import (
    FollowerKnobs,
    HubKnobs,
    PagesKnobs,
    WatchersKnobs,
    WatchingKnobs,
)

__all__ = [
    "ArrivalKnobs",
    "CallsKnobs",
    "ClockKnobs",
    "ConnectionKnobs",
    "FollowerKnobs",
    "HubKnobs",
    "KeyUseKnobs",
    "KeyringKnobs",
    "Knobs",
    "MembershipKnobs",
    "PagesKnobs",
    "PagingKnobs",
    "PieceKnobs",
    "PostgresKnobs",
    "PublicKnobs",
    "PulseKnobs",
    "PurgerKnobs",
    "ReaperKnobs",
    "ScrapingKnobs",
    "ServerKnobs",
    "StoreKnobs",
    "TaskCountKnobs",
    "TelemetryKnobs",
    "WatchersKnobs",
    "WatchingKnobs",
    "WebhookKnobs",
    "WriterKnobs",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All knobs of a server, by its parts."""

    clock: ClockKnobs = field(default_factory=ClockKnobs)
    pulse: PulseKnobs = field(default_factory=PulseKnobs)
    writer: WriterKnobs = field(default_factory=WriterKnobs)
    reaper: ReaperKnobs = field(default_factory=ReaperKnobs)
    purger: PurgerKnobs = field(default_factory=PurgerKnobs)
    membership: MembershipKnobs = field(default_factory=MembershipKnobs)
    key_use: KeyUseKnobs = field(default_factory=KeyUseKnobs)
    task_counts: TaskCountKnobs = field(default_factory=TaskCountKnobs)
    keyring: KeyringKnobs = field(default_factory=KeyringKnobs)
    watching: WatchingKnobs = field(default_factory=WatchingKnobs)
    calls: CallsKnobs = field(default_factory=CallsKnobs)
    connections: ConnectionKnobs = field(default_factory=ConnectionKnobs)
    public: PublicKnobs = field(default_factory=PublicKnobs)
    paging: PagingKnobs = field(default_factory=PagingKnobs)
    server: ServerKnobs = field(default_factory=ServerKnobs)
    store: StoreKnobs = field(default_factory=StoreKnobs)
    telemetry: TelemetryKnobs = field(default_factory=TelemetryKnobs)
    webhooks: WebhookKnobs = field(default_factory=WebhookKnobs)
