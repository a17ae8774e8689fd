-- Deadlines are judged by a clock that never leaps, and shown by the wall clock: when both differ,
-- so do these two columns.
ALTER TABLE tasks ADD COLUMN due_time INTEGER;
UPDATE tasks SET due_time = deadline_time WHERE state = 'CANCELLING';
DROP INDEX tasks_by_deadline;
-- The second column shows at a start, without a look at each task, that there is nothing to reset.
CREATE INDEX tasks_by_due ON tasks (due_time, deadline_time) WHERE state = 'CANCELLING';

-- The ids of cancellations grow, also after the wall clock was set back: then they stay at one time
-- until it has come again, and are ahead of the times in their rows. Here is that time, and since
-- when cancellations have it.
CREATE TABLE ids_ahead (
    id_time INTEGER PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;
