-- What must hold of a store's rows and its schema cannot hold. Each statement counts the rows that
-- break the rule that its name says. The rules that SQLite's stores are held to are here by the same
-- names; beside them is what foreign keys hold there.

-- name: the last version of a task in the log is not the task's row
SELECT count(*) FROM tasks AS t LEFT JOIN events AS e
ON e.namespace_no = t.namespace_no AND e.seq = t.last_seq
WHERE ROW(e.task_no, e.version, e.state, e.charge_state)
    IS DISTINCT FROM ROW(t.task_no, t.version, t.state, t.charge_state)

-- name: a version of a task does not follow the one before it in the log
SELECT count(*) FROM events AS e LEFT JOIN events AS p
ON p.namespace_no = e.namespace_no AND p.seq = e.previous_seq
WHERE e.task_no IS NOT NULL AND CASE e.version - (e.record_kind IS NULL)::int
    WHEN 0 THEN e.previous_seq <> 0
    ELSE ROW(p.task_no, p.version)
    IS DISTINCT FROM ROW(e.task_no, e.version - (e.record_kind IS NULL)::int)
        OR p.seq >= e.seq
END

-- name: the log has more or fewer versions than the tasks
SELECT count(*) FROM positions AS n WHERE (
    SELECT count(*) FROM events AS e
    WHERE e.namespace_no = n.namespace_no AND e.task_no IS NOT NULL AND e.record_kind IS NULL
) <> (SELECT coalesce(sum(version), 0) FROM tasks AS t WHERE t.namespace_no = n.namespace_no)

-- name: an event is of a namespace that is not there
SELECT count(*) FROM events WHERE namespace_no NOT IN (SELECT namespace_no FROM namespaces)

-- name: a namespace's log has a gap, or goes beyond its end
SELECT count(*) FROM positions AS n WHERE last_seq - floor_seq <> (
    SELECT count(*) FROM events AS e
    WHERE e.namespace_no = n.namespace_no AND e.seq > n.floor_seq
) OR last_seq < (SELECT max(seq) FROM events AS e WHERE e.namespace_no = n.namespace_no)

-- name: a task did not end with the version that it says
SELECT count(*) FROM tasks AS t LEFT JOIN events AS e
ON e.namespace_no = t.namespace_no AND e.seq = t.end_seq
WHERE t.end_seq IS NOT NULL AND ROW(e.task_no, e.state)
    IS DISTINCT FROM ROW(t.task_no, t.state)

-- name: a task is in a group, checkout or order that is not there
SELECT count(*) FROM tasks AS t
WHERE (group_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM groups AS g
    WHERE g.namespace_no = t.namespace_no AND g.group_id = t.group_id
)) OR (checkout_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM checkouts AS k
    WHERE k.namespace_no = t.namespace_no AND k.checkout_id = t.checkout_id
)) OR (order_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM orders AS o
    WHERE o.namespace_no = t.namespace_no AND o.order_id = t.order_id
))

-- name: a group counts other tasks than it has
SELECT count(*) FROM groups AS h WHERE ROW(task_count, live_count, completed_count, owed_count)
<> (SELECT {counts} FROM tasks AS t
    WHERE t.namespace_no = h.namespace_no AND t.group_id = h.group_id)

-- name: a checkout counts other tasks than it has
SELECT count(*) FROM checkouts AS h WHERE ROW(task_count, live_count, completed_count, owed_count)
<> (SELECT {counts} FROM tasks AS t
    WHERE t.namespace_no = h.namespace_no AND t.checkout_id = h.checkout_id)

-- name: an order counts other tasks than it has
SELECT count(*) FROM orders AS h WHERE ROW(task_count, live_count, completed_count, owed_count)
<> (SELECT {counts} FROM {tasks_of_order})

-- name: a task of a cancelled group, checkout or order is not being cancelled
SELECT (
    SELECT count(*) FROM groups AS g JOIN tasks AS t
    ON t.namespace_no = g.namespace_no AND t.group_id = g.group_id
    WHERE g.cancellation_id IS NOT NULL AND t.state IN ('PENDING', 'RUNNING')
) + (
    SELECT count(*) FROM checkouts AS k JOIN tasks AS t
    ON t.namespace_no = k.namespace_no AND t.checkout_id = k.checkout_id
    WHERE k.cancellation_id IS NOT NULL AND t.state IN ('PENDING', 'RUNNING')
) + (
    SELECT count(*) FROM orders AS h CROSS JOIN LATERAL (SELECT t.state FROM {tasks_of_order}) AS t
    WHERE h.cancellation_id IS NOT NULL AND t.state IN ('PENDING', 'RUNNING')
)

