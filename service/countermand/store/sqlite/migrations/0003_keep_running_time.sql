-- How long servers ran, and how the wall clock went meanwhile: see core/chronicle.py. All in
-- microseconds; the columns are no times, since two of them are spans.
CREATE TABLE clock_stretches (
    stretch_no INTEGER PRIMARY KEY,
    -- How long servers had run at the beginning of this stretch, and at its end.
    since INTEGER NOT NULL,
    until INTEGER NOT NULL CHECK (until >= since),
    -- What the wall clock said at its beginning.
    wall INTEGER NOT NULL
) STRICT;

-- Of a store that served before, the last commit that left its time. One in the future tells that
-- the clock was wrong then, and nothing of what came before.
INSERT INTO clock_stretches (since, until, wall)
SELECT 0, 0, min(max(time), CAST(strftime('%s', 'now') AS INTEGER) * 1000000) FROM (
    SELECT e.time FROM namespaces AS n
    CROSS JOIN events AS e ON e.namespace_no = n.namespace_no AND e.seq = n.last_seq
    UNION ALL SELECT max(lease_expire_time - lease_duration) FROM agents
    UNION ALL SELECT max(coalesce(last_use_time, create_time)) FROM keys
) HAVING max(time) IS NOT NULL;
