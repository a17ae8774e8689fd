-- The statements of a purge. A search looks for what is old in one namespace, the oldest first, and
-- goes on after the time and the number of the last row that it saw. Its last column says about how
-- many bytes go with a row: of a task with its versions, of a checkout or order with its snapshot.

-- name: load_old_task
SELECT json_group_array(json_array(namespace_no, lower(hex(task_id)), update_time, task_no, bytes)) FROM (
    SELECT namespace_no, task_id, update_time, task_no, length(labels) + 100 * version AS bytes
    FROM tasks INDEXED BY tasks_ended
    WHERE end_time IS NOT NULL AND refund_state <> 'REQUIRED' AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, task_no) > (:time, :number)
    ORDER BY update_time, task_no LIMIT :limit
)

-- name: load_old_owed_task
SELECT json_group_array(json_array(namespace_no, lower(hex(task_id)), update_time, task_no, bytes)) FROM (
    SELECT namespace_no, task_id, update_time, task_no, length(labels) + 100 * version AS bytes
    FROM tasks INDEXED BY tasks_owed
    WHERE refund_state = 'REQUIRED' AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, task_no) > (:time, :number)
    ORDER BY update_time, task_no LIMIT :limit
)

-- name: load_old_group
SELECT json_group_array(json_array(namespace_no, lower(hex(group_id)), update_time, group_no, 0)) FROM (
    SELECT namespace_no, group_id, update_time, group_no FROM groups INDEXED BY groups_empty
    WHERE task_count = 0 AND checkout_id IS NULL AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, group_no) > (:time, :number)
    ORDER BY update_time, group_no LIMIT :limit
)

-- name: load_old_{scope} for checkout order
SELECT json_group_array(json_array(namespace_no, {scope}_id, update_time, {scope}_no, bytes)) FROM (
    SELECT namespace_no, {scope}_id, update_time, {scope}_no, (
        SELECT length(snapshot) FROM {scope}_snapshots AS s WHERE s.{scope}_no = {scope}s.{scope}_no
    ) AS bytes
    FROM {scope}s INDEXED BY {scope}s_empty
    WHERE task_count = 0 AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, {scope}_no) > (:time, :number)
    ORDER BY update_time, {scope}_no LIMIT :limit
)

-- name: load_old_cancellation
-- It has no number, and needs none: whatever is found goes.
SELECT json_group_array(json_array(namespace_no, lower(hex(cancellation_id)), end_time, 0, 0)) FROM (
    SELECT namespace_no, cancellation_id, end_time
    FROM cancellations INDEXED BY cancellations_in_vain
    WHERE target_kind = 'TASK' AND state = 'TOO_LATE' AND deadline_time IS NULL
        AND namespace_no = :namespace_no AND end_time BETWEEN :time AND :before
    ORDER BY end_time LIMIT :limit
)

-- name: load_old_cart
SELECT json_group_array(json_array(namespace_no, cart_id, update_time, rowid, bytes)) FROM (
    SELECT namespace_no, cart_id, update_time, rowid, (
        SELECT length(line_items) FROM cart_lines AS l
        WHERE l.namespace_no = carts.namespace_no AND l.cart_id = carts.cart_id
    ) AS bytes
    FROM carts INDEXED BY carts_active
    WHERE state = 'ACTIVE' AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, rowid) > (:time, :number)
    ORDER BY update_time, rowid LIMIT :limit
)

-- name: load_old_agent
-- It needs no number either.
SELECT json_group_array(json_array(namespace_no, agent_id, lost_time, 0, 0)) FROM (
    SELECT namespace_no, agent_id, lost_time FROM agents INDEXED BY agents_lost
    WHERE namespace_no = :namespace_no AND lost_time BETWEEN :time AND :before ORDER BY lost_time LIMIT :limit
)

-- name: load_old_event
SELECT json_group_array(json_array(namespace_no, NULL, time, seq, 0)) FROM (
    SELECT namespace_no, time, seq FROM events INDEXED BY events_without_task
    WHERE task_no IS NULL AND record_kind IS NULL AND namespace_no = :namespace_no
        AND time <= :before AND (time, seq) > (:time, :number)
    ORDER BY time, seq LIMIT :limit
)

