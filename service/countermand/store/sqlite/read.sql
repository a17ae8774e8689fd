-- The statements of readings. Each answers one JSON value, for the reason given in commit.sql.

-- name: task
SELECT json_array({task})
FROM tasks AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
WHERE t.namespace_no = ? AND t.task_id = ?

-- name: count_{scope} for group checkout order
SELECT json_group_array(json_array(state, tally)) FROM (
    SELECT t.state, count(*) AS tally
    FROM ({tasks_of_scope}) AS s CROSS JOIN tasks AS t ON t.task_no = s.task_no
    GROUP BY t.state
)

-- name: count_many_{scope} for checkout order
WITH wanted (target, namespace_no, id) AS (VALUES {rows})
SELECT json_group_array(json_array(target, state, tally)) FROM (
    SELECT s.target, t.state, count(*) AS tally
    FROM ({tasks_of_wanted}) AS s CROSS JOIN tasks AS t ON t.task_no = s.task_no
    GROUP BY s.target, t.state
)

-- name: page_{scope}s_all for checkout order
-- What is listed comes in two steps: first how large each is, without a look at its snapshot.
SELECT json_group_array(json_array({scope}_no, {scope}_id, size, task_count, state)) FROM (
    SELECT o.{scope}_no, o.{scope}_id, o.task_count, o.state,
        (SELECT length(s.snapshot) FROM {scope}_snapshots AS s
         WHERE s.{scope}_no = o.{scope}_no) AS size
    FROM {scope}s AS o INDEXED BY {scope}s_by_namespace
    WHERE namespace_no = :namespace_no AND {scope}_no < :before
    ORDER BY {scope}_no DESC LIMIT :limit
)

-- name: page_{scope}s_by_state for checkout order
SELECT json_group_array(json_array({scope}_no, {scope}_id, size, task_count, state)) FROM (
    SELECT o.{scope}_no, o.{scope}_id, o.task_count, o.state,
        (SELECT length(s.snapshot) FROM {scope}_snapshots AS s
         WHERE s.{scope}_no = o.{scope}_no) AS size
    FROM {scope}s AS o INDEXED BY {scope}s_by_state
    WHERE namespace_no = :namespace_no AND state = :state AND {scope}_no < :before
    ORDER BY {scope}_no DESC LIMIT :limit
)

-- name: page_checkouts_by_cart
-- Of the few that a cart has had, whoever reads picks those in a state.
SELECT json_group_array(json_array(checkout_no, checkout_id, size, task_count, state)) FROM (
    SELECT o.checkout_no, o.checkout_id, o.task_count, o.state,
        (SELECT length(s.snapshot) FROM checkout_snapshots AS s
         WHERE s.checkout_no = o.checkout_no) AS size
    FROM checkouts AS o INDEXED BY checkouts_by_cart
    WHERE namespace_no = :namespace_no AND cart_id = :cart_id AND checkout_no < :before
    ORDER BY checkout_no DESC LIMIT :limit
)

-- name: page_carts_all
SELECT json_group_array(json_array(cart_no, cart_id, size, 0)) FROM (
    SELECT k.rowid AS cart_no, k.cart_id,
        (SELECT length(l.line_items) FROM cart_lines AS l
         WHERE l.namespace_no = k.namespace_no AND l.cart_id = k.cart_id) AS size
    FROM carts AS k INDEXED BY carts_by_namespace
    WHERE namespace_no = :namespace_no AND k.rowid < :before ORDER BY k.rowid DESC LIMIT :limit
)

-- name: page_carts_by_state
SELECT json_group_array(json_array(cart_no, cart_id, size, 0)) FROM (
    SELECT k.rowid AS cart_no, k.cart_id,
        (SELECT length(l.line_items) FROM cart_lines AS l
         WHERE l.namespace_no = k.namespace_no AND l.cart_id = k.cart_id) AS size
    FROM carts AS k INDEXED BY carts_by_state
    WHERE namespace_no = :namespace_no AND state = :state AND k.rowid < :before
    ORDER BY k.rowid DESC LIMIT :limit
)

-- name: page_{scope}_snapshots for checkout order
SELECT json_group_array(json_array(s.{scope}_no, hex(s.snapshot)))
FROM json_each(:numbers) AS x
CROSS JOIN {scope}_snapshots AS s ON s.{scope}_no = x.value

