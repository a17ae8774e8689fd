-- The statements of a purge. A search looks for what is old in one namespace, the oldest first, and
-- goes on after the time and the number of the last row that it saw. Its last column says about how
-- many bytes go with a row: of a task with its versions, of a checkout or order with its snapshot.

-- name: load_old_task
SELECT coalesce(json_agg(json_build_array(
    namespace_no, encode(uuid_send(task_id), 'hex'), update_time, task_no, bytes
)), '[]')
FROM (
    SELECT namespace_no, task_id, update_time, task_no, length(labels) + 100 * version AS bytes
    FROM tasks
    WHERE end_time IS NOT NULL AND refund_state <> 'REQUIRED' AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, task_no) > (:time, :number)
    ORDER BY update_time, task_no LIMIT :limit
) AS found

-- name: load_old_owed_task
SELECT coalesce(json_agg(json_build_array(
    namespace_no, encode(uuid_send(task_id), 'hex'), update_time, task_no, bytes
)), '[]')
FROM (
    SELECT namespace_no, task_id, update_time, task_no, length(labels) + 100 * version AS bytes
    FROM tasks
    WHERE refund_state = 'REQUIRED' AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, task_no) > (:time, :number)
    ORDER BY update_time, task_no LIMIT :limit
) AS found

-- name: load_old_group
SELECT coalesce(json_agg(json_build_array(
    namespace_no, encode(uuid_send(group_id), 'hex'), update_time, group_no, 0
)), '[]')
FROM (
    SELECT namespace_no, group_id, update_time, group_no FROM groups
    WHERE task_count = 0 AND checkout_id IS NULL AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, group_no) > (:time, :number)
    ORDER BY update_time, group_no LIMIT :limit
) AS found

-- name: load_old_{scope} for checkout order
SELECT coalesce(json_agg(json_build_array(
    namespace_no, {scope}_id, update_time, {scope}_no, bytes
)), '[]')
FROM (
    SELECT namespace_no, {scope}_id, update_time, {scope}_no, (
        SELECT length(snapshot) FROM {scope}_snapshots AS s
        WHERE s.{scope}_no = {scope}s.{scope}_no
    ) AS bytes
    FROM {scope}s
    WHERE task_count = 0 AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, {scope}_no) > (:time, :number)
    ORDER BY update_time, {scope}_no LIMIT :limit
) AS found

-- name: load_old_cancellation
-- It has no number, and needs none: whatever is found goes.
SELECT coalesce(json_agg(json_build_array(
    namespace_no, encode(uuid_send(cancellation_id), 'hex'), end_time, 0, 0
)), '[]')
FROM (
    SELECT namespace_no, cancellation_id, end_time
    FROM cancellations
    WHERE target_kind = 'TASK' AND state = 'TOO_LATE' AND deadline_time IS NULL
        AND namespace_no = :namespace_no AND end_time BETWEEN :time AND :before
    ORDER BY end_time LIMIT :limit
) AS found

-- name: load_old_cart
SELECT coalesce(json_agg(json_build_array(
    namespace_no, cart_id, update_time, cart_no, bytes
)), '[]')
FROM (
    SELECT namespace_no, cart_id, update_time, cart_no, (
        SELECT length(line_items) FROM cart_lines AS l WHERE l.cart_no = carts.cart_no
    ) AS bytes
    FROM carts
    WHERE state = 'ACTIVE' AND namespace_no = :namespace_no
        AND update_time <= :before AND (update_time, cart_no) > (:time, :number)
    ORDER BY update_time, cart_no LIMIT :limit
) AS found

-- name: load_old_agent
-- It needs no number either.
SELECT coalesce(json_agg(json_build_array(
    namespace_no, agent_id, lost_time, 0, 0
)), '[]')
FROM (
    SELECT namespace_no, agent_id, lost_time FROM agents
    WHERE namespace_no = :namespace_no AND lost_time BETWEEN :time AND :before
    ORDER BY lost_time LIMIT :limit
) AS found

-- name: load_old_event
SELECT coalesce(json_agg(json_build_array(
    namespace_no, NULL, time, seq, 0
)), '[]')
FROM (
    SELECT namespace_no, time, seq FROM events
    WHERE task_no IS NULL AND record_kind IS NULL AND namespace_no = :namespace_no
        AND time <= :before AND (time, seq) > (:time, :number)
    ORDER BY time, seq LIMIT :limit
) AS found

