-- The statements of readings. Each answers one JSON value, as on SQLite.

-- name: task
SELECT json_build_array({task})
FROM tasks AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
WHERE t.namespace_no = ? AND t.task_id = ?

-- name: count_{scope} for group checkout order
SELECT coalesce(json_agg(json_build_array(state, tally)), '[]') FROM (
    SELECT t.state, count(*) AS tally
    FROM ({tasks_of_scope}) AS s
    JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
    GROUP BY t.state
) AS found

-- name: count_many_{scope} for checkout order
WITH wanted (target, namespace_no, id /* text */) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(target, state, tally)), '[]') FROM (
    SELECT s.target, t.state, count(*) AS tally
    FROM ({tasks_of_wanted}) AS s
    JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
    GROUP BY s.target, t.state
) AS found

-- name: page_{scope}s_all for checkout order
-- What is listed comes in two steps: first how large each is, without a look at its snapshot.
SELECT coalesce(json_agg(json_build_array({scope}_no, {scope}_id, size, task_count, state)), '[]')
FROM (
    SELECT o.{scope}_no, o.{scope}_id, o.task_count, o.state,
        (SELECT length(s.snapshot) FROM {scope}_snapshots AS s
         WHERE s.{scope}_no = o.{scope}_no) AS size
    FROM {scope}s AS o
    WHERE namespace_no = :namespace_no AND {scope}_no < :before
    ORDER BY {scope}_no DESC LIMIT :limit
) AS found

-- name: page_{scope}s_by_state for checkout order
SELECT coalesce(json_agg(json_build_array({scope}_no, {scope}_id, size, task_count, state)), '[]')
FROM (
    SELECT o.{scope}_no, o.{scope}_id, o.task_count, o.state,
        (SELECT length(s.snapshot) FROM {scope}_snapshots AS s
         WHERE s.{scope}_no = o.{scope}_no) AS size
    FROM {scope}s AS o
    WHERE namespace_no = :namespace_no AND state = :state AND {scope}_no < :before
    ORDER BY {scope}_no DESC LIMIT :limit
) AS found

-- name: page_checkouts_by_cart
-- Of the few that a cart has had, whoever reads picks those in a state.
SELECT coalesce(json_agg(json_build_array(checkout_no, checkout_id, size, task_count, state)), '[]')
FROM (
    SELECT o.checkout_no, o.checkout_id, o.task_count, o.state,
        (SELECT length(s.snapshot) FROM checkout_snapshots AS s
         WHERE s.checkout_no = o.checkout_no) AS size
    FROM checkouts AS o
    WHERE namespace_no = :namespace_no AND cart_id = :cart_id AND checkout_no < :before
    ORDER BY checkout_no DESC LIMIT :limit
) AS found

-- name: page_carts_all
SELECT coalesce(json_agg(json_build_array(cart_no, cart_id, size, 0)), '[]') FROM (
    SELECT k.cart_no, k.cart_id,
        (SELECT length(l.line_items) FROM cart_lines AS l
         WHERE l.cart_no = k.cart_no) AS size
    FROM carts AS k
    WHERE namespace_no = :namespace_no AND k.cart_no < :before ORDER BY k.cart_no DESC LIMIT :limit
) AS found

-- name: page_carts_by_state
SELECT coalesce(json_agg(json_build_array(cart_no, cart_id, size, 0)), '[]') FROM (
    SELECT k.cart_no, k.cart_id,
        (SELECT length(l.line_items) FROM cart_lines AS l
         WHERE l.cart_no = k.cart_no) AS size
    FROM carts AS k
    WHERE namespace_no = :namespace_no AND state = :state AND k.cart_no < :before
    ORDER BY k.cart_no DESC LIMIT :limit
) AS found

-- name: page_{scope}_snapshots for checkout order
SELECT coalesce(json_agg(json_build_array(s.{scope}_no, encode(s.snapshot, 'hex'))), '[]')
FROM json_array_elements_text(:numbers) AS x (value)
JOIN {scope}_snapshots AS s ON s.{scope}_no = x.value::bigint

-- name: page_cart_lines
SELECT coalesce(json_agg(json_build_array(l.cart_no, encode(l.line_items, 'hex'))), '[]')
FROM json_array_elements_text(:numbers) AS x (value)
JOIN cart_lines AS l ON l.cart_no = x.value::bigint

