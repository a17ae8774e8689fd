-- New versions of checkouts and orders, and accepts and ends of cancellations, have places in the
-- log, too: what it is an entry of, and of a checkout or order which version. Each is chained
-- backwards from the last of its record, as those of tasks are. With a task it is none of its
-- versions: it came under that order then.
ALTER TABLE events ADD COLUMN record_kind TEXT
    CHECK (record_kind IN ('CHECKOUT', 'ORDER', 'CANCELLATION'));
-- The 16 bytes of a UUID; of a checkout or order the bytes of its text.
ALTER TABLE events ADD COLUMN record_id BLOB;
ALTER TABLE events ADD COLUMN record_version INTEGER;

ALTER TABLE checkouts ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cancellations ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;

-- Only what closed without a task's change goes by itself; all else goes with its task or record.
DROP INDEX events_without_task;
CREATE INDEX events_without_task ON events (time) WHERE task_no IS NULL AND record_kind IS NULL;

-- After which place of the log an order has the tasks of a checkout, for it may list one later.
ALTER TABLE order_checkouts ADD COLUMN attach_seq INTEGER NOT NULL DEFAULT 0;

-- No release has written it.
DROP TABLE holder_versions;
