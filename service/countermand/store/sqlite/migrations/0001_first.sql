-- Everything belongs to a namespace: one tenant and environment, as a number.
-- Times are microseconds since the Unix epoch. UUIDs are their 16 bytes; other ids are text.

-- "Cmnd": by this the program knows its own files.
PRAGMA application_id = 0x436D6E64;

CREATE TABLE namespaces (
    namespace_no INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'production')),
    -- The last position taken in the namespace's log. One writer hands them out inside the
    -- transaction that uses them, so their order is the order of the commits.
    last_seq INTEGER NOT NULL DEFAULT 0,
    -- The last position of which the event was removed, and that event's time.
    floor_seq INTEGER NOT NULL DEFAULT 0,
    floor_time INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, environment),
    CHECK (floor_seq <= last_seq)
) STRICT;

CREATE TABLE keys (
    key_no INTEGER PRIMARY KEY,
    key_id TEXT NOT NULL UNIQUE,
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    scopes TEXT NOT NULL,
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    create_time INTEGER NOT NULL,
    expire_time INTEGER,
    revoke_time INTEGER,
    last_use_time INTEGER,
    successor_key_id TEXT,
    -- Limits; 0 means that there is none.
    writes_per_second INTEGER NOT NULL CHECK (writes_per_second BETWEEN 0 AND 1000000),
    reads_per_second INTEGER NOT NULL CHECK (reads_per_second BETWEEN 0 AND 1000000),
    watches_per_second INTEGER NOT NULL CHECK (watches_per_second BETWEEN 0 AND 1000000),
    open_watches INTEGER NOT NULL CHECK (open_watches BETWEEN 0 AND 1000000),
    CHECK (successor_key_id IS NULL OR expire_time IS NOT NULL)
) STRICT;

CREATE TABLE groups (
    group_no INTEGER PRIMARY KEY,
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    group_id BLOB NOT NULL CHECK (length(group_id) = 16),
    checkout_id TEXT,
    order_id TEXT,
    closed INTEGER NOT NULL CHECK (closed IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1),
    task_count INTEGER NOT NULL CHECK (task_count BETWEEN 0 AND 10000),
    live_count INTEGER NOT NULL CHECK (live_count >= 0),
    completed_count INTEGER NOT NULL CHECK (completed_count >= 0),
    cancellation_id BLOB CHECK (length(cancellation_id) = 16),
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE (namespace_no, group_id),
    CHECK (live_count + completed_count <= task_count),
    CHECK (cancellation_id IS NULL OR closed)
) STRICT;

CREATE INDEX groups_by_order ON groups (namespace_no, order_id) WHERE order_id IS NOT NULL;
-- The four indexes of this kind are for the search for what is old. They are partial, so that no
-- row is in them while tasks are beneath it: most rows enter once, when they are about to go.
CREATE INDEX groups_empty ON groups (update_time) WHERE task_count = 0 AND checkout_id IS NULL;

CREATE TABLE checkouts (
    checkout_no INTEGER PRIMARY KEY,
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    checkout_id TEXT NOT NULL,
    cart_id TEXT,
    group_id BLOB CHECK (length(group_id) = 16),
    state TEXT NOT NULL CHECK (
        state IN ('OPEN', 'CANCELLING', 'CANCELLED', 'PARTIALLY_CANCELLED', 'COMPLETED')
    ),
    version INTEGER NOT NULL CHECK (version >= 1),
    task_count INTEGER NOT NULL CHECK (task_count BETWEEN 0 AND 10000),
    live_count INTEGER NOT NULL CHECK (live_count >= 0),
    completed_count INTEGER NOT NULL CHECK (completed_count >= 0),
    cancellation_id BLOB CHECK (length(cancellation_id) = 16),
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    expire_time INTEGER,
    cancel_time INTEGER,
    snapshot BLOB NOT NULL,
    UNIQUE (namespace_no, checkout_id),
    CHECK (live_count + completed_count <= task_count),
    -- The state machine, once more. What completed was not cancelled.
    CHECK ((cancellation_id IS NULL) = (state IN ('OPEN', 'COMPLETED'))),
    CHECK ((cancel_time IS NOT NULL) = (state IN ('CANCELLED', 'PARTIALLY_CANCELLED'))),
    CHECK (cancel_time IS NULL OR live_count = 0),
    CHECK (state <> 'CANCELLING' OR live_count > 0)
) STRICT;

CREATE INDEX checkouts_by_expiry ON checkouts (expire_time)
    WHERE expire_time IS NOT NULL AND state = 'OPEN';
CREATE INDEX checkouts_empty ON checkouts (update_time) WHERE task_count = 0;