-- name: a checkout is CANCELLED and has COMPLETED tasks
SELECT count(*) FROM checkouts WHERE state = 'CANCELLED' AND completed_count > 0

-- name: a live task is being cancelled and is not CANCELLING
SELECT count(*) FROM tasks WHERE state IN ('PENDING', 'RUNNING')
    AND (cancellation_id IS NOT NULL OR deadline_time IS NOT NULL)

-- name: a CANCELLING task has no deadline to be judged by
SELECT count(*) FROM tasks WHERE state = 'CANCELLING' AND due_time IS NULL

-- name: a live task has an agent that is not there, or is lost
SELECT count(*) FROM tasks AS t WHERE end_time IS NULL AND agent_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM agents AS a
    WHERE a.namespace_no = t.namespace_no AND a.agent_id = t.agent_id AND a.lost_time IS NULL
)

-- name: a refund of COMPLETED work is required under no cancelled checkout or order
SELECT count(*) FROM tasks AS t WHERE refund_state = 'REQUIRED' AND state = 'COMPLETED'
AND NOT EXISTS (
    SELECT 1 FROM checkouts AS k WHERE k.namespace_no = t.namespace_no
    AND k.checkout_id = t.checkout_id AND k.cancellation_id IS NOT NULL
) AND NOT EXISTS (
    SELECT 1 FROM orders AS o WHERE o.namespace_no = t.namespace_no
    AND o.order_id = t.order_id AND o.cancellation_id IS NOT NULL
) AND NOT EXISTS (
    SELECT 1 FROM order_checkouts AS l JOIN orders AS o
    ON o.namespace_no = l.namespace_no AND o.order_id = l.order_id
    WHERE l.namespace_no = t.namespace_no AND l.checkout_id = t.checkout_id
    AND o.cancellation_id IS NOT NULL
)

-- name: a refund is settled, and nobody settled it
-- NOT_OWED is also what a refund becomes when its agent says that no money is held any more.
SELECT count(*) FROM tasks
WHERE (refund_state = 'REFUNDED' OR (refund_state = 'NOT_OWED' AND (
        charge_state = 'CAPTURED' OR (charge_state = 'BEGUN' AND state <> 'COMPLETED'))))
    AND left(settlement, length(refund_state) + 3) IS DISTINCT FROM '["' || refund_state || '"'

-- name: what was cancelled names a cancellation that is not there
SELECT sum(missing)::bigint FROM (
    SELECT count(*) AS missing FROM tasks AS x WHERE {no_cancellation}
    UNION ALL SELECT count(*) FROM groups AS x WHERE {no_cancellation}
    UNION ALL SELECT count(*) FROM checkouts AS x WHERE {no_cancellation}
    UNION ALL SELECT count(*) FROM orders AS x WHERE {no_cancellation}
) AS found

-- name: a cancellation has no target
SELECT count(*) FROM cancellations AS c WHERE CASE target_kind
    WHEN 'TASK' THEN NOT EXISTS (
        SELECT 1 FROM tasks AS t
        WHERE t.namespace_no = c.namespace_no AND t.task_id = {uuid_of_target}
    ) AND NOT (state = 'TOO_LATE' AND deadline_time IS NULL)
        AND NOT (state = 'IN_PROGRESS' AND live_count = 0)
    WHEN 'GROUP' THEN NOT EXISTS (
        SELECT 1 FROM groups AS g
        WHERE g.namespace_no = c.namespace_no AND g.group_id = {uuid_of_target})
    WHEN 'CHECKOUT' THEN NOT EXISTS (
        SELECT 1 FROM checkouts AS k
        WHERE k.namespace_no = c.namespace_no AND k.checkout_id = {text_of_target})
    ELSE NOT EXISTS (
        SELECT 1 FROM orders AS o
        WHERE o.namespace_no = c.namespace_no AND o.order_id = {text_of_target})
