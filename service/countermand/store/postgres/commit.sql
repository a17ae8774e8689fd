-- The statements of a commit. {rows} stands for as many rows of parameters as a call has; rows
-- beyond the last real one are null. The first row gives each column its type, by its name, or as a
-- comment says beside it. A reading answers one JSON value, as on SQLite.

-- name: load_tasks
WITH wanted (namespace_no, task_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({task})), '[]')
FROM wanted AS w
JOIN tasks AS t ON t.namespace_no = w.namespace_no AND t.task_id = w.task_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_ending_tasks
-- Each with the cancellation that it names.
WITH wanted (namespace_no, task_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(json_build_array({task}),
    CASE WHEN c.cancellation_id IS NOT NULL THEN json_build_array({cancellation}) END)), '[]')
FROM wanted AS w
JOIN tasks AS t ON t.namespace_no = w.namespace_no AND t.task_id = w.task_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_members_{scope} for group
WITH wanted (target, namespace_no, id /* uuid */) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(s.target, {task})), '[]')
FROM ({tasks_of_wanted}) AS s
JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_members_{scope} for checkout order
WITH wanted (target, namespace_no, id /* text */) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(s.target, {task})), '[]')
FROM ({tasks_of_wanted}) AS s
JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_group
WITH wanted (namespace_no, group_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({group})), '[]')
FROM wanted AS w
JOIN groups AS g ON g.namespace_no = w.namespace_no AND g.group_id = w.group_id

-- name: load_checkout
WITH wanted (namespace_no, checkout_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({checkout}, (
    SELECT coalesce(json_agg(l.order_id), '[]') FROM order_checkouts AS l
    WHERE l.namespace_no = k.namespace_no AND l.checkout_id = k.checkout_id
))), '[]')
FROM wanted AS w
JOIN checkouts AS k ON k.namespace_no = w.namespace_no AND k.checkout_id = w.checkout_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = k.namespace_no AND c.cancellation_id = k.cancellation_id

-- name: load_order
WITH wanted (namespace_no, order_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({order}, (
    SELECT coalesce(json_agg(json_build_array(l.position, l.checkout_id)), '[]')
    FROM order_checkouts AS l
    WHERE l.namespace_no = o.namespace_no AND l.order_id = o.order_id
))), '[]')
FROM wanted AS w
JOIN orders AS o ON o.namespace_no = w.namespace_no AND o.order_id = w.order_id
LEFT JOIN cancellations AS c
    ON c.namespace_no = o.namespace_no AND c.cancellation_id = o.cancellation_id

-- name: load_{scope}_snapshot for checkout order
-- One alone: what callers say is large, and no statement answers many of it in one value.
SELECT s.snapshot FROM {scope}s AS h JOIN {scope}_snapshots AS s ON s.{scope}_no = h.{scope}_no
WHERE h.namespace_no = ? AND h.{scope}_id = ?

-- name: save_{scope}_snapshot for checkout order
INSERT INTO {scope}_snapshots ({scope}_no, namespace_no, snapshot)
SELECT {scope}_no, namespace_no, ?::bytea FROM {scope}s WHERE namespace_no = ? AND {scope}_id = ?
ON CONFLICT ({scope}_no) DO UPDATE SET snapshot = excluded.snapshot

-- name: load_cart_lines
SELECT l.line_items FROM carts AS k JOIN cart_lines AS l ON l.cart_no = k.cart_no
WHERE k.namespace_no = ? AND k.cart_id = ?

-- name: save_cart_lines
INSERT INTO cart_lines (cart_no, namespace_no, line_items)
SELECT cart_no, namespace_no, ?::bytea FROM carts WHERE namespace_no = ? AND cart_id = ?
ON CONFLICT (cart_no) DO UPDATE SET line_items = excluded.line_items

-- name: load_subgroups
WITH wanted (target, namespace_no, order_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(w.target, {group})), '[]')
FROM wanted AS w
JOIN groups AS g ON g.namespace_no = w.namespace_no AND g.order_id = w.order_id

-- name: load_carts
WITH wanted (namespace_no, cart_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({cart})), '[]')
FROM wanted AS w
JOIN carts AS k ON k.namespace_no = w.namespace_no AND k.cart_id = w.cart_id

-- name: load_agents
WITH wanted (namespace_no, agent_id) AS (VALUES {rows})
SELECT coalesce(json_agg(
    json_build_array(
        a.namespace_no, a.agent_id, a.lease_duration, a.lease_expire_time, a.lost_time
    )
), '[]')
FROM wanted AS w
JOIN agents AS a ON a.namespace_no = w.namespace_no AND a.agent_id = w.agent_id

