-- The statements of a commit. {rows} stands for as many rows of parameters as a call has; rows
-- beyond the last real one are null. Each statement is one step, since every step of SQLite gives
-- up the interpreter lock and may wait 5 ms to have it back: so what is read comes back as one
-- JSON value, not row by row.

-- name: load_tasks
WITH wanted (namespace_no, task_id) AS (VALUES {rows})
SELECT json_group_array(json_array({task}))
FROM wanted AS w
CROSS JOIN tasks AS t ON t.namespace_no = w.namespace_no AND t.task_id = w.task_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_ending_tasks
-- Each with the cancellation that it names.
WITH wanted (namespace_no, task_id) AS (VALUES {rows})
SELECT json_group_array(json_array(json_array({task}),
    json(iif(c.cancellation_id IS NULL, NULL, json_array({cancellation})))))
FROM wanted AS w
CROSS JOIN tasks AS t ON t.namespace_no = w.namespace_no AND t.task_id = w.task_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_members_{scope} for group checkout order
WITH wanted (target, namespace_no, id) AS (VALUES {rows})
SELECT json_group_array(json_array(s.target, {task}))
FROM ({tasks_of_wanted}) AS s
CROSS JOIN tasks AS t ON t.task_no = s.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_group
WITH wanted (namespace_no, group_id) AS (VALUES {rows})
SELECT json_group_array(json_array({group}))
FROM wanted AS w
CROSS JOIN groups AS g ON g.namespace_no = w.namespace_no AND g.group_id = w.group_id

-- name: load_checkout
WITH wanted (namespace_no, checkout_id) AS (VALUES {rows})
SELECT json_group_array(json_array({checkout}, json((
    SELECT json_group_array(l.order_id) FROM order_checkouts AS l
    WHERE l.namespace_no = k.namespace_no AND l.checkout_id = k.checkout_id
))))
FROM wanted AS w
CROSS JOIN checkouts AS k ON k.namespace_no = w.namespace_no AND k.checkout_id = w.checkout_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = k.namespace_no AND c.cancellation_id = k.cancellation_id

-- name: load_order
WITH wanted (namespace_no, order_id) AS (VALUES {rows})
SELECT json_group_array(json_array({order}, json((
    SELECT json_group_array(json_array(l.position, l.checkout_id)) FROM order_checkouts AS l
    WHERE l.namespace_no = o.namespace_no AND l.order_id = o.order_id
))))
FROM wanted AS w
CROSS JOIN orders AS o ON o.namespace_no = w.namespace_no AND o.order_id = w.order_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = o.namespace_no AND c.cancellation_id = o.cancellation_id

-- name: load_{scope}_snapshot for checkout order
-- One alone: what callers say is large, and no statement answers many of it in one value.
SELECT s.snapshot FROM {scope}s AS h CROSS JOIN {scope}_snapshots AS s USING ({scope}_no)
WHERE h.namespace_no = ? AND h.{scope}_id = ?

-- name: save_{scope}_snapshot for checkout order
INSERT INTO {scope}_snapshots ({scope}_no, snapshot)
SELECT {scope}_no, ? FROM {scope}s WHERE namespace_no = ? AND {scope}_id = ?
ON CONFLICT ({scope}_no) DO UPDATE SET snapshot = excluded.snapshot

-- name: load_cart_lines
SELECT line_items FROM cart_lines WHERE namespace_no = ? AND cart_id = ?

-- name: save_cart_lines
INSERT INTO cart_lines (line_items, namespace_no, cart_id) VALUES (?, ?, ?)
ON CONFLICT (namespace_no, cart_id) DO UPDATE SET line_items = excluded.line_items

-- name: load_subgroups
WITH wanted (target, namespace_no, order_id) AS (VALUES {rows})
SELECT json_group_array(json_array(w.target, {group}))
FROM wanted AS w
CROSS JOIN groups AS g ON g.namespace_no = w.namespace_no AND g.order_id = w.order_id