END

-- name: a cancel waits for a task that is there
SELECT count(*) FROM cancellations AS c JOIN tasks AS t
ON t.namespace_no = c.namespace_no AND t.task_id = {uuid_of_target}
WHERE c.target_kind = 'TASK' AND c.state = 'IN_PROGRESS' AND c.live_count = 0

-- name: a cancellation of a task counts other tasks than it covers
SELECT count(*) FROM cancellations AS h WHERE target_kind = 'TASK' AND {miscounted}
FROM tasks AS t WHERE t.namespace_no = h.namespace_no AND t.task_id = {uuid_of_target}
    AND t.cancellation_id = h.cancellation_id)

-- name: a cancellation of a group counts other tasks than it covers
SELECT count(*) FROM cancellations AS h WHERE target_kind = 'GROUP' AND {miscounted}
FROM tasks AS t WHERE t.namespace_no = h.namespace_no AND t.group_id = {uuid_of_target})

-- name: a cancellation of a checkout counts other tasks than it covers
SELECT count(*) FROM cancellations AS h WHERE target_kind = 'CHECKOUT' AND {miscounted}
FROM tasks AS t WHERE t.namespace_no = h.namespace_no
    AND t.checkout_id = {text_of_target})

-- name: a cancellation of an order counts other tasks than it covers
SELECT count(*) FROM (
    SELECT *, {text_of_target} AS order_id FROM cancellations
    WHERE target_kind = 'ORDER'
) AS h WHERE {miscounted}
FROM {tasks_of_order})

-- name: a cancellation that ended says of itself what its counts do not
SELECT count(*) FROM (
    SELECT *, never_started_count + acknowledged_count + forced_count + agent_lost_count AS stopped
    FROM cancellations WHERE state <> 'IN_PROGRESS'
) AS c WHERE state <> CASE
    WHEN stopped = 0 AND (completed_count > 0 OR target_kind IN ('TASK', 'GROUP')) THEN 'TOO_LATE'
    WHEN completed_count > 0 THEN 'PARTIAL'
    ELSE 'SUCCEEDED'
END

-- name: a cancellation keeps other joins than it counts
SELECT count(*) FROM cancellations AS c WHERE (
    SELECT count(*) > c.join_count OR count(*) <> coalesce(max(place) + 1, 0) FROM joins AS j
    WHERE j.namespace_no = c.namespace_no AND j.cancellation_id = c.cancellation_id
)

-- name: a join is of a cancellation that is not there
SELECT count(*) FROM joins AS x WHERE {no_cancellation}

-- name: the request id of a cancellation is not remembered
SELECT count(*) FROM cancellations AS c WHERE request_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM request_ids AS r
    WHERE r.namespace_no = c.namespace_no AND r.request_id = c.request_id
    AND r.answer_id = c.cancellation_id
)

-- name: a request id has no answer
SELECT count(*) FROM request_ids AS r WHERE CASE settles
    WHEN 0 THEN NOT EXISTS (
        SELECT 1 FROM cancellations AS c
        WHERE c.namespace_no = r.namespace_no AND c.cancellation_id = r.answer_id)
    ELSE NOT EXISTS (
        SELECT 1 FROM tasks AS t
        WHERE t.namespace_no = r.namespace_no AND t.task_id = r.answer_id)
END

-- name: a cart is locked or was closed by a checkout that does not say so
SELECT count(*) FROM carts AS c WHERE state <> 'ACTIVE' AND NOT EXISTS (
    SELECT 1 FROM checkouts AS k
    WHERE k.namespace_no = c.namespace_no AND k.checkout_id = c.checkout_id
    AND k.cart_id = c.cart_id
    AND CASE c.state WHEN 'LOCKED' THEN k.state IN ('OPEN', 'CANCELLING')
        ELSE k.state = 'COMPLETED' END
)

-- name: an open checkout has not locked its cart
SELECT count(*) FROM checkouts AS k WHERE state = 'OPEN' AND cart_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM carts AS c
    WHERE c.namespace_no = k.namespace_no AND c.cart_id = k.cart_id
    AND c.checkout_id = k.checkout_id AND c.state = 'LOCKED'
)