-- name: load_cancellations
WITH wanted (namespace_no, cancellation_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({cancellation})), '[]')
FROM wanted AS w
JOIN cancellations AS c
    ON c.namespace_no = w.namespace_no AND c.cancellation_id = w.cancellation_id

-- name: load_early_cancels
WITH wanted (namespace_no, task_id /* bytea */) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({cancellation})), '[]')
FROM wanted AS w
JOIN cancellations AS c
    ON c.namespace_no = w.namespace_no AND c.target_id = w.task_id
WHERE c.state = 'IN_PROGRESS' AND c.live_count = 0

-- name: load_request_ids
WITH wanted (namespace_no, request_id) AS (VALUES {rows})
SELECT coalesce(json_agg(
    json_build_array(
        r.namespace_no, encode(uuid_send(r.request_id), 'hex'),
        encode(uuid_send(r.answer_id), 'hex'),
        encode(r.fingerprint, 'hex'), r.joined, r.settles
    )
), '[]')
FROM wanted AS w
JOIN request_ids AS r ON r.namespace_no = w.namespace_no AND r.request_id = w.request_id

-- name: namespaces_late_task
SELECT coalesce(json_agg(w.value), '[]') FROM ({with_late_task}) AS w (value)
WHERE EXISTS (
    SELECT 1 FROM tasks
    WHERE state = 'CANCELLING'
        AND namespace_no = w.value AND due_time <= ?
)

-- name: namespaces_lost_agent
SELECT coalesce(json_agg(w.value), '[]') FROM ({with_lost_agent}) AS w (value)
WHERE EXISTS (
    SELECT 1 FROM agents
    WHERE lease_expire_time IS NOT NULL
        AND namespace_no = w.value AND lease_expire_time <= ?
)

-- name: namespaces_expired_task
SELECT coalesce(json_agg(w.value), '[]') FROM ({with_expired_task}) AS w (value)
WHERE EXISTS (
    SELECT 1 FROM tasks
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
        AND namespace_no = w.value AND expire_time <= ?
)

-- name: namespaces_expired_checkout
SELECT coalesce(json_agg(w.value), '[]') FROM ({with_expired_checkout}) AS w (value)
WHERE EXISTS (
    SELECT 1 FROM checkouts
    WHERE expire_time IS NOT NULL AND state = 'OPEN'
        AND namespace_no = w.value AND expire_time <= ?
)