-- name: namespaces_with_old
-- Each is looked for with a step in each index, whatever it holds.
SELECT coalesce(json_agg(n.namespace_no), '[]') FROM namespaces AS n WHERE EXISTS (
    SELECT 1 FROM tasks
    WHERE end_time IS NOT NULL AND refund_state <> 'REQUIRED'
        AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM tasks
    WHERE refund_state = 'REQUIRED'
        AND namespace_no = n.namespace_no AND update_time <= :owed_before
) OR EXISTS (
    SELECT 1 FROM groups
    WHERE task_count = 0 AND checkout_id IS NULL
        AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM checkouts
    WHERE task_count = 0 AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM orders
    WHERE task_count = 0 AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM cancellations
    WHERE target_kind = 'TASK' AND state = 'TOO_LATE' AND deadline_time IS NULL
        AND namespace_no = n.namespace_no AND end_time <= :before
) OR EXISTS (
    SELECT 1 FROM carts
    WHERE state = 'ACTIVE' AND namespace_no = n.namespace_no AND update_time <= :before
) OR EXISTS (
    SELECT 1 FROM agents
    WHERE lost_time IS NOT NULL AND namespace_no = n.namespace_no AND lost_time <= :before
) OR EXISTS (
    SELECT 1 FROM events
    WHERE task_no IS NULL AND record_kind IS NULL
        AND namespace_no = n.namespace_no AND time <= :before
)

-- name: delete_events
-- All of a task or record, back from the last.
WITH RECURSIVE r (namespace_no, seq) AS (VALUES {rows}), chain (namespace_no, seq) AS (
    SELECT namespace_no, seq FROM r WHERE namespace_no IS NOT NULL
    UNION ALL
    SELECT e.namespace_no, e.previous_seq
    FROM chain JOIN events AS e ON e.namespace_no = chain.namespace_no AND e.seq = chain.seq
    WHERE e.previous_seq > 0
)
DELETE FROM events AS e USING chain
WHERE e.namespace_no = chain.namespace_no AND e.seq = chain.seq

-- name: delete_tasks
WITH r (namespace_no, task_no) AS (VALUES {rows})
DELETE FROM tasks AS t USING r WHERE t.namespace_no = r.namespace_no AND t.task_no = r.task_no

-- name: delete_task_labels
WITH r (namespace_no, digest, task_no) AS (VALUES {rows})
DELETE FROM task_labels AS l USING r
WHERE l.namespace_no = r.namespace_no AND l.digest = r.digest AND l.task_no = r.task_no

-- name: delete_{scope} for group cancellation
WITH r (namespace_no, id /* uuid */) AS (VALUES {rows})
DELETE FROM {scope}s AS h USING r
WHERE h.namespace_no = r.namespace_no AND h.{scope}_id = r.id

-- name: delete_{scope} for checkout order
WITH r (namespace_no, id /* text */) AS (VALUES {rows}), gone AS (
    DELETE FROM {scope}s AS h USING r
    WHERE h.namespace_no = r.namespace_no AND h.{scope}_id = r.id
    RETURNING h.{scope}_no
)
DELETE FROM {scope}_snapshots AS s USING gone WHERE s.{scope}_no = gone.{scope}_no

-- name: delete_cart
WITH r (namespace_no, id /* text */) AS (VALUES {rows}), gone AS (
    DELETE FROM carts AS k USING r
    WHERE k.namespace_no = r.namespace_no AND k.cart_id = r.id
    RETURNING k.cart_no
)
DELETE FROM cart_lines AS l USING gone WHERE l.cart_no = gone.cart_no

-- name: delete_agent
WITH r (namespace_no, id /* text */) AS (VALUES {rows})
DELETE FROM agents AS a USING r WHERE a.namespace_no = r.namespace_no AND a.agent_id = r.id

-- name: delete_request_ids
WITH r (namespace_no, id /* uuid */) AS (VALUES {rows})
DELETE FROM request_ids AS i USING r
WHERE i.namespace_no = r.namespace_no AND i.request_id = r.id

-- name: delete_joined_request_ids
WITH r (namespace_no, id /* uuid */) AS (VALUES {rows})
DELETE FROM request_ids AS i USING r
WHERE i.joined = 1 AND i.namespace_no = r.namespace_no AND i.answer_id = r.id

-- name: delete_joins
WITH r (namespace_no, id /* uuid */) AS (VALUES {rows})
DELETE FROM joins AS j USING r
WHERE j.namespace_no = r.namespace_no AND j.cancellation_id = r.id

-- name: delete_settling_request_ids
WITH r (namespace_no, id /* uuid */) AS (VALUES {rows})
DELETE FROM request_ids AS i USING r
WHERE i.settles = 1 AND i.namespace_no = r.namespace_no AND i.answer_id = r.id

-- name: raise_floors
WITH r (namespace_no, seq, time) AS (VALUES {rows})
UPDATE positions SET floor_seq = r.seq, floor_time = r.time FROM r
WHERE positions.namespace_no = r.namespace_no AND floor_seq < r.seq