CREATE TABLE carts (
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    cart_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ACTIVE', 'LOCKED', 'CLOSED')),
    checkout_id TEXT,
    version INTEGER NOT NULL CHECK (version >= 1),
    line_items BLOB NOT NULL,
    update_time INTEGER NOT NULL,
    PRIMARY KEY (namespace_no, cart_id),
    CHECK ((checkout_id IS NULL) = (state = 'ACTIVE'))
) STRICT;

CREATE INDEX carts_active ON carts (update_time) WHERE state = 'ACTIVE';

CREATE TABLE orders (
    order_no INTEGER PRIMARY KEY,
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    order_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('OPEN', 'CANCELLING', 'CANCELLED', 'PARTIALLY_CANCELLED', 'CLOSED')
    ),
    fulfilled INTEGER NOT NULL CHECK (fulfilled IN (0, 1)),
    version INTEGER NOT NULL CHECK (version >= 1),
    task_count INTEGER NOT NULL CHECK (task_count BETWEEN 0 AND 10000),
    live_count INTEGER NOT NULL CHECK (live_count >= 0),
    completed_count INTEGER NOT NULL CHECK (completed_count >= 0),
    cancellation_id BLOB CHECK (length(cancellation_id) = 16),
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    cancel_time INTEGER,
    snapshot BLOB NOT NULL,
    UNIQUE (namespace_no, order_id),
    CHECK (live_count + completed_count <= task_count),
    CHECK ((cancellation_id IS NULL) = (state IN ('OPEN', 'CLOSED'))),
    CHECK ((cancel_time IS NULL) = (state IN ('OPEN', 'CLOSED'))),
    CHECK (state NOT IN ('CANCELLED', 'PARTIALLY_CANCELLED') OR live_count = 0),
    CHECK (state <> 'CANCELLING' OR live_count > 0)
) STRICT;

CREATE INDEX orders_empty ON orders (update_time) WHERE task_count = 0;