-- name: page_cart_lines
SELECT json_group_array(json_array(x.value, hex(l.line_items)))
FROM json_each(:numbers) AS x
CROSS JOIN carts AS k ON k.rowid = x.value
CROSS JOIN cart_lines AS l ON l.namespace_no = k.namespace_no AND l.cart_id = k.cart_id

-- name: trail_holder
-- As of a task.
WITH RECURSIVE chain (seq, previous_seq) AS (
    SELECT e.seq, e.previous_seq FROM events AS e
    WHERE e.namespace_no = :namespace_no AND e.seq = :last_seq
        AND e.record_version > :after_version
    UNION ALL
    SELECT e.seq, e.previous_seq
    FROM chain CROSS JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.record_version > :after_version
)
SELECT json_group_array(seq) FROM (SELECT seq FROM chain ORDER BY seq)

-- name: holder_history
SELECT json_group_array(json_array(e.record_version, e.state, e.time))
FROM json_each(:seqs) AS x
CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.value

-- name: list_deadline
-- Nearest deadline first. It looks at no more than :window rows, too.
WITH page AS MATERIALIZED (
    SELECT task_no, deadline_time FROM tasks INDEXED BY tasks_by_deadline
    WHERE namespace_no = :namespace_no AND state = 'CANCELLING'
        AND deadline_time >= :after_time AND deadline_time < :deadline_before
        AND (deadline_time, task_no) > (:after_time, :after_number)
    ORDER BY deadline_time, task_no LIMIT :window
), chosen AS MATERIALIZED (
    SELECT t.task_no
    FROM page CROSS JOIN tasks AS t ON t.task_no = page.task_no
    WHERE {filter} AND {listed}
    ORDER BY page.deadline_time, page.task_no LIMIT :limit
)
SELECT json_array(
    (SELECT count(*) FROM page),
    json((SELECT json_array(deadline_time, task_no) FROM page
          ORDER BY deadline_time DESC, task_no DESC LIMIT 1)),
    json((
        SELECT json_group_array(json_array({task}))
        FROM chosen AS x
        CROSS JOIN tasks AS t ON t.task_no = x.task_no
        LEFT JOIN cancellations AS c
            ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
    )))

-- name: list_{scope} for group checkout order refund merchant label all
-- Looks at no more than :window rows, so that a filter that matches little costs no more.
WITH bound (task_no) AS MATERIALIZED (
    SELECT task_no FROM ({tasks_of_scope}) WHERE task_no < :before
    ORDER BY task_no DESC LIMIT 1 OFFSET :window - 1
)
SELECT json_array((SELECT task_no FROM bound), json((
    SELECT json_group_array(json_array({task}))
    FROM (
        SELECT t.task_no
        FROM ({tasks_of_scope}) AS s CROSS JOIN tasks AS t ON t.task_no = s.task_no
        WHERE s.task_no < :before AND s.task_no >= coalesce((SELECT task_no FROM bound), 0)
            AND {chosen} AND {listed}
        ORDER BY s.task_no DESC LIMIT :limit
    ) AS x
    CROSS JOIN tasks AS t ON t.task_no = x.task_no
    LEFT JOIN cancellations AS c
        ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
)))

-- name: cancelling_namespaces
SELECT ({with_late_task})

-- name: agents_page
SELECT json_group_array(
    json_array(namespace_no, agent_id, lease_duration, lease_expire_time, lost_time))
FROM (
    SELECT * FROM agents WHERE namespace_no = ? AND agent_id > ? ORDER BY agent_id LIMIT ?
)

-- name: tasks_of_agent
SELECT json_group_array(json_array(state, tally)) FROM (
    SELECT state, count(*) AS tally FROM (
        SELECT state FROM tasks INDEXED BY tasks_live_by_agent
        WHERE namespace_no = ? AND agent_id = ? AND end_time IS NULL LIMIT ?
    ) GROUP BY state
)

-- name: count_tasks
WITH page AS MATERIALIZED (
    SELECT task_no, state FROM tasks WHERE task_no > :after ORDER BY task_no LIMIT :window
)
SELECT json_array(
    (SELECT count(*) FROM page), (SELECT max(task_no) FROM page),
    json((SELECT json_group_array(json_array(state, tally)) FROM (
        SELECT state, count(*) AS tally FROM page GROUP BY state))))