-- name: trail_holder
-- As of a task.
WITH RECURSIVE chain (seq, previous_seq) AS (
    SELECT e.seq, e.previous_seq FROM events AS e
    WHERE e.namespace_no = :namespace_no AND e.seq = :last_seq
        AND e.record_version > :after_version
    UNION ALL
    SELECT e.seq, e.previous_seq
    FROM chain JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.record_version > :after_version
)
SELECT coalesce(json_agg(seq), '[]') FROM (SELECT seq FROM chain ORDER BY seq) AS x

-- name: holder_history
SELECT coalesce(json_agg(json_build_array(e.record_version, e.state, e.time)), '[]')
FROM json_array_elements_text(:seqs) AS x (value)
JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.value::bigint

-- name: list_deadline
-- Nearest deadline first. It looks at no more than :window rows, too.
WITH page AS MATERIALIZED (
    SELECT task_no, deadline_time FROM tasks
    WHERE namespace_no = :namespace_no AND state = 'CANCELLING'
        AND deadline_time >= :after_time AND deadline_time < :deadline_before
        AND (deadline_time, task_no) > (:after_time, :after_number)
    ORDER BY deadline_time, task_no LIMIT :window
), chosen AS MATERIALIZED (
    SELECT t.task_no
    FROM page JOIN tasks AS t ON t.namespace_no = :namespace_no AND t.task_no = page.task_no
    WHERE {filter} AND {listed}
    ORDER BY page.deadline_time, page.task_no LIMIT :limit
)
SELECT json_build_array(
    (SELECT count(*) FROM page),
    (SELECT json_build_array(deadline_time, task_no) FROM page
          ORDER BY deadline_time DESC, task_no DESC LIMIT 1),
    (
        SELECT coalesce(json_agg(json_build_array({task})), '[]')
        FROM chosen AS x
        JOIN tasks AS t ON t.namespace_no = :namespace_no AND t.task_no = x.task_no
        LEFT JOIN cancellations AS c
            ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
    ))

-- name: list_{scope} for group checkout order refund merchant label all
-- Looks at no more than :window rows, so that a filter that matches little costs no more.
WITH bound (task_no) AS MATERIALIZED (
    SELECT task_no FROM ({tasks_of_scope}) AS s WHERE task_no < :before
    ORDER BY task_no DESC LIMIT 1 OFFSET :window - 1
)
SELECT json_build_array((SELECT task_no FROM bound), (
    SELECT coalesce(json_agg(json_build_array({task})), '[]')
    FROM (
        SELECT t.task_no
        FROM ({tasks_of_scope}) AS s
    JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
        WHERE s.task_no < :before AND s.task_no >= coalesce((SELECT task_no FROM bound), 0)
            AND {chosen} AND {listed}
        ORDER BY s.task_no DESC LIMIT :limit
    ) AS x
    JOIN tasks AS t ON t.namespace_no = :namespace_no AND t.task_no = x.task_no
    LEFT JOIN cancellations AS c
        ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
))

-- name: cancelling_namespaces
SELECT coalesce(json_agg(w.value), '[]') FROM ({with_late_task}) AS w (value)

-- name: agents_page
SELECT coalesce(json_agg(
    json_build_array(namespace_no, agent_id, lease_duration, lease_expire_time, lost_time)), '[]')
FROM (
    SELECT * FROM agents WHERE namespace_no = ? AND agent_id > ? ORDER BY agent_id LIMIT ?
) AS a

-- name: tasks_of_agent
SELECT coalesce(json_agg(json_build_array(state, tally)), '[]') FROM (
    SELECT state, count(*) AS tally FROM (
        SELECT state FROM tasks
        WHERE namespace_no = ? AND agent_id = ? AND end_time IS NULL LIMIT ?
    ) AS live GROUP BY state
) AS found

-- name: count_tasks
-- Goes on after a task that is one number for this: its namespace, and 40 bits of its own.
WITH page AS MATERIALIZED (
    SELECT namespace_no, task_no, state FROM tasks
    WHERE (namespace_no, task_no) > (:after >> 40, :after & 1099511627775)
    ORDER BY namespace_no, task_no LIMIT :window
)
SELECT json_build_array(
    (SELECT count(*) FROM page), (SELECT max((namespace_no << 40) | task_no) FROM page),
    (SELECT coalesce(json_agg(json_build_array(state, tally)), '[]') FROM (
        SELECT state, count(*) AS tally FROM page GROUP BY state) AS found))

-- name: status
SELECT json_build_array(
    (SELECT version FROM schema),
    (SELECT count(*) FROM agents
     WHERE lease_expire_time IS NOT NULL AND lease_expire_time > :steady),
    (SELECT sum((SELECT count(*) FROM tasks
                 WHERE state = 'CANCELLING' AND namespace_no = n.value AND due_time < :steady))
     FROM ({with_late_task}) AS n (value)),
    (SELECT min((SELECT min(deadline_time) FROM tasks
                 WHERE state = 'CANCELLING' AND namespace_no = n.value AND due_time < :steady))
     FROM ({with_late_task}) AS n (value)))