-- The checkouts that an order lists, in its order. Their tasks are the order's too.
CREATE TABLE order_checkouts (
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    order_id TEXT NOT NULL,
    checkout_id TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    PRIMARY KEY (namespace_no, order_id, checkout_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX order_checkouts_by_checkout ON order_checkouts (namespace_no, checkout_id);

CREATE TABLE tasks (
    task_no INTEGER PRIMARY KEY,
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    task_id BLOB NOT NULL CHECK (length(task_id) = 16),
    group_id BLOB CHECK (length(group_id) = 16),
    checkout_id TEXT,
    order_id TEXT,
    merchant TEXT NOT NULL,
    labels TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('PENDING', 'RUNNING', 'CANCELLING', 'CANCELLED', 'COMPLETED', 'FAILED')
    ),
    version INTEGER NOT NULL CHECK (version >= 1),
    -- The position of the present version in the namespace's log.
    last_seq INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    agent_id TEXT,
    cancellation_id BLOB CHECK (length(cancellation_id) = 16),
    cancel_proof TEXT CHECK (
        cancel_proof IN ('NEVER_STARTED', 'ACKNOWLEDGED', 'FORCED', 'AGENT_LOST')
    ),
    deadline_time INTEGER,
    failure_message TEXT NOT NULL,
    charge_state TEXT NOT NULL CHECK (
        charge_state IN ('NONE', 'BEGUN', 'CAPTURED', 'FAILED', 'VOIDED')
    ),
    refund_required INTEGER NOT NULL CHECK (refund_required IN (0, 1)),
    expire_time INTEGER,
    start_time INTEGER,
    update_time INTEGER NOT NULL,
    end_time INTEGER,
    UNIQUE (namespace_no, task_id),
    -- The state machine, once more.
    CHECK ((end_time IS NULL) = (state IN ('PENDING', 'RUNNING', 'CANCELLING'))),
    CHECK ((cancel_proof IS NOT NULL) = (state = 'CANCELLED')),
    CHECK ((agent_id IS NULL) = (state = 'PENDING' OR cancel_proof IS 'NEVER_STARTED')),
    CHECK (refund_required = (state IN ('CANCELLED', 'FAILED')
        AND charge_state IN ('BEGUN', 'CAPTURED'))),
    CHECK (state <> 'CANCELLING' OR (deadline_time IS NOT NULL AND cancellation_id IS NOT NULL))
) STRICT;

-- Lists go by the order of creation, which is that of the row numbers.
CREATE INDEX tasks_by_namespace ON tasks (namespace_no);
CREATE INDEX tasks_by_group ON tasks (namespace_no, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX tasks_by_checkout ON tasks (namespace_no, checkout_id) WHERE checkout_id IS NOT NULL;
CREATE INDEX tasks_by_order ON tasks (namespace_no, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX tasks_live ON tasks (namespace_no) WHERE end_time IS NULL;
CREATE INDEX tasks_live_by_agent ON tasks (namespace_no, agent_id)
    WHERE end_time IS NULL AND agent_id IS NOT NULL;
CREATE INDEX tasks_by_expiry ON tasks (expire_time)
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING');
CREATE INDEX tasks_by_deadline ON tasks (deadline_time) WHERE state = 'CANCELLING';
CREATE INDEX tasks_ended ON tasks (end_time) WHERE end_time IS NOT NULL;

CREATE TABLE agents (
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    agent_id TEXT NOT NULL,
    lease_duration INTEGER NOT NULL CHECK (lease_duration > 0),
    lease_expire_time INTEGER,
    lost_time INTEGER,
    PRIMARY KEY (namespace_no, agent_id),
    CHECK ((lost_time IS NULL) = (lease_expire_time IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX agents_by_lease ON agents (lease_expire_time) WHERE lease_expire_time IS NOT NULL;
CREATE INDEX agents_lost ON agents (lost_time) WHERE lost_time IS NOT NULL;

-- Ids are UUIDv7s of ours, so the order of the key is the order of the accepts.
CREATE TABLE cancellations (
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    cancellation_id BLOB NOT NULL CHECK (length(cancellation_id) = 16),
    target_kind TEXT NOT NULL CHECK (target_kind IN ('TASK', 'GROUP', 'CHECKOUT', 'ORDER')),
    -- The 16 bytes of a UUID; of a checkout or order the bytes of its text.
    target_id BLOB NOT NULL CHECK (length(target_id) BETWEEN 1 AND 128),
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    certificate_name TEXT NOT NULL,
    on_behalf_of TEXT NOT NULL,
    request_id BLOB CHECK (length(request_id) = 16),
    create_time INTEGER NOT NULL,
    trace_id BLOB NOT NULL CHECK (length(trace_id) = 16),
    span_id BLOB NOT NULL CHECK (length(span_id) = 8),
    sampled INTEGER NOT NULL CHECK (sampled IN (0, 1)),
    accept_seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('IN_PROGRESS', 'SUCCEEDED', 'PARTIAL', 'TOO_LATE')),
    deadline_time INTEGER,
    end_time INTEGER,
    -- When a request id was last remembered for it after its end.
    join_time INTEGER CHECK (join_time IS NULL OR end_time IS NOT NULL),
    live_count INTEGER NOT NULL CHECK (live_count >= 0),
    -- How many tasks it stopped, by their proof.
    never_started_count INTEGER NOT NULL,
    acknowledged_count INTEGER NOT NULL,
    forced_count INTEGER NOT NULL,
    agent_lost_count INTEGER NOT NULL,
    completed_count INTEGER NOT NULL,
    PRIMARY KEY (namespace_no, cancellation_id),
    CHECK (target_kind IN ('CHECKOUT', 'ORDER') OR length(target_id) = 16),
    CHECK ((end_time IS NULL) = (state = 'IN_PROGRESS')),
    CHECK (live_count = 0 OR state = 'IN_PROGRESS'),
    -- Without a live task only the cancel of a task that is yet to be created is in progress.
    CHECK (live_count > 0 OR state <> 'IN_PROGRESS' OR target_kind = 'TASK')
) STRICT, WITHOUT ROWID;

CREATE INDEX cancellations_by_reason ON cancellations (namespace_no, reason);
CREATE UNIQUE INDEX cancellations_early ON cancellations (namespace_no, target_id)
    WHERE state = 'IN_PROGRESS' AND live_count = 0;
CREATE INDEX cancellations_early_by_time ON cancellations (create_time)
    WHERE state = 'IN_PROGRESS' AND live_count = 0;
-- Those that waited in vain for their task: any other that came too late had a deadline.
CREATE INDEX cancellations_in_vain ON cancellations (end_time)
    WHERE target_kind = 'TASK' AND state = 'TOO_LATE' AND deadline_time IS NULL;

CREATE TABLE request_ids (
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    request_id BLOB NOT NULL CHECK (length(request_id) = 16),
    cancellation_id BLOB NOT NULL CHECK (length(cancellation_id) = 16),
    fingerprint BLOB NOT NULL,
    -- Whether the cancellation had begun without it. Its own is in the cancellation's row.
    joined INTEGER NOT NULL CHECK (joined IN (0, 1)),
    PRIMARY KEY (namespace_no, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_ids_joined ON request_ids (namespace_no, cancellation_id) WHERE joined;

-- The log: what a version changed; without a task, that a holder was over without a task's change.
-- A task's versions are chained backwards from tasks.last_seq, which costs no index.
CREATE TABLE events (
    namespace_no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    previous_seq INTEGER NOT NULL,
    task_no INTEGER,
    version INTEGER CHECK ((version IS NULL) = (task_no IS NULL)),
    state TEXT,
    charge_state TEXT,
    deadline_time INTEGER,
    time INTEGER NOT NULL,
    PRIMARY KEY (namespace_no, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX events_without_task ON events (time) WHERE task_no IS NULL;