-- name: load_carts
WITH wanted (namespace_no, cart_id) AS (VALUES {rows})
SELECT json_group_array(json_array({cart}))
FROM wanted AS w
CROSS JOIN carts AS k ON k.namespace_no = w.namespace_no AND k.cart_id = w.cart_id

-- name: load_agents
WITH wanted (namespace_no, agent_id) AS (VALUES {rows})
SELECT json_group_array(
    json_array(
        a.namespace_no, a.agent_id, a.lease_duration, a.lease_expire_time, a.lost_time
    )
)
FROM wanted AS w
CROSS JOIN agents AS a ON a.namespace_no = w.namespace_no AND a.agent_id = w.agent_id

-- name: load_cancellations
WITH wanted (namespace_no, cancellation_id) AS (VALUES {rows})
SELECT json_group_array(json_array({cancellation}))
FROM wanted AS w
CROSS JOIN cancellations AS c
    ON c.namespace_no = w.namespace_no AND c.cancellation_id = w.cancellation_id

-- name: load_early_cancels
WITH wanted (namespace_no, task_id) AS (VALUES {rows})
SELECT json_group_array(json_array({cancellation}))
FROM wanted AS w
CROSS JOIN cancellations AS c INDEXED BY cancellations_early
    ON c.namespace_no = w.namespace_no AND c.target_id = w.task_id
WHERE c.state = 'IN_PROGRESS' AND c.live_count = 0

-- name: load_request_ids
WITH wanted (namespace_no, request_id) AS (VALUES {rows})
SELECT json_group_array(
    json_array(
        r.namespace_no, lower(hex(r.request_id)), lower(hex(r.answer_id)),
        hex(r.fingerprint), r.joined, r.settles
    )
)
FROM wanted AS w
CROSS JOIN request_ids AS r ON r.namespace_no = w.namespace_no AND r.request_id = w.request_id

-- name: namespaces_late_task
SELECT json_group_array(w.value) FROM json_each(({with_late_task})) AS w WHERE EXISTS (
    SELECT 1 FROM tasks INDEXED BY tasks_by_due
    WHERE state = 'CANCELLING'
        AND namespace_no = w.value AND due_time <= ?
)

-- name: namespaces_lost_agent
SELECT json_group_array(w.value) FROM json_each(({with_lost_agent})) AS w WHERE EXISTS (
    SELECT 1 FROM agents INDEXED BY agents_by_lease
    WHERE lease_expire_time IS NOT NULL
        AND namespace_no = w.value AND lease_expire_time <= ?
)

-- name: namespaces_expired_task
SELECT json_group_array(w.value) FROM json_each(({with_expired_task})) AS w WHERE EXISTS (
    SELECT 1 FROM tasks INDEXED BY tasks_by_expiry
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
        AND namespace_no = w.value AND expire_time <= ?
)

-- name: namespaces_expired_checkout
SELECT json_group_array(w.value) FROM json_each(({with_expired_checkout})) AS w WHERE EXISTS (
    SELECT 1 FROM checkouts INDEXED BY checkouts_by_expiry
    WHERE expire_time IS NOT NULL AND state = 'OPEN'
        AND namespace_no = w.value AND expire_time <= ?
)

-- name: load_late_task
-- Tasks past their deadline. These are the turns of one namespace.
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_by_due
    WHERE state = 'CANCELLING' AND namespace_no = ? AND due_time <= ?
    ORDER BY due_time LIMIT ? OFFSET ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_orphan