-- name: cancellation
SELECT json_build_array({cancellation})
FROM cancellations AS c WHERE c.namespace_no = ? AND c.cancellation_id = ?

-- name: listed_cancellation
SELECT json_build_array({listed_cancellation})
FROM cancellations AS c WHERE c.namespace_no = ? AND c.cancellation_id = ?

-- name: list_cancellations
WITH page AS MATERIALIZED (
    SELECT * FROM cancellations
    WHERE namespace_no = :namespace_no
        AND cancellation_id < :before::uuid AND cancellation_id >= :from::uuid
    ORDER BY cancellation_id DESC LIMIT :window
), chosen AS MATERIALIZED (
    SELECT * FROM page
    WHERE (:reason IS NULL OR reason = :reason) AND (:state IS NULL OR state = :state)
        AND (:start_time IS NULL OR create_time >= :start_time)
        AND (:end_time IS NULL OR create_time < :end_time)
    ORDER BY cancellation_id DESC LIMIT :limit
)
SELECT json_build_array(
    (SELECT count(*) FROM page), (
        SELECT encode(uuid_send(cancellation_id), 'hex')
        FROM page ORDER BY cancellation_id LIMIT 1
    ),
    (SELECT coalesce(json_agg(json_build_array({listed_cancellation})), '[]') FROM chosen AS c))

-- name: list_cancellations_by_reason
WITH chosen AS MATERIALIZED (
    SELECT * FROM cancellations
    WHERE namespace_no = :namespace_no AND reason = :reason
        AND cancellation_id < :before::uuid AND cancellation_id >= :from::uuid
    ORDER BY cancellation_id DESC LIMIT :window
), page AS MATERIALIZED (
    SELECT * FROM chosen
    WHERE (:state IS NULL OR state = :state)
        AND (:start_time IS NULL OR create_time >= :start_time)
        AND (:end_time IS NULL OR create_time < :end_time)
    ORDER BY cancellation_id DESC LIMIT :limit
)
SELECT json_build_array(
    (SELECT count(*) FROM chosen), (
        SELECT encode(uuid_send(cancellation_id), 'hex')
        FROM chosen ORDER BY cancellation_id LIMIT 1
    ),
    (SELECT coalesce(json_agg(json_build_array({listed_cancellation})), '[]') FROM page AS c))

-- name: summary_window
-- The first id behind a window of cancellations.
SELECT json_build_array(encode(uuid_send(cancellation_id), 'hex')) FROM cancellations
WHERE namespace_no = :namespace_no
    AND cancellation_id >= :from::uuid AND cancellation_id < :before::uuid
ORDER BY cancellation_id LIMIT 1 OFFSET :window

-- name: summarize_reason
SELECT coalesce(json_agg(json_build_array(reason, tally)), '[]') FROM (
    SELECT reason, count(*) AS tally FROM cancellations
    WHERE namespace_no = :namespace_no
    AND cancellation_id >= :from::uuid AND cancellation_id < :before::uuid
        AND create_time >= :start_time AND create_time < :end_time
    GROUP BY reason
) AS found

-- name: summarize_state
SELECT coalesce(json_agg(json_build_array(state, tally)), '[]') FROM (
    SELECT state, count(*) AS tally FROM cancellations
    WHERE namespace_no = :namespace_no
    AND cancellation_id >= :from::uuid AND cancellation_id < :before::uuid
        AND create_time >= :start_time AND create_time < :end_time
    GROUP BY state
) AS found

-- name: summarize_proof
SELECT json_build_array(
    json_build_array('NEVER_STARTED', sum(never_started_count)),
    json_build_array('ACKNOWLEDGED', sum(acknowledged_count)),
    json_build_array('FORCED', sum(forced_count)),
    json_build_array('AGENT_LOST', sum(agent_lost_count)))
FROM cancellations
WHERE namespace_no = :namespace_no
    AND cancellation_id >= :from::uuid AND cancellation_id < :before::uuid
    AND create_time >= :start_time AND create_time < :end_time

-- name: summarize_refund
-- Of the tasks that ended in a time. Counted as the index has them: to group them would sort them.
SELECT json_build_array(
    json_build_array('NONE', count(*) FILTER (WHERE refund_state = 'NONE')),
    json_build_array('REQUIRED', count(*) FILTER (WHERE refund_state = 'REQUIRED')),
    json_build_array('REFUNDED', count(*) FILTER (WHERE refund_state = 'REFUNDED')),
    json_build_array('NOT_OWED', count(*) FILTER (WHERE refund_state = 'NOT_OWED')))
