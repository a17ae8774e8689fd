-- What is old is looked for namespace by namespace, so that what one has a lot of keeps no other's
-- waiting.
DROP INDEX tasks_ended;
CREATE INDEX tasks_ended ON tasks (namespace_no, update_time)
    WHERE end_time IS NOT NULL AND refund_state <> 'REQUIRED';
DROP INDEX tasks_owed;
CREATE INDEX tasks_owed ON tasks (namespace_no, update_time) WHERE refund_state = 'REQUIRED';
DROP INDEX groups_empty;
CREATE INDEX groups_empty ON groups (namespace_no, update_time)
    WHERE task_count = 0 AND checkout_id IS NULL;
DROP INDEX checkouts_empty;
CREATE INDEX checkouts_empty ON checkouts (namespace_no, update_time) WHERE task_count = 0;
DROP INDEX orders_empty;
CREATE INDEX orders_empty ON orders (namespace_no, update_time) WHERE task_count = 0;
DROP INDEX cancellations_in_vain;
CREATE INDEX cancellations_in_vain ON cancellations (namespace_no, end_time)
    WHERE target_kind = 'TASK' AND state = 'TOO_LATE' AND deadline_time IS NULL;
DROP INDEX carts_active;
CREATE INDEX carts_active ON carts (namespace_no, update_time) WHERE state = 'ACTIVE';
DROP INDEX agents_lost;
CREATE INDEX agents_lost ON agents (namespace_no, lost_time) WHERE lost_time IS NOT NULL;
DROP INDEX events_without_task;
CREATE INDEX events_without_task ON events (namespace_no, time)
    WHERE task_no IS NULL AND record_kind IS NULL;