-- Live tasks of agents past their lease.
SELECT json_group_array(json_array({task}))
FROM (
    SELECT t.* FROM agents AS a INDEXED BY agents_by_lease
    CROSS JOIN tasks AS t INDEXED BY tasks_live_by_agent
        ON t.namespace_no = a.namespace_no AND t.agent_id = a.agent_id AND t.end_time IS NULL
    WHERE a.namespace_no = ? AND a.lease_expire_time <= ? LIMIT ? OFFSET ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_lost_agent
SELECT json_group_array(json_array(namespace_no, agent_id)) FROM (
    SELECT namespace_no, agent_id FROM agents INDEXED BY agents_by_lease
    WHERE namespace_no = ? AND lease_expire_time <= ?
    ORDER BY lease_expire_time LIMIT ? OFFSET ?
)

-- name: load_expired_task
-- Tasks past their time to expire, that are not ending anyway.
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_by_expiry
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
        AND namespace_no = ? AND expire_time <= ?
    ORDER BY expire_time LIMIT ? OFFSET ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_expired_checkout
SELECT json_group_array(json_array(namespace_no, checkout_id, task_count)) FROM (
    SELECT namespace_no, checkout_id, task_count FROM checkouts INDEXED BY checkouts_by_expiry
    WHERE expire_time IS NOT NULL AND state = 'OPEN' AND namespace_no = ? AND expire_time <= ?
    ORDER BY expire_time LIMIT ? OFFSET ?
)

-- name: load_late_early_cancel
-- Cancels that have waited long enough for their task.
SELECT json_group_array(json_array(namespace_no, lower(hex(cancellation_id)))) FROM (
    SELECT namespace_no, cancellation_id FROM cancellations INDEXED BY cancellations_early_by_time
    WHERE state = 'IN_PROGRESS' AND live_count = 0 AND create_time <= ?
    ORDER BY create_time LIMIT ? OFFSET ?
)

-- name: save_group
WITH r ({group_columns}) AS (VALUES {rows})
INSERT INTO groups ({group_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, group_id) DO UPDATE SET
    closed = excluded.closed, version = excluded.version, task_count = excluded.task_count,
    live_count = excluded.live_count, completed_count = excluded.completed_count,
    owed_count = excluded.owed_count, money_time = excluded.money_time,
    cancellation_id = excluded.cancellation_id, update_time = excluded.update_time

-- name: save_checkout
WITH r ({checkout_columns}) AS (VALUES {rows})
INSERT INTO checkouts ({checkout_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, checkout_id) DO UPDATE SET
    group_id = excluded.group_id, state = excluded.state,
    version = excluded.version, task_count = excluded.task_count,
    live_count = excluded.live_count, completed_count = excluded.completed_count,
    owed_count = excluded.owed_count, money_time = excluded.money_time,
    cancellation_id = excluded.cancellation_id, update_time = excluded.update_time,
    expire_time = excluded.expire_time, cancel_time = excluded.cancel_time,
    last_seq = excluded.last_seq

-- name: save_order
WITH r ({order_columns}) AS (VALUES {rows})
INSERT INTO orders ({order_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, order_id) DO UPDATE SET
    state = excluded.state, version = excluded.version,
    task_count = excluded.task_count,
    live_count = excluded.live_count, completed_count = excluded.completed_count,
    owed_count = excluded.owed_count, money_time = excluded.money_time,
    cancellation_id = excluded.cancellation_id, update_time = excluded.update_time,
    cancel_time = excluded.cancel_time, last_seq = excluded.last_seq

-- name: delete_order_checkouts
-- The triples alone would be looked for in the whole namespace.
WITH r (namespace_no, order_id, checkout_id) AS (VALUES {rows})
DELETE FROM order_checkouts
WHERE namespace_no IN (SELECT namespace_no FROM r) AND order_id IN (SELECT order_id FROM r)
    AND (namespace_no, order_id, checkout_id) IN (SELECT * FROM r)

-- name: save_order_checkouts
-- One that stays keeps the place from which the order has its tasks.
WITH r (namespace_no, order_id, checkout_id, position, attach_seq) AS (VALUES {rows})
INSERT INTO order_checkouts (namespace_no, order_id, checkout_id, position, attach_seq)
SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, order_id, checkout_id) DO UPDATE SET
    position = excluded.position, attach_seq = max(attach_seq, excluded.attach_seq)

-- name: save_carts
WITH r ({cart_columns}) AS (VALUES {rows})
INSERT INTO carts ({cart_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, cart_id) DO UPDATE SET
    state = excluded.state, checkout_id = excluded.checkout_id, version = excluded.version,
    update_time = excluded.update_time

-- name: save_agents
WITH r (namespace_no, agent_id, lease_duration, lease_expire_time, lost_time) AS (VALUES {rows})
INSERT INTO agents (namespace_no, agent_id, lease_duration, lease_expire_time, lost_time)
SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, agent_id) DO UPDATE SET
    lease_duration = excluded.lease_duration, lease_expire_time = excluded.lease_expire_time,
    lost_time = excluded.lost_time

-- name: insert_cancellations
WITH r ({cancellation_columns}) AS (VALUES {rows})
INSERT INTO cancellations ({cancellation_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: insert_running_cancellations
-- Those of which nothing has ended yet and that nobody joined, as nearly all are: each parameter of
-- a row takes time, and a column's constant hardly any.
WITH r (namespace_no, cancellation_id, target_kind, target_id, reason, message, requested_by,
        certificate_name, on_behalf_of, request_id, create_time, trace_id, span_id, sampled,
        accept_seq, deadline_time, live_count, tracestate, last_seq) AS (VALUES {rows})
INSERT INTO cancellations (
    namespace_no, cancellation_id, target_kind, target_id, reason, message, requested_by,
    certificate_name, on_behalf_of, request_id, create_time, trace_id, span_id, sampled,
    accept_seq, deadline_time, live_count, tracestate, last_seq,
    state, never_started_count, acknowledged_count, forced_count, agent_lost_count,
    completed_count, join_count
)
SELECT r.*, 'IN_PROGRESS', 0, 0, 0, 0, 0, 0 FROM r WHERE namespace_no IS NOT NULL

-- name: update_cancellations
WITH r (namespace_no, cancellation_id, state, deadline_time, end_time, join_time,
        live_count, never_started_count, acknowledged_count, forced_count,
        agent_lost_count, completed_count, join_count, last_seq) AS (VALUES {rows})
UPDATE cancellations SET
    state = r.state, deadline_time = r.deadline_time, end_time = r.end_time,
    join_time = r.join_time, live_count = r.live_count, never_started_count = r.never_started_count,
    acknowledged_count = r.acknowledged_count, forced_count = r.forced_count,
    agent_lost_count = r.agent_lost_count, completed_count = r.completed_count,
    join_count = r.join_count, last_seq = r.last_seq
FROM r
WHERE cancellations.namespace_no = r.namespace_no
    AND cancellations.cancellation_id = r.cancellation_id

-- name: insert_joins
WITH r (namespace_no, cancellation_id, place, {join_columns}) AS (VALUES {rows})
INSERT INTO joins (namespace_no, cancellation_id, place, {join_columns})
SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: save_request_ids
WITH r (namespace_no, request_id, answer_id, fingerprint, joined) AS (VALUES {rows})
INSERT INTO request_ids (namespace_no, request_id, answer_id, fingerprint, joined)
SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: save_settling_request_ids
WITH r (namespace_no, request_id, answer_id, fingerprint) AS (VALUES {rows})
INSERT INTO request_ids (namespace_no, request_id, answer_id, fingerprint, joined, settles)
SELECT *, 0, 1 FROM r WHERE namespace_no IS NOT NULL

-- name: insert_new_tasks
-- Tasks that nobody has started, as nearly all are that are created: all else of them is the same.
WITH r (task_no, namespace_no, task_id, group_id, checkout_id, order_id, merchant, labels,
        create_time, expire_time, last_seq) AS (VALUES {rows})
INSERT INTO tasks (
    task_no, namespace_no, task_id, group_id, checkout_id, order_id, merchant, labels,
    create_time, expire_time, last_seq, update_time, state, version, fence, failure_message,
    charge_state, refund_state, late_reports, fence_raised
)
SELECT r.*, create_time, 'PENDING', 1, 0, '', 'NONE', 'NONE', 0, 0 FROM r
WHERE task_no IS NOT NULL

-- name: insert_tasks
WITH r ({task_columns}) AS (VALUES {rows})
INSERT INTO tasks ({task_columns}) SELECT * FROM r WHERE task_no IS NOT NULL

-- name: insert_task_labels
WITH r (namespace_no, digest, task_no) AS (VALUES {rows})
INSERT INTO task_labels (namespace_no, digest, task_no) SELECT * FROM r WHERE task_no IS NOT NULL
ON CONFLICT DO NOTHING

-- name: update_tasks
-- The number alone finds a task here. Elsewhere it is one of its namespace.
WITH r (namespace_no, task_no, state, version, last_seq, fence, agent_id, cancellation_id,
        cancel_proof, deadline_time, due_time, failure_message, charge_state, refund_state,
        settlement, late_reports, start_time, update_time, end_time, end_seq, fence_raised)
    AS (VALUES {rows})
UPDATE tasks SET
    state = r.state, version = r.version, last_seq = r.last_seq, fence = r.fence,
    agent_id = r.agent_id, cancellation_id = r.cancellation_id, cancel_proof = r.cancel_proof,
    deadline_time = r.deadline_time, due_time = r.due_time, failure_message = r.failure_message,
    charge_state = r.charge_state, refund_state = r.refund_state, settlement = r.settlement,
    late_reports = r.late_reports, start_time = r.start_time, update_time = r.update_time,
    end_time = r.end_time, end_seq = r.end_seq, fence_raised = r.fence_raised
FROM r WHERE tasks.task_no = r.task_no

-- name: update_live_tasks
-- Tasks that neither start nor end. SQLite writes each index anew that knows a column which is set,
-- be it to what it was; so this one leaves out all that the indexes of live tasks know.
WITH r (namespace_no, task_no, state, version, last_seq, fence, cancellation_id, deadline_time,
        due_time, charge_state, update_time) AS (VALUES {rows})
UPDATE tasks SET
    state = r.state, version = r.version, last_seq = r.last_seq, fence = r.fence,
    cancellation_id = r.cancellation_id, deadline_time = r.deadline_time, due_time = r.due_time,
    charge_state = r.charge_state, update_time = r.update_time
FROM r WHERE tasks.task_no = r.task_no

-- name: start_tasks
WITH r (namespace_no, task_no, state, version, last_seq, fence, agent_id, start_time, update_time)
    AS (VALUES {rows})
UPDATE tasks SET
    state = r.state, version = r.version, last_seq = r.last_seq, fence = r.fence,
    agent_id = r.agent_id, start_time = r.start_time, update_time = r.update_time
FROM r WHERE tasks.task_no = r.task_no

-- name: end_tasks
-- Tasks that end, and maybe were cancelled with it; of which nothing else changes.
WITH r (namespace_no, task_no, state, version, last_seq, fence, cancellation_id, cancel_proof,
        failure_message, refund_state, update_time, end_time, end_seq, fence_raised)
    AS (VALUES {rows})
UPDATE tasks SET
    state = r.state, version = r.version, last_seq = r.last_seq, fence = r.fence,
    cancellation_id = r.cancellation_id, cancel_proof = r.cancel_proof,
    failure_message = r.failure_message, refund_state = r.refund_state,
    update_time = r.update_time, end_time = r.end_time, end_seq = r.end_seq,
    fence_raised = r.fence_raised
FROM r WHERE tasks.task_no = r.task_no

-- name: insert_events
WITH r (namespace_no, seq, previous_seq, task_no, version, state, charge_state, deadline_time,
        time) AS (VALUES {rows})
INSERT INTO events (namespace_no, seq, previous_seq, task_no, version, state, charge_state,
                    deadline_time, time)
SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: insert_refund_events
-- Those that say something of a refund. Most do not, and are not to cost more for it.
WITH r (namespace_no, seq, previous_seq, task_no, version, state, charge_state, deadline_time,
        time, refund_state, settlement) AS (VALUES {rows})
INSERT INTO events (namespace_no, seq, previous_seq, task_no, version, state, charge_state,
                    deadline_time, time, refund_state, settlement)
SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: insert_attached_events
-- Tasks that came under an order with their checkout.
WITH r (namespace_no, seq, previous_seq, task_no, version, state, charge_state, deadline_time,
        time, refund_state, settlement, record_kind, record_id) AS (VALUES {rows})
INSERT INTO events (namespace_no, seq, previous_seq, task_no, version, state, charge_state,
                    deadline_time, time, refund_state, settlement, record_kind, record_id)
SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: insert_record_events
WITH r (namespace_no, seq, previous_seq, state, time, record_kind, record_id, record_version)
    AS (VALUES {rows})
INSERT INTO events (namespace_no, seq, previous_seq, state, time, record_kind, record_id,
                    record_version)
SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: save_positions
WITH r (namespace_no, last_seq) AS (VALUES {rows})
UPDATE namespaces SET last_seq = r.last_seq FROM r
WHERE namespaces.namespace_no = r.namespace_no

-- name: load_positions
WITH wanted (namespace_no) AS (VALUES {rows})
SELECT json_group_array(json_array(n.namespace_no, n.last_seq, (
    SELECT sum(stored_bytes) FROM namespaces AS o WHERE o.tenant = n.tenant
), json(iif(n.webhook_count = 0, NULL, json_array(n.environment, n.last_notice)))))
FROM wanted AS w CROSS JOIN namespaces AS n ON n.namespace_no = w.namespace_no

-- name: load_keys
WITH wanted (key_id) AS (VALUES {rows})
SELECT json_group_array(json_array({key}))
FROM wanted AS w
CROSS JOIN keys AS k ON k.key_id = w.key_id
CROSS JOIN namespaces AS n ON n.namespace_no = k.namespace_no

-- name: insert_namespace
INSERT INTO namespaces (tenant, environment) VALUES (?, ?)
ON CONFLICT (tenant, environment) DO NOTHING

-- name: load_namespace
SELECT namespace_no FROM namespaces WHERE tenant = ? AND environment = ?

-- name: save_keys
WITH r (tenant, environment, {key_columns}) AS (VALUES {rows})
INSERT INTO keys (namespace_no, {key_columns})
SELECT namespace_no, {key_columns} FROM r CROSS JOIN namespaces USING (tenant, environment)
WHERE tenant IS NOT NULL
ON CONFLICT (key_id) DO UPDATE SET
    expire_time = excluded.expire_time, revoke_time = excluded.revoke_time,
    last_use_time = excluded.last_use_time, successor_key_id = excluded.successor_key_id,
    revoked_by = excluded.revoked_by

-- name: reset_due_times
-- The steady clock begins at the time of the wall clock when a server starts.
UPDATE tasks INDEXED BY tasks_by_due SET due_time = deadline_time
WHERE state = 'CANCELLING' AND due_time IS NOT deadline_time

-- name: save_ids_ahead
WITH r (id_time, since) AS (VALUES {rows})
INSERT INTO ids_ahead (id_time, since) SELECT * FROM r WHERE id_time IS NOT NULL
ON CONFLICT (id_time) DO UPDATE SET since = min(since, excluded.since)

-- name: delete_clock_stretches
DELETE FROM clock_stretches

-- name: insert_clock_stretches
WITH r (since, until, wall) AS (VALUES {rows})
INSERT INTO clock_stretches (since, until, wall) SELECT * FROM r WHERE since IS NOT NULL

-- name: renew_leases
-- No agent could renew its lease while no server ran, or while it could not write.
UPDATE agents SET lease_expire_time = ? + lease_duration WHERE lease_expire_time IS NOT NULL

-- name: renew_some_leases
WITH r (namespace_no, agent_id, now) AS (VALUES {rows})
UPDATE agents SET lease_expire_time = r.now + lease_duration FROM r
WHERE agents.namespace_no = r.namespace_no AND agents.agent_id = r.agent_id
    AND lease_expire_time IS NOT NULL