-- name: load_late_task
-- Tasks past their deadline. These are the turns of one namespace.
SELECT coalesce(json_agg(json_build_array({task})), '[]')
FROM (
    SELECT * FROM tasks
    WHERE state = 'CANCELLING' AND namespace_no = ? AND due_time <= ?
    ORDER BY due_time LIMIT ? OFFSET ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_orphan
-- Live tasks of agents past their lease.
SELECT coalesce(json_agg(json_build_array({task})), '[]')
FROM (
    SELECT t.* FROM agents AS a
    JOIN tasks AS t
        ON t.namespace_no = a.namespace_no AND t.agent_id = a.agent_id AND t.end_time IS NULL
    WHERE a.namespace_no = ? AND a.lease_expire_time <= ?
    ORDER BY a.lease_expire_time, t.agent_id, t.task_no LIMIT ? OFFSET ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_lost_agent
SELECT coalesce(json_agg(json_build_array(namespace_no, agent_id)), '[]') FROM (
    SELECT namespace_no, agent_id FROM agents
    WHERE namespace_no = ? AND lease_expire_time <= ?
    ORDER BY lease_expire_time LIMIT ? OFFSET ?
) AS a

-- name: load_expired_task
-- Tasks past their time to expire, that are not ending anyway.
SELECT coalesce(json_agg(json_build_array({task})), '[]')
FROM (
    SELECT * FROM tasks
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
        AND namespace_no = ? AND expire_time <= ?
    ORDER BY expire_time LIMIT ? OFFSET ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: load_expired_checkout
SELECT coalesce(json_agg(json_build_array(namespace_no, checkout_id, task_count)), '[]') FROM (
    SELECT namespace_no, checkout_id, task_count FROM checkouts
    WHERE expire_time IS NOT NULL AND state = 'OPEN' AND namespace_no = ? AND expire_time <= ?
    ORDER BY expire_time LIMIT ? OFFSET ?
) AS k

-- name: load_late_early_cancel
-- Cancels that have waited long enough for their task.
SELECT coalesce(json_agg(
    json_build_array(namespace_no, encode(uuid_send(cancellation_id), 'hex'))
), '[]')
FROM (
    SELECT namespace_no, cancellation_id FROM cancellations
    WHERE state = 'IN_PROGRESS' AND live_count = 0 AND create_time <= ?
    ORDER BY create_time LIMIT ? OFFSET ?
) AS c

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
WITH r (namespace_no, order_id, checkout_id) AS (VALUES {rows})
DELETE FROM order_checkouts AS l USING r
WHERE l.namespace_no = r.namespace_no AND l.order_id = r.order_id
    AND l.checkout_id = r.checkout_id

-- name: save_order_checkouts
-- One that stays keeps the place from which the order has its tasks.
WITH r (namespace_no, order_id, checkout_id, position, attach_seq) AS (VALUES {rows})
INSERT INTO order_checkouts (namespace_no, order_id, checkout_id, position, attach_seq)
SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, order_id, checkout_id) DO UPDATE SET
    position = excluded.position,
    attach_seq = greatest(order_checkouts.attach_seq, excluded.attach_seq)

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
SELECT r.*, 0, 1 FROM r WHERE namespace_no IS NOT NULL

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
FROM r WHERE tasks.namespace_no = r.namespace_no AND tasks.task_no = r.task_no

-- name: update_live_tasks
-- Tasks that neither start nor end.
WITH r (namespace_no, task_no, state, version, last_seq, fence, cancellation_id, deadline_time,
        due_time, charge_state, update_time) AS (VALUES {rows})
UPDATE tasks SET
    state = r.state, version = r.version, last_seq = r.last_seq, fence = r.fence,
    cancellation_id = r.cancellation_id, deadline_time = r.deadline_time, due_time = r.due_time,
    charge_state = r.charge_state, update_time = r.update_time
FROM r WHERE tasks.namespace_no = r.namespace_no AND tasks.task_no = r.task_no

-- name: start_tasks
WITH r (namespace_no, task_no, state, version, last_seq, fence, agent_id, start_time, update_time)
    AS (VALUES {rows})
UPDATE tasks SET
    state = r.state, version = r.version, last_seq = r.last_seq, fence = r.fence,
    agent_id = r.agent_id, start_time = r.start_time, update_time = r.update_time
FROM r WHERE tasks.namespace_no = r.namespace_no AND tasks.task_no = r.task_no

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
FROM r WHERE tasks.namespace_no = r.namespace_no AND tasks.task_no = r.task_no

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
UPDATE positions SET last_seq = r.last_seq FROM r
WHERE positions.namespace_no = r.namespace_no

-- name: load_positions
WITH wanted (namespace_no) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(n.namespace_no, p.last_seq, (
    SELECT sum(s.stored_bytes)
    FROM namespaces AS o JOIN positions AS s ON s.namespace_no = o.namespace_no
    WHERE o.tenant = n.tenant
), CASE WHEN p.webhook_count > 0 THEN json_build_array(n.environment, p.last_notice) END)), '[]')
FROM wanted AS w
JOIN namespaces AS n ON n.namespace_no = w.namespace_no
JOIN positions AS p ON p.namespace_no = n.namespace_no

-- name: load_keys
WITH wanted (key_id) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({key})), '[]')
FROM wanted AS w
JOIN keys AS k ON k.key_id = w.key_id
JOIN namespaces AS n ON n.namespace_no = k.namespace_no

-- name: insert_namespace
-- Its tasks are numbered from somewhere: tasks of two tenants with one deadline have a place one
-- behind the other in the operator's list, which goes by the number then.
WITH made AS (
    INSERT INTO namespaces (tenant, environment) VALUES (?, ?)
    ON CONFLICT (tenant, environment) DO NOTHING RETURNING namespace_no
)
INSERT INTO positions (namespace_no, last_number)
SELECT namespace_no, floor(random() * 549755813888)::bigint FROM made

-- name: load_namespace
SELECT namespace_no FROM namespaces WHERE tenant = ? AND environment = ?

-- name: save_keys
WITH r (tenant, environment, {key_columns}) AS (VALUES {rows})
INSERT INTO keys (namespace_no, {key_columns})
SELECT namespace_no, {key_columns} FROM r JOIN namespaces USING (tenant, environment)
ON CONFLICT (key_id) DO UPDATE SET
    expire_time = excluded.expire_time, revoke_time = excluded.revoke_time,
    last_use_time = excluded.last_use_time, successor_key_id = excluded.successor_key_id,
    revoked_by = excluded.revoked_by

-- name: reset_due_times
-- The steady clock begins at the time of the wall clock when a server starts.
UPDATE tasks SET due_time = deadline_time
WHERE state = 'CANCELLING' AND deadline_time IS NOT NULL
    AND due_time IS DISTINCT FROM deadline_time

-- name: save_ids_ahead
-- Grouped, for no row is to be met twice.
WITH r (id_time, since) AS (VALUES {rows})
INSERT INTO ids_ahead (id_time, since)
SELECT id_time, min(since) FROM r WHERE id_time IS NOT NULL GROUP BY id_time
ON CONFLICT (id_time) DO UPDATE SET since = least(ids_ahead.since, excluded.since)

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
