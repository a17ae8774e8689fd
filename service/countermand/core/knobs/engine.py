"""The knobs of the engine but for its watches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockKnobs:
    """How it is noticed that the wall clock leapt."""

    look_interval: float = 1.0
    """Seconds between two looks at it."""
    note_interval: float = 600.0
    """Seconds between two notes, in the store, of how long a server has run."""
    max_ahead: float = 60.0
    """Seconds that it may gain without a leap; what is old is kept as much longer."""
    max_behind: float = 1.0
    """Seconds that it may lose without a leap; what is old is kept as much shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseKnobs:
    """How it is noticed that the process was suspended, or is late."""

    interval: float = 0.05
    """Seconds between two beats, and by how much it may be missed that the process was away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterKnobs:
    """How the writer puts commands together."""

    max_batch: int = 1000
    """How many small commands one batch takes."""
    crowd: int = 8
    """How many commands, just committed or waiting, make the next batch gather. They share what a
    transaction costs beside its rows: with 256 calls in flight a batch took 13 without gathering,
    not 40, and the server 1.3 times the CPU (measured). Fewer would wait longer than they gain."""
    gathering_step: float = 0.001
    """Seconds without a command that end the gathering."""
    max_gathering: float = 0.02
    """Seconds after which it ends in any case."""
    max_waiting: int = 65_536
    """How many commands may wait at once."""
    max_waiting_of_one: int = 16_384
    """How many of one tenant and environment may. All agents of a large one may come back at one
    time; what their calls do not wait for any more is not done if it is large."""
    max_commit: float = 5.0
    """Seconds after which a commit that still works is broken off: nothing of it is done, and what
    it was of is refused."""
    commit_timeout: float = 10.0
    """Seconds after which a commit counts as hung, and the process leaves."""
    busy_pause: float = 0.01
    """Seconds before the commands of a tenant are tried again that another writes."""
    max_busy: float = 3.0
    """Seconds after which they are refused. A server that was frozen holds its tenants for two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperKnobs:
    """How the reaper ends what is due."""

    max_batch: int = 250
    """How many tasks one batch ends. A cancel waits for two batches at most; larger ones end no
    more tasks a second (measured: with 1000, cancels had a p50 of 110 ms instead of 20 in a
    storm)."""
    max_sleep: float = 60.0
    """Seconds after which it looks for what is due, though nothing woke it."""
    look_interval: float = 0.5
    """Seconds after which it looks what is due next, if other servers commit to the store."""
    others_turn: float = 0.05
    """Seconds to wait while another server ends what is due."""
    retry_interval: float = 1.0
    """Seconds to wait after a batch that the store refused."""
    max_catch_up: float = 0.5
    """Seconds that a server waits at its start for what came due while none ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgerKnobs:
    """How fast the purger removes what is old."""

    max_batch: int = 50
    """How many tasks one batch removes, with their events and cancellations some 350 rows."""
    max_bytes: int = 4 * 1024 * 1024
    """How many bytes, about, one batch removes; what is removed is overwritten."""
    pause: float = 0.05
    """Seconds between two batches, in which the writer is free for others."""
    interval: float = 600.0
    """Seconds between two rounds."""
    retry_interval: float = 1.0
    """Seconds to wait after a batch that the store refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipKnobs:
    """How a server keeps in step with others on its store."""

    interval: float = 0.1
    """Seconds between two looks at what they share."""
    max_keys_age: float = 5.0
    """Seconds after the last look at the keys, after which none is accepted."""
    first_key_claim: float = 10.0
    """Seconds that one of several servers has to make the first key."""
    max_behind: float = 0.02
    """Seconds by which its clock may be behind theirs; a look takes as long."""
    max_skew: float = 1.0
    """Seconds by which the machine's clock may differ from it, before that is logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUseKnobs:
    """How servers of one store keep the limits of a key together."""

    interval: float = 0.5
    """Seconds between two exchanges of what was used."""
    max_age: float = 5.0
    """Seconds after which a server that told nothing more counts as gone."""
    max_idle: float = 3600.0
    """Seconds after which it is forgotten what a server told that told nothing more. If it goes on,
    a key may be charged once with all that it let in before."""
    max_debt: float = 5.0
    """For how many seconds a key is charged at most with what others let in."""
    min_share: int = 10
    """Of how many parts of a limit each server lets in at least one, whatever others do."""
    min_rate: float = 0.1
    """How much must be asked of others a second to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCountKnobs:
    """How often all tasks are counted for an operator who asks."""

    rest: int = 20
    """For how many times as long as a count took it is answered again: counting takes one twentieth
    of a reading thread at most."""
    patience: float = 1.0
    """Seconds that a caller waits for a count; then it is answered the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookKnobs:
    """How webhooks are delivered. What is promised, as the schedule of tries, is none of this."""

    max_in_flight: int = 8
    """How many notices are on their way to one endpoint at once."""
    max_ahead: int = 128
    """How many notices are held of what lies ahead of an endpoint's cursor."""
    max_kept: int = 256
    """How many deliveries of one endpoint wait; above it, its cursor stands."""
    max_loaded: int = 1024
    """How many of them are held in memory, with those that were asked for by hand."""
    failures_until_down: int = 3
    """After how many notices that failed, and none that succeeded since, an endpoint is down."""
    jitter: float = 0.1
    """By how much of itself a wait may be shorter. It is promised."""
    timeout: float = 15.0
    """Seconds that an endpoint has for its answer. It is promised."""
    connect_timeout: float = 5.0
    """Seconds to reach an address in."""
    drain_timeout: float = 1.0
    """Seconds for the body of an answer, which nobody reads, so that its connection can be used
    again."""
    max_answer_bytes: int = 16 * 1024
    """How much of an answer's body is taken for that."""
    max_header_bytes: int = 8190
    """How long one header of an answer may be."""
    max_headers: int = 100
    """How many it may have."""
    max_lookups: int = 16
    """How many names are looked up at once."""
    max_lookups_of_one: int = 4
    """Of one tenant and environment."""
    keepalive_timeout: float = 30.0
    """Seconds that an idle connection is kept."""
    purge_interval: float = 60.0
    """Seconds between two looks at what is too old to be sent."""
    purge_pause: float = 0.05
    """Seconds between two batches of that."""
    max_purged: int = 1000
    """How many notices one batch removes."""
    claim_duration: float = 15.0
    """Seconds that a server has an endpoint to itself, where several share a store."""
    claim_margin: float = 5.0
    """Seconds of that which must be left when something is sent."""
    claim_interval: float = 3.0
    """Seconds after which it is renewed."""
    max_claimed_namespaces: int = 16
    """Of how many endpoints are taken at once: nothing of theirs can be committed meanwhile."""
    poll_interval: float = 0.2
    """Seconds between two looks at what other servers have committed."""
    retry_interval: float = 1.0
    """Seconds to wait after a fault of ours, or of the store."""
    max_sleep: float = 60.0
    """Seconds after which an endpoint is looked at again, whatever its schedule says: clocks that
    were set back must not put it off."""