-- name: namespaces_with_old
-- Each is looked for with a step in each index, whatever it holds.
SELECT json_group_array(n.namespace_no) FROM namespaces AS n WHERE EXISTS (
    SELECT 1 FROM tasks INDEXED BY tasks_ended
    WHERE end_time IS NOT NULL AND refund_state <> 'REQUIRED'
        AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM tasks INDEXED BY tasks_owed
    WHERE refund_state = 'REQUIRED'
        AND namespace_no = n.namespace_no AND update_time <= :owed_before
) OR EXISTS (
    SELECT 1 FROM groups INDEXED BY groups_empty
    WHERE task_count = 0 AND checkout_id IS NULL
        AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM checkouts INDEXED BY checkouts_empty
    WHERE task_count = 0 AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM orders INDEXED BY orders_empty
    WHERE task_count = 0 AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM cancellations INDEXED BY cancellations_in_vain
    WHERE target_kind = 'TASK' AND state = 'TOO_LATE' AND deadline_time IS NULL
        AND namespace_no = n.namespace_no AND end_time <= :before
) OR EXISTS (
    SELECT 1 FROM carts INDEXED BY carts_active
    WHERE state = 'ACTIVE' AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM agents INDEXED BY agents_lost
    WHERE lost_time IS NOT NULL AND namespace_no = n.namespace_no AND lost_time <= :before
) OR EXISTS (
    SELECT 1 FROM events INDEXED BY events_without_task
    WHERE task_no IS NULL AND record_kind IS NULL
        AND namespace_no = n.namespace_no AND time <= :before
)

-- name: delete_events
-- All of a task or record, back from the last. Here and below all rows are of one namespace: pairs
-- would be looked for in the whole of it.
WITH RECURSIVE r (namespace_no, seq) AS (VALUES {rows}), chain (namespace_no, seq) AS (
    SELECT namespace_no, seq FROM r WHERE namespace_no IS NOT NULL
    UNION ALL
    SELECT e.namespace_no, e.previous_seq
    FROM chain CROSS JOIN events AS e ON e.namespace_no = chain.namespace_no AND e.seq = chain.seq
    WHERE e.previous_seq > 0
)
DELETE FROM events
WHERE namespace_no IN (SELECT namespace_no FROM r) AND seq IN (SELECT seq FROM chain)

-- name: delete_tasks
WITH r (namespace_no, task_no) AS (VALUES {rows})
DELETE FROM tasks WHERE task_no IN (SELECT task_no FROM r)

-- name: delete_task_labels
WITH r (namespace_no, digest, task_no) AS (VALUES {rows})
DELETE FROM task_labels
WHERE (namespace_no, digest, task_no) IN (SELECT * FROM r)

-- name: delete_{scope} for group checkout order cart agent cancellation
WITH r (namespace_no, id) AS (VALUES {rows})
DELETE FROM {scope}s
WHERE namespace_no IN (SELECT namespace_no FROM r) AND {scope}_id IN (SELECT id FROM r)

-- name: delete_request_ids
WITH r (namespace_no, id) AS (VALUES {rows})
DELETE FROM request_ids
WHERE namespace_no IN (SELECT namespace_no FROM r) AND request_id IN (SELECT id FROM r)

-- name: delete_joined_request_ids
WITH r (namespace_no, id) AS (VALUES {rows})
DELETE FROM request_ids INDEXED BY request_ids_joined
WHERE joined AND namespace_no IN (SELECT namespace_no FROM r)
    AND answer_id IN (SELECT id FROM r)

-- name: delete_joins
WITH r (namespace_no, id) AS (VALUES {rows})
DELETE FROM joins
WHERE namespace_no IN (SELECT namespace_no FROM r) AND cancellation_id IN (SELECT id FROM r)

-- name: delete_settling_request_ids
WITH r (namespace_no, id) AS (VALUES {rows})
DELETE FROM request_ids INDEXED BY request_ids_settling
WHERE settles AND namespace_no IN (SELECT namespace_no FROM r)
    AND answer_id IN (SELECT id FROM r)

-- name: raise_floors
WITH r (namespace_no, seq, time) AS (VALUES {rows})
UPDATE namespaces SET floor_seq = r.seq, floor_time = r.time FROM r
WHERE namespaces.namespace_no = r.namespace_no AND floor_seq < r.seq
