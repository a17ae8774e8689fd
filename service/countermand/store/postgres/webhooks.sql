-- The statements about webhooks: those of a commit, which take rows of parameters as the others do,
-- and those of readings.

-- name: load_endpoints
WITH wanted (namespace_no) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array(n.namespace_no, n.environment, p.last_notice, (
    SELECT sum(s.webhook_count)
    FROM namespaces AS o JOIN positions AS s ON s.namespace_no = o.namespace_no
    WHERE o.tenant = n.tenant
), (
    SELECT coalesce(json_agg(json_build_array({webhook})), '[]') FROM webhooks AS k
    WHERE k.namespace_no = n.namespace_no
))), '[]')
FROM wanted AS w
JOIN namespaces AS n ON n.namespace_no = w.namespace_no
JOIN positions AS p ON p.namespace_no = n.namespace_no

-- name: load_deliveries
WITH wanted (namespace_no, webhook_id, notice_no) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({delivery})), '[]')
FROM wanted AS w JOIN deliveries AS d ON d.namespace_no = w.namespace_no
    AND d.webhook_id = w.webhook_id AND d.notice_no = w.notice_no

-- name: load_notices
WITH wanted (namespace_no, notice_no) AS (VALUES {rows})
SELECT coalesce(json_agg(json_build_array({notice})), '[]')
FROM wanted AS w
JOIN notices AS e ON e.namespace_no = w.namespace_no AND e.notice_no = w.notice_no

-- name: load_old_notices
SELECT coalesce(json_agg(json_build_array(notice_no, time, type)), '[]') FROM (
    SELECT notice_no, time, type FROM notices WHERE namespace_no = :namespace
    ORDER BY notice_no LIMIT :limit
) AS e

-- name: load_expired_deliveries
SELECT coalesce(json_agg(json_build_array({delivery})), '[]') FROM (
    SELECT * FROM deliveries
    WHERE state = 'PENDING' AND namespace_no = :namespace AND begin_time <= :before
    ORDER BY begin_time LIMIT :limit
) AS d

-- name: load_ended_deliveries
SELECT coalesce(json_agg(
    json_build_array(encode(uuid_send(webhook_id), 'hex'), notice_no)
), '[]')
FROM (
    SELECT k.webhook_id, d.notice_no
    FROM webhooks AS k
    JOIN deliveries AS d
        ON d.namespace_no = k.namespace_no AND d.webhook_id = k.webhook_id
    WHERE k.namespace_no = :namespace AND d.end_time IS NOT NULL AND d.end_time <= greatest(
        :ended_before, coalesce((
            SELECT end_time FROM deliveries AS o
            WHERE o.namespace_no = k.namespace_no AND o.webhook_id = k.webhook_id
                AND o.end_time IS NOT NULL
            ORDER BY end_time DESC LIMIT 1 OFFSET :kept
        ), 0)
    )
    LIMIT :limit
) AS d

-- name: save_webhooks
WITH r ({webhook_columns}) AS (VALUES {rows})
INSERT INTO webhooks ({webhook_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, webhook_id) DO UPDATE SET
    name = excluded.name, url = excluded.url, event_types = excluded.event_types,
    secrets = excluded.secrets, update_time = excluded.update_time, state = excluded.state,
    disable_reason = excluded.disable_reason, missed_count = excluded.missed_count,
    cursor = excluded.cursor, last_success_time = excluded.last_success_time,
    failing_since = excluded.failing_since, probes = excluded.probes,
    next_time = excluded.next_time, epoch = excluded.epoch

-- name: insert_notices
WITH r ({notice_columns}) AS (VALUES {rows})
INSERT INTO notices ({notice_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL

-- name: save_outboxes
WITH r (namespace_no, last_notice) AS (VALUES {rows})
UPDATE positions SET last_notice = r.last_notice FROM r
WHERE positions.namespace_no = r.namespace_no

-- name: save_deliveries
WITH r ({delivery_columns}) AS (VALUES {rows})
INSERT INTO deliveries ({delivery_columns}) SELECT * FROM r WHERE namespace_no IS NOT NULL
ON CONFLICT (namespace_no, webhook_id, notice_no) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, attempt_count = excluded.attempt_count,
    failures = excluded.failures, begin_time = excluded.begin_time,
    next_time = excluded.next_time, end_time = excluded.end_time

-- name: delete_deliveries
WITH r (namespace_no, webhook_id, notice_no) AS (VALUES {rows})
DELETE FROM deliveries AS d USING r
WHERE d.namespace_no = r.namespace_no AND d.webhook_id = r.webhook_id
    AND d.notice_no = r.notice_no

-- name: delete_deliveries_of
DELETE FROM deliveries WHERE namespace_no = ? AND webhook_id = ?

-- name: delete_webhook
DELETE FROM webhooks WHERE namespace_no = ? AND webhook_id = ?

-- name: delete_notices
DELETE FROM notices WHERE namespace_no = ? AND notice_no <= ?

-- name: webhooks
SELECT coalesce(json_agg(json_build_array({webhook})), '[]') FROM webhooks AS k
WHERE :namespace IS NULL OR namespace_no = :namespace

-- name: webhook
SELECT json_build_array({webhook}) FROM webhooks AS k
WHERE namespace_no = ? AND webhook_id = ?

-- name: namespaces_with_notices
-- Found by a step in the key from the one before, and those with deliveries beside them.
WITH RECURSIVE found (n) AS (
    SELECT min(namespace_no) FROM notices
    UNION ALL
    SELECT (SELECT min(namespace_no) FROM notices WHERE namespace_no > found.n)
    FROM found WHERE n IS NOT NULL
)
SELECT coalesce(json_agg(n), '[]') FROM (
    SELECT n FROM found WHERE n IS NOT NULL UNION SELECT DISTINCT namespace_no FROM webhooks
) AS x

-- name: notices
SELECT coalesce(json_agg(json_build_array({notice})), '[]') FROM (
    SELECT * FROM notices WHERE namespace_no = ? AND notice_no > ? ORDER BY notice_no LIMIT ?
) AS e

-- name: pending_deliveries
SELECT coalesce(json_agg(json_build_array({delivery})), '[]') FROM (
    SELECT * FROM deliveries
    WHERE state = 'PENDING' AND namespace_no = ? AND webhook_id = ? ORDER BY notice_no LIMIT ?
) AS d

-- name: list_deliveries
SELECT coalesce(json_agg(json_build_array({delivery})), '[]') FROM (
    SELECT * FROM deliveries
    WHERE namespace_no = :namespace AND webhook_id = :webhook_id AND notice_no < :before
        AND (:state IS NULL OR state = :state)
    ORDER BY notice_no DESC LIMIT :limit
) AS d
