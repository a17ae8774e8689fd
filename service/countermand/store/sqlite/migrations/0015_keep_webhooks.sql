-- Webhooks: the endpoints, the outbox, and what could not be delivered at once.
ALTER TABLE namespaces ADD COLUMN last_notice INTEGER NOT NULL DEFAULT 0;
ALTER TABLE namespaces ADD COLUMN webhook_count INTEGER NOT NULL DEFAULT 0;

CREATE TABLE webhooks (
    namespace_no INTEGER NOT NULL REFERENCES namespaces,
    webhook_id BLOB NOT NULL CHECK (length(webhook_id) = 16),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    -- JSON arrays: the types, and each secret with the time until which it signs.
    event_types TEXT NOT NULL,
    secrets TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ENABLED', 'FAILING', 'DISABLED')),
    disable_reason TEXT NOT NULL,
    missed_count INTEGER NOT NULL,
    -- Up to which notice it was dealt with.
    cursor INTEGER NOT NULL,
    last_success_time INTEGER,
    failing_since INTEGER,
    probes INTEGER NOT NULL,
    next_time INTEGER,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (namespace_no, webhook_id),
    CHECK ((state = 'DISABLED') = (disable_reason != ''))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER webhook_stored AFTER INSERT ON webhooks BEGIN
    UPDATE namespaces SET webhook_count = webhook_count + 1 WHERE namespace_no = new.namespace_no;
END;
CREATE TRIGGER webhook_removed AFTER DELETE ON webhooks BEGIN
    UPDATE namespaces SET webhook_count = webhook_count - 1 WHERE namespace_no = old.namespace_no;
END;

-- The outbox: one row for each change of a namespace with endpoints, whatever their number.
CREATE TABLE notices (
    namespace_no INTEGER NOT NULL,
    notice_no INTEGER NOT NULL,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    trace TEXT NOT NULL,
    PRIMARY KEY (namespace_no, notice_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    namespace_no INTEGER NOT NULL,
    webhook_id BLOB NOT NULL,
    notice_no INTEGER NOT NULL,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    trace TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    attempts TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    begin_time INTEGER NOT NULL,
    next_time INTEGER,
    end_time INTEGER,
    once INTEGER NOT NULL CHECK (once IN (0, 1)),
    PRIMARY KEY (namespace_no, webhook_id, notice_no),
    FOREIGN KEY (namespace_no, webhook_id) REFERENCES webhooks,
    CHECK ((state = 'PENDING') = (next_time IS NOT NULL)),
    CHECK ((state = 'PENDING') = (end_time IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_pending ON deliveries (namespace_no, webhook_id, notice_no)
WHERE state = 'PENDING';
CREATE INDEX deliveries_pending_by_time ON deliveries (namespace_no, begin_time)
WHERE state = 'PENDING';
CREATE INDEX deliveries_ended ON deliveries (namespace_no, webhook_id, end_time)
WHERE end_time IS NOT NULL;
