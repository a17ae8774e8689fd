-- Lists of checkouts, orders and carts, newest first, and of tasks by what else is known of them.
CREATE INDEX checkouts_by_namespace ON checkouts (namespace_no);
CREATE INDEX checkouts_by_state ON checkouts (namespace_no, state);
CREATE INDEX checkouts_by_cart ON checkouts (namespace_no, cart_id) WHERE cart_id IS NOT NULL;
CREATE INDEX orders_by_namespace ON orders (namespace_no);
CREATE INDEX orders_by_state ON orders (namespace_no, state);

CREATE INDEX carts_by_namespace ON carts (namespace_no);
CREATE INDEX carts_by_state ON carts (namespace_no, state);

CREATE INDEX tasks_by_merchant ON tasks (namespace_no, merchant) WHERE merchant <> '';
CREATE INDEX tasks_by_deadline ON tasks (namespace_no, deadline_time) WHERE state = 'CANCELLING';

-- A label of a task as a number, for labels are long: whoever finds a task by it looks whether it
-- has the label. The function is the program's own.
CREATE TABLE task_labels (
    task_no INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    namespace_no INTEGER NOT NULL,
    PRIMARY KEY (task_no, digest)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO task_labels
SELECT t.task_no, label_digest(l.key, l.value), t.namespace_no
FROM tasks AS t CROSS JOIN json_each(t.labels) AS l WHERE t.labels <> '{}';
CREATE INDEX task_labels_by_digest ON task_labels (namespace_no, digest);