-- name: a checkout or group names the other, and the other is not there
SELECT (
    SELECT count(*) FROM checkouts AS k WHERE group_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM groups AS g
        WHERE g.namespace_no = k.namespace_no AND g.group_id = k.group_id)
) + (
    SELECT count(*) FROM groups AS g WHERE checkout_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM checkouts AS k
        WHERE k.namespace_no = g.namespace_no AND k.checkout_id = g.checkout_id)
)

-- name: an order lists a checkout that is not there, or is itself not there
SELECT count(*) FROM order_checkouts AS l WHERE NOT EXISTS (
    SELECT 1 FROM orders AS o
    WHERE o.namespace_no = l.namespace_no AND o.order_id = l.order_id
) OR NOT EXISTS (
    SELECT 1 FROM checkouts AS k
    WHERE k.namespace_no = l.namespace_no AND k.checkout_id = l.checkout_id
)

-- name: a checkout, order or cart lacks what its caller said of it
SELECT (SELECT count(*) FROM checkouts AS k WHERE NOT EXISTS (
    SELECT 1 FROM checkout_snapshots AS s WHERE s.checkout_no = k.checkout_no)
) + (SELECT count(*) FROM orders AS o WHERE NOT EXISTS (
    SELECT 1 FROM order_snapshots AS s WHERE s.order_no = o.order_no)
) + (SELECT count(*) FROM carts AS c WHERE NOT EXISTS (
    SELECT 1 FROM cart_lines AS l
    WHERE l.cart_no = c.cart_no))

-- name: a label is of a task that is not there
SELECT count(*) FROM task_labels AS l WHERE NOT EXISTS (
    SELECT 1 FROM tasks AS t WHERE t.namespace_no = l.namespace_no AND t.task_no = l.task_no)

-- name: an entry of a checkout, order or cancellation does not follow the one before
SELECT count(*) FROM events AS e LEFT JOIN events AS p
ON p.namespace_no = e.namespace_no AND p.seq = e.previous_seq
WHERE e.record_kind IS NOT NULL AND e.task_no IS NULL AND e.previous_seq <> 0 AND (
    ROW(p.record_kind, p.record_id, p.task_no)
    IS DISTINCT FROM ROW(e.record_kind, e.record_id, NULL::bigint)
    OR p.record_version IS DISTINCT FROM e.record_version - 1 OR p.seq >= e.seq)

-- name: the last entry of a checkout, order or cancellation is not its row
SELECT (
    SELECT count(*) FROM checkouts AS k LEFT JOIN events AS e
    ON e.namespace_no = k.namespace_no AND e.seq = k.last_seq
    WHERE k.last_seq <> 0 AND ROW(e.record_kind, e.record_id, e.record_version, e.state)
    IS DISTINCT FROM ROW('CHECKOUT', convert_to(k.checkout_id, 'UTF8'), k.version, k.state)
) + (
    SELECT count(*) FROM orders AS o LEFT JOIN events AS e
    ON e.namespace_no = o.namespace_no AND e.seq = o.last_seq
    WHERE o.last_seq <> 0 AND ROW(e.record_kind, e.record_id, e.record_version, e.state)
    IS DISTINCT FROM ROW('ORDER', convert_to(o.order_id, 'UTF8'), o.version, o.state)
) + (
    SELECT count(*) FROM cancellations AS c LEFT JOIN events AS e
    ON e.namespace_no = c.namespace_no AND e.seq = c.last_seq
    WHERE c.last_seq <> 0 AND ROW(e.record_kind, e.record_id, e.state)
    IS DISTINCT FROM ROW('CANCELLATION', uuid_send(c.cancellation_id), c.state)
)

-- name: an entry of the log is of a checkout, order or cancellation that is not there
SELECT count(*) FROM events AS e
WHERE e.record_kind IS NOT NULL AND e.task_no IS NULL AND CASE e.record_kind
    WHEN 'CHECKOUT' THEN NOT EXISTS (
        SELECT 1 FROM checkouts AS k WHERE k.namespace_no = e.namespace_no
        AND k.checkout_id = encode(e.record_id, 'escape'))
    WHEN 'ORDER' THEN NOT EXISTS (
        SELECT 1 FROM orders AS o WHERE o.namespace_no = e.namespace_no
        AND o.order_id = encode(e.record_id, 'escape'))
    ELSE NOT EXISTS (
        SELECT 1 FROM cancellations AS c WHERE c.namespace_no = e.namespace_no
        AND uuid_send(c.cancellation_id) = e.record_id)
