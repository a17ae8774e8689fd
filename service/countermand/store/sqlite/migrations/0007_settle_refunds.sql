-- Refunds are settled, and agents speak of money also after the end.

-- The table of tasks is made anew, since a check of it forbade what may be now: money that is held
-- for work that was not done, and need not go back. Where a refund was required it still is, without
-- a new version.
CREATE TABLE new_tasks (
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
    refund_state TEXT NOT NULL CHECK (
        refund_state IN ('NONE', 'REQUIRED', 'REFUNDED', 'NOT_OWED')
    ),
    -- The last settlement of a refund, as a JSON array.
    settlement TEXT,
    -- How often the agent changed its charge after the end.
    late_reports INTEGER NOT NULL CHECK (late_reports BETWEEN 0 AND 16),
    expire_time INTEGER,
    start_time INTEGER,
    update_time INTEGER NOT NULL,
    end_time INTEGER,
    -- The position of the version with which it ended.
    end_seq INTEGER,
    -- Whether an end that its agent did not make raised the fence.
    fence_raised INTEGER NOT NULL CHECK (fence_raised IN (0, 1)),
    -- The deadline by the clock that never leaps.
    due_time INTEGER,
    -- The state machine, once more.
    CHECK ((end_time IS NULL) = (state IN ('PENDING', 'RUNNING', 'CANCELLING'))),
    CHECK ((end_time IS NULL) = (end_seq IS NULL)),
    CHECK ((cancel_proof IS NOT NULL) = (state = 'CANCELLED')),
    CHECK ((agent_id IS NULL) = (state = 'PENDING' OR cancel_proof IS 'NEVER_STARTED')),
    CHECK (state <> 'CANCELLING' OR (deadline_time IS NOT NULL AND cancellation_id IS NOT NULL)),
    -- What the agent may still say of money after the end, and what is decided of it.
    CHECK (end_time IS NOT NULL OR (late_reports = 0 AND NOT fence_raised)),
    CHECK (end_time IS NOT NULL OR refund_state = 'NONE'),
    CHECK (refund_state <> 'NONE' OR settlement IS NULL),
    CHECK (refund_state <> 'NONE'
        OR NOT (state IN ('CANCELLED', 'FAILED') AND charge_state IN ('BEGUN', 'CAPTURED'))),
    CHECK (refund_state <> 'REQUIRED' OR charge_state = 'CAPTURED'
        OR (state IN ('CANCELLED', 'FAILED') AND charge_state = 'BEGUN'))
) STRICT;

-- Whether the fence was raised was not noted: an agent that was lost is known by its message.
INSERT INTO new_tasks
SELECT task_no, namespace_no, task_id, group_id, checkout_id, order_id, merchant, labels,
    create_time, state, version, last_seq, fence, agent_id, cancellation_id, cancel_proof,
    deadline_time, failure_message, charge_state, iif(refund_required, 'REQUIRED', 'NONE'),
    NULL, 0, expire_time, start_time, update_time, end_time,
    iif(end_time IS NULL, NULL, last_seq),
    cancel_proof IN ('NEVER_STARTED', 'FORCED', 'AGENT_LOST') IS TRUE
        OR (state = 'FAILED' AND failure_message = 'the agent was lost: its lease ran out'),
    due_time
FROM tasks ORDER BY task_no;
DROP TABLE tasks;
ALTER TABLE new_tasks RENAME TO tasks;