-- name: status
SELECT json_array(
    (SELECT user_version FROM pragma_user_version),
    (SELECT count(*) FROM agents INDEXED BY agents_by_lease
     WHERE lease_expire_time IS NOT NULL AND lease_expire_time > :steady),
    (SELECT sum((SELECT count(*) FROM tasks INDEXED BY tasks_by_due
                 WHERE state = 'CANCELLING' AND namespace_no = n.value AND due_time < :steady))
     FROM json_each(({with_late_task})) AS n),
    (SELECT min((SELECT min(deadline_time) FROM tasks INDEXED BY tasks_by_due
                 WHERE state = 'CANCELLING' AND namespace_no = n.value AND due_time < :steady))
     FROM json_each(({with_late_task})) AS n))

-- name: cancellation
SELECT json_array({cancellation})
FROM cancellations AS c WHERE c.namespace_no = ? AND c.cancellation_id = ?

-- name: listed_cancellation
SELECT json_array({listed_cancellation})
FROM cancellations AS c WHERE c.namespace_no = ? AND c.cancellation_id = ?

-- name: list_cancellations
WITH page AS MATERIALIZED (
    SELECT * FROM cancellations
    WHERE namespace_no = :namespace_no AND cancellation_id < :before AND cancellation_id >= :from
    ORDER BY cancellation_id DESC LIMIT :window
), chosen AS MATERIALIZED (
    SELECT * FROM page
    WHERE (:reason IS NULL OR reason = :reason) AND (:state IS NULL OR state = :state)
        AND (:start_time IS NULL OR create_time >= :start_time)
        AND (:end_time IS NULL OR create_time < :end_time)
    ORDER BY cancellation_id DESC LIMIT :limit
)
SELECT json_array(
    (SELECT count(*) FROM page), (SELECT lower(hex(min(cancellation_id))) FROM page),
    json((SELECT json_group_array(json_array({listed_cancellation})) FROM chosen AS c)))

-- name: list_cancellations_by_reason
WITH chosen AS MATERIALIZED (
    SELECT * FROM cancellations INDEXED BY cancellations_by_reason
    WHERE namespace_no = :namespace_no AND reason = :reason
        AND cancellation_id < :before AND cancellation_id >= :from
    ORDER BY cancellation_id DESC LIMIT :window
), page AS MATERIALIZED (
    SELECT * FROM chosen
    WHERE (:state IS NULL OR state = :state)
        AND (:start_time IS NULL OR create_time >= :start_time)
        AND (:end_time IS NULL OR create_time < :end_time)
    ORDER BY cancellation_id DESC LIMIT :limit
)
SELECT json_array(
    (SELECT count(*) FROM chosen), (SELECT lower(hex(min(cancellation_id))) FROM chosen),
    json((SELECT json_group_array(json_array({listed_cancellation})) FROM page AS c)))

-- name: summary_window
-- The first id behind a window of cancellations.
SELECT json_array(lower(hex(cancellation_id))) FROM cancellations
WHERE namespace_no = :namespace_no AND cancellation_id >= :from AND cancellation_id < :before
ORDER BY cancellation_id LIMIT 1 OFFSET :window

-- name: summarize_reason
SELECT json_group_array(json_array(reason, tally)) FROM (
    SELECT reason, count(*) AS tally FROM cancellations
    WHERE namespace_no = :namespace_no AND cancellation_id >= :from AND cancellation_id < :before
        AND create_time >= :start_time AND create_time < :end_time
    GROUP BY reason
)

-- name: summarize_state
SELECT json_group_array(json_array(state, tally)) FROM (
    SELECT state, count(*) AS tally FROM cancellations
    WHERE namespace_no = :namespace_no AND cancellation_id >= :from AND cancellation_id < :before
        AND create_time >= :start_time AND create_time < :end_time
    GROUP BY state
)

-- name: summarize_proof
SELECT json_array(
    json_array('NEVER_STARTED', sum(never_started_count)),
    json_array('ACKNOWLEDGED', sum(acknowledged_count)),
    json_array('FORCED', sum(forced_count)),
    json_array('AGENT_LOST', sum(agent_lost_count)))
FROM cancellations
WHERE namespace_no = :namespace_no AND cancellation_id >= :from AND cancellation_id < :before
    AND create_time >= :start_time AND create_time < :end_time

-- name: summarize_refund
-- Of the tasks that ended in a time. Counted as the index has them: to group them would sort them.
SELECT json_array(
    json_array('NONE', count(*) FILTER (WHERE refund_state = 'NONE')),
    json_array('REQUIRED', count(*) FILTER (WHERE refund_state = 'REQUIRED')),
    json_array('REFUNDED', count(*) FILTER (WHERE refund_state = 'REFUNDED')),
    json_array('NOT_OWED', count(*) FILTER (WHERE refund_state = 'NOT_OWED')))
