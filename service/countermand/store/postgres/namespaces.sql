-- The namespaces in which something will be due. Each is found by a step in an index from the one
-- before, so that it costs as much as there are of them, whatever they hold.

-- name: with_late_task
WITH RECURSIVE found (n) AS (
    SELECT min(namespace_no) FROM tasks WHERE state = 'CANCELLING' AND due_time IS NOT NULL
    UNION ALL
    SELECT (SELECT min(namespace_no) FROM tasks
            WHERE state = 'CANCELLING' AND due_time IS NOT NULL
                AND namespace_no > found.n)
    FROM found WHERE n IS NOT NULL
)
SELECT n FROM found WHERE n IS NOT NULL

-- name: with_lost_agent
WITH RECURSIVE found (n) AS (
    SELECT min(namespace_no) FROM agents WHERE lease_expire_time IS NOT NULL
    UNION ALL
    SELECT (SELECT min(namespace_no) FROM agents
            WHERE lease_expire_time IS NOT NULL AND namespace_no > found.n)
    FROM found WHERE n IS NOT NULL
)
SELECT n FROM found WHERE n IS NOT NULL

-- name: with_expired_task
WITH RECURSIVE found (n) AS (
    SELECT min(namespace_no) FROM tasks
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
    UNION ALL
    SELECT (SELECT min(namespace_no) FROM tasks
            WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING')
                AND namespace_no > found.n)
    FROM found WHERE n IS NOT NULL
)
SELECT n FROM found WHERE n IS NOT NULL

-- name: with_expired_checkout
WITH RECURSIVE found (n) AS (
    SELECT min(namespace_no) FROM checkouts WHERE expire_time IS NOT NULL AND state = 'OPEN'
    UNION ALL
    SELECT (SELECT min(namespace_no) FROM checkouts
            WHERE expire_time IS NOT NULL AND state = 'OPEN' AND namespace_no > found.n)
    FROM found WHERE n IS NOT NULL
)
SELECT n FROM found WHERE n IS NOT NULL