END

-- name: a key was replaced by one that is not there
SELECT count(*) FROM keys WHERE successor_key_id IS NOT NULL
    AND successor_key_id NOT IN (SELECT key_id FROM keys)

-- name: a tenant stores more or less than is counted
SELECT count(*) FROM positions AS n WHERE stored_bytes <> (
    SELECT coalesce(sum(1000 + length(merchant) + length(labels)), 0) FROM tasks AS t
    WHERE t.namespace_no = n.namespace_no
) + (
    SELECT 1000 * count(*) FROM groups AS g WHERE g.namespace_no = n.namespace_no
) + (
    SELECT coalesce(sum(1000 + length(snapshot)), 0)
    FROM checkouts AS k JOIN checkout_snapshots USING (checkout_no)
    WHERE k.namespace_no = n.namespace_no
) + (
    SELECT coalesce(sum(1000 + length(snapshot)), 0)
    FROM orders AS o JOIN order_snapshots USING (order_no)
    WHERE o.namespace_no = n.namespace_no
) + (
    SELECT coalesce(sum(1000 + length(line_items)), 0) FROM cart_lines AS c
    WHERE c.namespace_no = n.namespace_no
)

-- name: a tenant counts other webhooks than it has
SELECT count(*) FROM positions AS n WHERE webhook_count <> (
    SELECT count(*) FROM webhooks AS w WHERE w.namespace_no = n.namespace_no)

-- name: a webhook, notice or delivery is beyond the end of its outbox
SELECT (
    SELECT count(*) FROM webhooks AS w LEFT JOIN positions AS n USING (namespace_no)
    WHERE (w.cursor <= n.last_notice) IS NOT TRUE
) + (
    SELECT count(*) FROM notices AS o LEFT JOIN positions AS n USING (namespace_no)
    WHERE (o.notice_no <= n.last_notice) IS NOT TRUE
) + (
    SELECT count(*) FROM deliveries AS d LEFT JOIN positions AS n USING (namespace_no)
    WHERE (d.notice_no <= n.last_notice) IS NOT TRUE
)

-- name: a row is of a namespace that is not there
SELECT sum(lost)::bigint FROM (
    SELECT count(*) AS lost FROM groups WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM checkouts WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM carts WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM orders WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM tasks WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM agents WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM cancellations WHERE {no_namespace}
    UNION ALL SELECT count(*) FROM request_ids WHERE {no_namespace}
) AS found

-- name: a namespace has no row to lock, or such a row no namespace
SELECT (SELECT count(*) FROM namespaces WHERE namespace_no NOT IN (
    SELECT namespace_no FROM positions)
) + (SELECT count(*) FROM positions WHERE namespace_no <> 0 AND {no_namespace})

-- name: a task has a number above the last that was given
SELECT count(*) FROM tasks AS t JOIN positions AS p USING (namespace_no)
WHERE t.task_no > p.last_number

-- name: an entry of the log is of a task that is not there
SELECT count(*) FROM events AS e WHERE task_no IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM tasks AS t WHERE t.namespace_no = e.namespace_no AND t.task_no = e.task_no)

-- name: what a caller said is of a checkout, order or cart that is not there
SELECT (SELECT count(*) FROM checkout_snapshots AS s WHERE NOT EXISTS (
    SELECT 1 FROM checkouts AS k WHERE k.checkout_no = s.checkout_no)
) + (SELECT count(*) FROM order_snapshots AS s WHERE NOT EXISTS (
    SELECT 1 FROM orders AS o WHERE o.order_no = s.order_no)
) + (SELECT count(*) FROM cart_lines AS l WHERE NOT EXISTS (
    SELECT 1 FROM carts AS k WHERE k.cart_no = l.cart_no))

-- name: a delivery is to a webhook that is not there
SELECT count(*) FROM deliveries AS d WHERE NOT EXISTS (
    SELECT 1 FROM webhooks AS w
    WHERE w.namespace_no = d.namespace_no AND w.webhook_id = d.webhook_id)