FROM tasks INDEXED BY tasks_by_end
WHERE namespace_no = :namespace_no AND end_time IS NOT NULL
    AND end_time >= :start_time AND end_time < :end_time

-- name: stops
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_live_by_agent
    WHERE namespace_no = ? AND agent_id = ? AND end_time IS NULL AND state = 'CANCELLING'
    ORDER BY due_time LIMIT ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: next_due
-- The first of each namespace: the indexes go by these, so that they can take turns.
SELECT json_array(
    (SELECT min((SELECT min(due_time) FROM tasks INDEXED BY tasks_by_due
                 WHERE state = 'CANCELLING' AND namespace_no = n.value))
     FROM json_each(({with_late_task})) AS n),
    (SELECT min((SELECT min(lease_expire_time) FROM agents INDEXED BY agents_by_lease
                 WHERE lease_expire_time IS NOT NULL AND namespace_no = n.value))
     FROM json_each(({with_lost_agent})) AS n),
    (SELECT min((SELECT min(expire_time) FROM tasks INDEXED BY tasks_by_expiry
                 WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
                     AND namespace_no = n.value))
     FROM json_each(({with_expired_task})) AS n),
    (SELECT min((SELECT min(expire_time) FROM checkouts INDEXED BY checkouts_by_expiry
                 WHERE expire_time IS NOT NULL AND state = 'OPEN' AND namespace_no = n.value))
     FROM json_each(({with_expired_checkout})) AS n),
    (SELECT min(create_time) FROM cancellations
     WHERE state = 'IN_PROGRESS' AND live_count = 0))

-- name: last_id_ahead
-- The time in the ids of what was created before a time, if that is later.
SELECT json_array((SELECT max(id_time) FROM ids_ahead WHERE since < ?))

-- name: clock_stretches
SELECT json_group_array(json_array(since, until, wall))
FROM (SELECT * FROM clock_stretches ORDER BY stretch_no)

-- name: keys
SELECT json_group_array(json_array({key}))
FROM (SELECT * FROM keys ORDER BY key_no DESC) AS k
JOIN namespaces AS n ON n.namespace_no = k.namespace_no

-- name: trail_task
-- The positions of a task's versions, from the present one back to the one after the version that
-- was seen.
WITH RECURSIVE chain (seq, previous_seq, is_version) AS (
    SELECT e.seq, e.previous_seq, e.record_kind IS NULL FROM events AS e
    WHERE e.namespace_no = :namespace_no AND e.seq = :last_seq AND e.version > :after_version
    UNION ALL
    SELECT e.seq, e.previous_seq, e.record_kind IS NULL
    FROM chain CROSS JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.version > :after_version
)
SELECT json_group_array(seq) FROM (SELECT seq FROM chain WHERE is_version ORDER BY seq)

-- name: history
SELECT json_group_array(json_array({event}))
FROM json_each(:seqs) AS x
CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.value

-- name: version_at
-- The last version of a task at or before a position.
WITH RECURSIVE chain (seq, previous_seq) AS (
    VALUES (:last_seq, :last_seq)
    UNION ALL
    SELECT e.seq, e.previous_seq
    FROM chain CROSS JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.seq > :position
)
SELECT json_array({event}) FROM events AS e
WHERE e.namespace_no = :namespace_no AND e.seq = (SELECT min(previous_seq) FROM chain)

-- name: position
-- Null for a holder that is not named, or does not exist.
SELECT json_array(
    coalesce(
        (SELECT json_array(n.last_seq, coalesce(e.time, n.floor_time), n.floor_seq, n.floor_time)
         FROM namespaces AS n
         LEFT JOIN events AS e ON e.namespace_no = n.namespace_no AND e.seq = n.last_seq
         WHERE n.namespace_no = :namespace_no),
        json_array(0, 0, 0, 0)),
    (SELECT max(task_no) FROM tasks WHERE namespace_no = :namespace_no),
    (SELECT closed AND live_count = 0 FROM groups
     WHERE namespace_no = :namespace_no AND group_id = :group_id),
    (SELECT state <> 'OPEN' AND live_count = 0 FROM checkouts
     WHERE namespace_no = :namespace_no AND checkout_id = :checkout_id),
    (SELECT state <> 'OPEN' AND live_count = 0 FROM orders
     WHERE namespace_no = :namespace_no AND order_id = :order_id))

