-- Tasks are looked for by a label, and the rows of one that goes are known by what it has: so they
-- need no second order, which cost as much as the first to write.
CREATE TABLE new_task_labels (
    namespace_no INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    task_no INTEGER NOT NULL,
    PRIMARY KEY (namespace_no, digest, task_no)
) STRICT, WITHOUT ROWID;
INSERT INTO new_task_labels
SELECT namespace_no, digest, task_no FROM task_labels INDEXED BY task_labels_by_digest
ORDER BY namespace_no, digest, task_no;
DROP TABLE task_labels;
ALTER TABLE new_task_labels RENAME TO task_labels;
