-- What is due is looked for namespace by namespace, so that what one has a lot of keeps no other's
-- waiting.
DROP INDEX tasks_by_due;
-- The last column shows at a start, without a look at each task, that there is nothing to reset.
CREATE INDEX tasks_by_due ON tasks (namespace_no, due_time, deadline_time)
    WHERE state = 'CANCELLING';
DROP INDEX tasks_by_expiry;
CREATE INDEX tasks_by_expiry ON tasks (namespace_no, expire_time)
    WHERE expire_time IS NOT NULL AND state IN ('PENDING', 'RUNNING');
DROP INDEX checkouts_by_expiry;
CREATE INDEX checkouts_by_expiry ON checkouts (namespace_no, expire_time)
    WHERE expire_time IS NOT NULL AND state = 'OPEN';
DROP INDEX agents_by_lease;
CREATE INDEX agents_by_lease ON agents (namespace_no, lease_expire_time)
    WHERE lease_expire_time IS NOT NULL;