FROM tasks
WHERE namespace_no = :namespace_no AND end_time IS NOT NULL
    AND end_time >= :start_time AND end_time < :end_time

-- name: stops
-- By the agent first: a tenant may stop ten thousand tasks of others.
WITH live AS MATERIALIZED (
    SELECT namespace_no, task_no, state, due_time FROM tasks
    WHERE namespace_no = ? AND agent_id = ? AND end_time IS NULL
)
SELECT coalesce(json_agg(json_build_array({task})), '[]')
FROM (
    SELECT namespace_no, task_no FROM live
    WHERE state = 'CANCELLING' ORDER BY due_time LIMIT ?
) AS x
JOIN tasks AS t ON t.namespace_no = x.namespace_no AND t.task_no = x.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: next_due
-- The first of each namespace: the indexes go by these, so that they can take turns.
SELECT json_build_array(
    (SELECT min((SELECT min(due_time) FROM tasks
                 WHERE state = 'CANCELLING' AND due_time IS NOT NULL
                     AND namespace_no = n.value))
     FROM ({with_late_task}) AS n (value)),
    (SELECT min((SELECT min(lease_expire_time) FROM agents
                 WHERE lease_expire_time IS NOT NULL AND namespace_no = n.value))
     FROM ({with_lost_agent}) AS n (value)),
    (SELECT min((SELECT min(expire_time) FROM tasks
                 WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
                     AND namespace_no = n.value))
     FROM ({with_expired_task}) AS n (value)),
    (SELECT min((SELECT min(expire_time) FROM checkouts
                 WHERE expire_time IS NOT NULL AND state = 'OPEN' AND namespace_no = n.value))
     FROM ({with_expired_checkout}) AS n (value)),
    (SELECT min(create_time) FROM cancellations
     WHERE state = 'IN_PROGRESS' AND live_count = 0))

-- name: last_id_ahead
-- The time in the ids of what was created before a time, if that is later.
SELECT json_build_array((SELECT max(id_time) FROM ids_ahead WHERE since < ?))

-- name: clock_stretches
SELECT coalesce(json_agg(json_build_array(since, until, wall)), '[]')
FROM (SELECT * FROM clock_stretches ORDER BY stretch_no) AS c

-- name: keys
SELECT coalesce(json_agg(json_build_array({key})), '[]')
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
    FROM chain JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.version > :after_version
)
SELECT coalesce(json_agg(seq), '[]') FROM (SELECT seq FROM chain WHERE is_version ORDER BY seq) AS x

-- name: history
SELECT coalesce(json_agg(json_build_array({event})), '[]')
FROM json_array_elements_text(:seqs) AS x (value)
JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.value::bigint

-- name: version_at
-- The last version of a task at or before a position.
WITH RECURSIVE chain (seq, previous_seq) AS (
    SELECT :last_seq, :last_seq
    UNION ALL
    SELECT e.seq, e.previous_seq
    FROM chain JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.seq > :position
)
SELECT json_build_array({event}) FROM events AS e
WHERE e.namespace_no = :namespace_no AND e.seq = (SELECT min(previous_seq) FROM chain)

-- name: position
-- Null for a holder that is not named, or does not exist.
SELECT json_build_array(
    coalesce(
        (SELECT json_build_array(
             p.last_seq, coalesce(e.time, p.floor_time), p.floor_seq, p.floor_time)
         FROM positions AS p
         LEFT JOIN events AS e ON e.namespace_no = p.namespace_no AND e.seq = p.last_seq
         WHERE p.namespace_no = :namespace_no),
        json_build_array(0, 0, 0, 0)),
    (SELECT max(task_no) FROM tasks WHERE namespace_no = :namespace_no),
    (SELECT closed = 1 AND live_count = 0 FROM groups
     WHERE namespace_no = :namespace_no AND group_id = :group_id),
    (SELECT state <> 'OPEN' AND live_count = 0 FROM checkouts
     WHERE namespace_no = :namespace_no AND checkout_id = :checkout_id),
    (SELECT state <> 'OPEN' AND live_count = 0 FROM orders
     WHERE namespace_no = :namespace_no AND order_id = :order_id))

-- name: log_ends
-- Where the logs of some namespaces end.
SELECT coalesce(json_agg(json_build_array(
    p.namespace_no, p.last_seq, coalesce(e.time, p.floor_time), p.floor_seq,
    p.stored_bytes)), '[]')