-- name: log_ends
-- Where the logs of some namespaces end.
SELECT json_group_array(json_array(
    p.namespace_no, p.last_seq, coalesce(e.time, p.floor_time), p.floor_seq,
    p.stored_bytes))
FROM json_each(:numbers) AS x
JOIN namespaces AS p ON p.namespace_no = x.value
LEFT JOIN events AS e ON e.namespace_no = p.namespace_no AND e.seq = p.last_seq

-- name: all_log_ends
SELECT json_group_array(json_array(
    n.namespace_no, n.last_seq, coalesce(e.time, n.floor_time), n.floor_seq,
    n.stored_bytes))
FROM namespaces AS n
LEFT JOIN events AS e ON e.namespace_no = n.namespace_no AND e.seq = n.last_seq
WHERE n.last_seq > 0

-- name: log_changes
-- When a position was taken, and what the entries behind it are about, up to another.
SELECT json_array(
    (SELECT time FROM events WHERE namespace_no = :namespace_no AND seq = :after),
    (SELECT json_group_array(json_array(
        lower(hex(t.task_id)), lower(hex(t.group_id)),
        t.checkout_id, t.order_id, t.agent_id, e.record_kind,
        iif(e.record_kind IN ('CHECKOUT', 'ORDER'), CAST(e.record_id AS TEXT), NULL),
        json((SELECT json_group_array(o.order_id) FROM order_checkouts AS o
              WHERE o.namespace_no = :namespace_no AND o.checkout_id = t.checkout_id))))
     FROM (
        SELECT task_no, record_kind, record_id FROM events
        WHERE namespace_no = :namespace_no AND seq > :after AND seq <= :through
        ORDER BY seq LIMIT :limit
     ) AS e
     LEFT JOIN tasks AS t ON t.task_no = e.task_no))

-- name: event_time
SELECT json_array(time) FROM events WHERE namespace_no = ? AND seq = ?

-- name: snapshot_{scope} for group checkout order agent live
-- What came under an order later than the place is left to the log, which has it as an entry.
SELECT json_group_array(json_array({task}))
FROM (
    SELECT t.task_no FROM ({tasks_of_scope}) AS s CROSS JOIN tasks AS t ON t.task_no = s.task_no
    WHERE s.task_no > :after AND s.task_no <= :last_number AND {chosen} AND {since} < :position
    ORDER BY s.task_no LIMIT :limit
) AS x
CROSS JOIN tasks AS t ON t.task_no = x.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: log
-- Looks at all that happened between two positions, and stops when it has found enough.
SELECT json_group_array(json_array({event}, {task}))
FROM (
    SELECT e.seq
    FROM events AS e CROSS JOIN tasks AS t ON t.task_no = e.task_no
    WHERE e.namespace_no = :namespace_no AND e.seq > :after AND e.seq <= :through
        AND {filter} AND e.seq > {since}
        AND (e.record_kind IS NULL OR e.record_id = CAST(:order_id AS BLOB))
    ORDER BY e.seq LIMIT :limit
) AS x
CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.seq
CROSS JOIN tasks AS t ON t.task_no = e.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: log_at
SELECT json_group_array(json_array({event}, {task}))
FROM json_each(:seqs) AS x
CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.value
CROSS JOIN tasks AS t ON t.task_no = e.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: trail_{scope} for group checkout order
-- Walks back the chains of the holder's own tasks, so that it costs what they did, not what
-- happened elsewhere meanwhile.
WITH RECURSIVE chain (seq, previous_seq, since, record_id) AS (
    SELECT t.last_seq, e.previous_seq, max(:after, {since}) AS since, e.record_id
    FROM ({tasks_of_scope}) AS s
    CROSS JOIN tasks AS t ON t.task_no = s.task_no
    CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = t.last_seq
    WHERE t.last_seq > max(:after, {since}) AND {chosen}
    UNION ALL
    SELECT e.seq, e.previous_seq, chain.since, e.record_id
    FROM chain CROSS JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.seq > chain.since
    LIMIT :max_walked + 1
)
SELECT json_array((SELECT count(*) FROM chain), json((SELECT json_group_array(seq) FROM (
    SELECT seq FROM chain WHERE record_id IS NULL OR record_id = CAST(:order_id AS BLOB)
    ORDER BY seq
))))