-- Built at once, which takes a tenth of the time that row by row takes.
CREATE UNIQUE INDEX tasks_by_id ON tasks (namespace_no, task_id);
-- Lists go by the order of creation, which is that of the row numbers.
CREATE INDEX tasks_by_namespace ON tasks (namespace_no);
CREATE INDEX tasks_by_group ON tasks (namespace_no, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX tasks_by_checkout ON tasks (namespace_no, checkout_id) WHERE checkout_id IS NOT NULL;
CREATE INDEX tasks_by_order ON tasks (namespace_no, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX tasks_by_refund ON tasks (namespace_no, refund_state) WHERE refund_state <> 'NONE';
CREATE INDEX tasks_live ON tasks (namespace_no) WHERE end_time IS NULL;
CREATE INDEX tasks_live_by_agent ON tasks (namespace_no, agent_id)
    WHERE end_time IS NULL AND agent_id IS NOT NULL;
CREATE INDEX tasks_by_expiry ON tasks (expire_time)
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING');
CREATE INDEX tasks_by_due ON tasks (due_time, deadline_time) WHERE state = 'CANCELLING';
-- For counting what ended in a time.
CREATE INDEX tasks_by_end ON tasks (namespace_no, end_time, refund_state)
    WHERE end_time IS NOT NULL;
-- For the search for what is old: by the newest version.
CREATE INDEX tasks_ended ON tasks (update_time)
    WHERE end_time IS NOT NULL AND refund_state <> 'REQUIRED';
CREATE INDEX tasks_owed ON tasks (update_time) WHERE refund_state = 'REQUIRED';

-- What a version said of the refund; null for what the first rule says of its state and charge.
ALTER TABLE events ADD COLUMN refund_state TEXT;
-- The last settlement that there was at that version.
ALTER TABLE events ADD COLUMN settlement TEXT;

-- A request id is answered by a cancellation, or by the task whose refund it settled.
ALTER TABLE request_ids RENAME COLUMN cancellation_id TO answer_id;
ALTER TABLE request_ids ADD COLUMN settles INTEGER NOT NULL DEFAULT 0 CHECK (settles IN (0, 1));
CREATE INDEX request_ids_settling ON request_ids (namespace_no, answer_id) WHERE settles;

-- Of how many tasks a refund is required, and when the money of an ended one last changed: both
-- keep what holds them.
ALTER TABLE groups ADD COLUMN owed_count INTEGER NOT NULL DEFAULT 0 CHECK (owed_count >= 0);
ALTER TABLE groups ADD COLUMN money_time INTEGER;
ALTER TABLE checkouts ADD COLUMN owed_count INTEGER NOT NULL DEFAULT 0 CHECK (owed_count >= 0);
ALTER TABLE checkouts ADD COLUMN money_time INTEGER;
ALTER TABLE orders ADD COLUMN owed_count INTEGER NOT NULL DEFAULT 0 CHECK (owed_count >= 0);
ALTER TABLE orders ADD COLUMN money_time INTEGER;

UPDATE groups SET owed_count = found.tally FROM (
    SELECT namespace_no, group_id, count(*) AS tally FROM tasks
    WHERE refund_state = 'REQUIRED' AND group_id IS NOT NULL GROUP BY namespace_no, group_id
) AS found
WHERE groups.namespace_no = found.namespace_no AND groups.group_id = found.group_id;

UPDATE checkouts SET owed_count = found.tally FROM (
    SELECT namespace_no, checkout_id, count(*) AS tally FROM tasks
    WHERE refund_state = 'REQUIRED' AND checkout_id IS NOT NULL GROUP BY namespace_no, checkout_id
) AS found
WHERE checkouts.namespace_no = found.namespace_no AND checkouts.checkout_id = found.checkout_id;

-- An order's tasks are its own and those of its checkouts, each once.
UPDATE orders SET owed_count = found.tally FROM (
    SELECT namespace_no, order_id, count(*) AS tally FROM (
        SELECT namespace_no, order_id, task_no FROM tasks
        WHERE refund_state = 'REQUIRED' AND order_id IS NOT NULL
        UNION
        SELECT t.namespace_no, l.order_id, t.task_no
        FROM tasks AS t
        JOIN order_checkouts AS l
            ON l.namespace_no = t.namespace_no AND l.checkout_id = t.checkout_id
        WHERE t.refund_state = 'REQUIRED' AND t.checkout_id IS NOT NULL
    ) GROUP BY namespace_no, order_id
) AS found
WHERE orders.namespace_no = found.namespace_no AND orders.order_id = found.order_id;
