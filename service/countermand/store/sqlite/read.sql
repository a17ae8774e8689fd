-- The statements of readings. Each answers one JSON value, for the reason given in commit.sql.

-- name: task
SELECT json_array({task})
FROM tasks AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
WHERE t.namespace_no = ? AND t.task_id = ?

-- name: group
SELECT json_array({group}) FROM groups AS g WHERE g.namespace_no = ? AND g.group_id = ?

-- name: group_counts
SELECT json_group_array(json_array(state, tally)) FROM (
    SELECT state, count(*) AS tally FROM tasks
    WHERE namespace_no = ? AND group_id = ? GROUP BY state
)

-- name: group_tasks
SELECT json_group_array(json_array({task}))
FROM tasks AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
WHERE t.namespace_no = ? AND t.group_id = ?

-- name: list_tasks
-- Looks at no more than :window rows, so that a filter that matches little costs no more.
WITH page AS MATERIALIZED (
    SELECT task_no, state, agent_id FROM tasks INDEXED BY tasks_by_namespace
    WHERE namespace_no = :namespace_no AND task_no < :before
    ORDER BY task_no DESC LIMIT :window
), chosen AS MATERIALIZED (
    SELECT task_no FROM page
    WHERE (:agent_id IS NULL OR agent_id = :agent_id) AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY task_no DESC LIMIT :limit
)
SELECT json_array(
    (SELECT count(*) FROM page), (SELECT min(task_no) FROM page),
    json((SELECT json_group_array(json_array({task}))
     FROM chosen AS x CROSS JOIN tasks AS t ON t.task_no = x.task_no
     LEFT JOIN cancellations AS c
        ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id)))

-- name: list_group_tasks
WITH page AS MATERIALIZED (
    SELECT task_no, state, agent_id FROM tasks INDEXED BY tasks_by_group
    WHERE namespace_no = :namespace_no AND group_id = :group_id AND task_no < :before
    ORDER BY task_no DESC LIMIT :window
), chosen AS MATERIALIZED (
    SELECT task_no FROM page
    WHERE (:agent_id IS NULL OR agent_id = :agent_id) AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY task_no DESC LIMIT :limit
)
SELECT json_array(
    (SELECT count(*) FROM page), (SELECT min(task_no) FROM page),
    json((SELECT json_group_array(json_array({task}))
     FROM chosen AS x CROSS JOIN tasks AS t ON t.task_no = x.task_no
     LEFT JOIN cancellations AS c
        ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id)))

-- name: cancellation
SELECT json_array({cancellation})
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
    json((SELECT json_group_array(json_array({cancellation})) FROM chosen AS c)))

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
    json((SELECT json_group_array(json_array({cancellation})) FROM page AS c)))

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

-- name: stops
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_live_by_agent
    WHERE namespace_no = ? AND agent_id = ? AND end_time IS NULL AND state = 'CANCELLING'
    ORDER BY deadline_time LIMIT ?
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: next_due
SELECT json_array(
    (SELECT min(deadline_time) FROM tasks WHERE state = 'CANCELLING'),
    (SELECT min(expire_time) FROM tasks
     WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')),
    (SELECT min(lease_expire_time) FROM agents WHERE lease_expire_time IS NOT NULL))

-- name: keys
SELECT json_group_array(json_array({key}))
FROM (SELECT * FROM keys ORDER BY key_no DESC) AS k
JOIN namespaces AS n ON n.namespace_no = k.namespace_no

-- name: history
-- A task's versions, from the present one back to the one after the version that was seen.
WITH RECURSIVE chain (seq, previous_seq, version, state, charge_state, deadline_time, time, ends_group) AS (
    SELECT e.seq, e.previous_seq, e.version, e.state, e.charge_state, e.deadline_time, e.time, e.ends_group
    FROM events AS e WHERE e.namespace_no = :namespace_no AND e.seq = :last_seq
        AND e.version > :after_version
    UNION ALL
    SELECT e.seq, e.previous_seq, e.version, e.state, e.charge_state, e.deadline_time, e.time, e.ends_group
    FROM chain CROSS JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.version > :after_version
)
SELECT json_group_array(
    json_array(seq, previous_seq, version, state, charge_state, deadline_time, time, ends_group)
) FROM chain

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
SELECT json_array(e.seq, e.previous_seq, e.version, e.state, e.charge_state, e.deadline_time, e.time, e.ends_group)
FROM events AS e
WHERE e.namespace_no = :namespace_no AND e.seq = (SELECT min(previous_seq) FROM chain)

-- name: position
SELECT json_array(
    (SELECT last_seq FROM namespaces WHERE namespace_no = :namespace_no),
    (SELECT max(task_no) FROM tasks WHERE namespace_no = :namespace_no),
    (SELECT closed AND live_count = 0 FROM groups
     WHERE namespace_no = :namespace_no AND group_id = :group_id))

-- name: snapshot_group
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_by_group
    WHERE namespace_no = :namespace_no AND group_id = :group_id
        AND task_no > :after AND task_no <= :last_number
    ORDER BY task_no LIMIT :limit
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: snapshot_agent
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_live_by_agent
    WHERE namespace_no = :namespace_no AND agent_id = :agent_id AND end_time IS NULL
        AND task_no > :after AND task_no <= :last_number
    ORDER BY task_no LIMIT :limit
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: snapshot_live
SELECT json_group_array(json_array({task}))
FROM (
    SELECT * FROM tasks INDEXED BY tasks_live
    WHERE namespace_no = :namespace_no AND end_time IS NULL
        AND task_no > :after AND task_no <= :last_number
    ORDER BY task_no LIMIT :limit
) AS t
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id

-- name: log
SELECT json_group_array(json_array(
    e.seq, e.previous_seq, e.version, e.state, e.charge_state, e.deadline_time, e.time, e.ends_group,
    lower(hex(e.group_id)), {task}
))
FROM (
    SELECT * FROM events WHERE namespace_no = :namespace_no AND seq > :after AND seq <= :through
) AS e
LEFT JOIN tasks AS t ON t.task_no = e.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
WHERE :agent_id IS NULL OR t.agent_id = :agent_id

-- name: log_group
-- Walks back the chains of the group's own tasks, so that it costs what the group did, not what
-- happened elsewhere meanwhile.
WITH RECURSIVE chain (task_no, seq, previous_seq) AS (
    SELECT t.task_no, t.last_seq, e.previous_seq
    FROM tasks AS t INDEXED BY tasks_by_group
    CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = t.last_seq
    WHERE t.namespace_no = :namespace_no AND t.group_id = :group_id AND t.last_seq > :after
    UNION ALL
    SELECT chain.task_no, e.seq, e.previous_seq
    FROM chain CROSS JOIN events AS e
        ON e.namespace_no = :namespace_no AND e.seq = chain.previous_seq
    WHERE e.seq > :after
)
SELECT json_group_array(json_array(
    e.seq, e.previous_seq, e.version, e.state, e.charge_state, e.deadline_time, e.time, e.ends_group, '', {task}
))
FROM (SELECT task_no, seq FROM chain ORDER BY seq LIMIT :limit) AS x
CROSS JOIN events AS e ON e.namespace_no = :namespace_no AND e.seq = x.seq
CROSS JOIN tasks AS t ON t.task_no = x.task_no
LEFT JOIN cancellations AS c
    ON c.namespace_no = t.namespace_no AND c.cancellation_id = t.cancellation_id