FROM json_array_elements_text(:numbers) AS x (value)
JOIN positions AS p ON p.namespace_no = x.value::bigint
LEFT JOIN events AS e ON e.namespace_no = p.namespace_no AND e.seq = p.last_seq

-- name: all_log_ends
SELECT coalesce(json_agg(json_build_array(
    p.namespace_no, p.last_seq, coalesce(e.time, p.floor_time), p.floor_seq,
    p.stored_bytes)), '[]')
FROM positions AS p
LEFT JOIN events AS e ON e.namespace_no = p.namespace_no AND e.seq = p.last_seq
WHERE p.last_seq > 0

-- name: log_changes
-- When a position was taken, and what the entries behind it are about, up to another.
SELECT json_build_array(
    (SELECT time FROM events WHERE namespace_no = :namespace_no AND seq = :after),
    (SELECT coalesce(json_agg(json_build_array(
        encode(uuid_send(t.task_id), 'hex'), encode(uuid_send(t.group_id), 'hex'),
        t.checkout_id, t.order_id, t.agent_id, e.record_kind,
        CASE WHEN e.record_kind IN ('CHECKOUT', 'ORDER')
            THEN convert_from(e.record_id, 'UTF8') END,
        (SELECT coalesce(json_agg(o.order_id), '[]') FROM order_checkouts AS o
         WHERE o.namespace_no = :namespace_no AND o.checkout_id = t.checkout_id))), '[]')
     FROM (
        SELECT task_no, record_kind, record_id FROM events
        WHERE namespace_no = :namespace_no AND seq > :after AND seq <= :through
        ORDER BY seq LIMIT :limit
     ) AS e
     LEFT JOIN tasks AS t ON t.namespace_no = :namespace_no AND t.task_no = e.task_no))

-- name: event_time
SELECT json_build_array(time) FROM events WHERE namespace_no = ? AND seq = ?

-- name: snapshot_{scope} for group checkout order agent live
-- What came under an order later than the place is left to the log, which has it as an entry.
SELECT coalesce(json_agg(json_build_array({task})), '[]')
FROM (
    SELECT t.task_no
    FROM ({tasks_of_scope}) AS s
    JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
    WHERE s.task_no > :after AND s.task_no <= :last_number AND {chosen} AND {since} < :position
    ORDER BY s.task_no LIMIT :limit
) AS x
JOIN tasks AS t ON t.namespace_no = :namespace_no AND t.task_no = x.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: log
-- Looks at all that happened between two positions, and stops when it has found enough.
SELECT coalesce(json_agg(json_build_array({event}, {task})), '[]')
FROM (
    SELECT e.seq
    FROM events AS e JOIN tasks AS t ON t.namespace_no = e.namespace_no AND t.task_no = e.task_no
    WHERE e.namespace_no = :namespace_no AND e.seq > :after AND e.seq <= :through
        AND {filter} AND e.seq > {since}
        AND (e.record_kind IS NULL OR e.record_id = convert_to(:order_id, 'UTF8'))
    ORDER BY e.seq LIMIT :limit
) AS x
JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.seq
JOIN tasks AS t ON t.namespace_no = e.namespace_no AND t.task_no = e.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: log_at
SELECT coalesce(json_agg(json_build_array({event}, {task})), '[]')
FROM json_array_elements_text(:seqs) AS x (value)
JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.value::bigint
JOIN tasks AS t ON t.namespace_no = e.namespace_no AND t.task_no = e.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: trail_{scope} for group checkout order
-- Walks back the chains of the holder's own tasks, so that it costs what they did, not what
-- happened elsewhere meanwhile.
WITH RECURSIVE chain (seq, previous_seq, since, record_id) AS (
    SELECT t.last_seq, e.previous_seq, greatest(:after, {since}) AS since, e.record_id
    FROM ({tasks_of_scope}) AS s
    JOIN tasks AS t ON t.namespace_no = s.namespace_no AND t.task_no = s.task_no
    JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = t.last_seq
    WHERE t.last_seq > greatest(:after, {since}) AND {chosen}
    UNION ALL
    SELECT e.seq, e.previous_seq, chain.since, e.record_id
    FROM chain JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.seq > chain.since
), walked AS MATERIALIZED (
    SELECT seq, record_id FROM chain LIMIT :max_walked + 1
)
SELECT json_build_array((SELECT count(*) FROM walked), (SELECT coalesce(json_agg(seq), '[]') FROM (
    SELECT seq FROM walked WHERE record_id IS NULL OR record_id = convert_to(:order_id, 'UTF8')
    ORDER BY seq
) AS x))
