-- Who joined a cancel that another request had begun: the first of them, and how many in all. Of
-- those who joined before, only the request ids are known.
ALTER TABLE cancellations ADD COLUMN join_count INTEGER NOT NULL DEFAULT 0 CHECK (join_count >= 0);

UPDATE cancellations SET join_count = found.tally FROM (
    SELECT namespace_no, answer_id, count(*) AS tally
    FROM request_ids INDEXED BY request_ids_joined WHERE joined GROUP BY namespace_no, answer_id
) AS found
WHERE cancellations.namespace_no = found.namespace_no
    AND cancellations.cancellation_id = found.answer_id;

CREATE TABLE joins (
    namespace_no INTEGER NOT NULL,
    cancellation_id BLOB NOT NULL CHECK (length(cancellation_id) = 16),
    -- How many were kept before it.
    place INTEGER NOT NULL CHECK (place BETWEEN 0 AND 15),
    requested_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    on_behalf_of TEXT NOT NULL,
    request_id BLOB CHECK (length(request_id) = 16),
    join_time INTEGER NOT NULL,
    PRIMARY KEY (namespace_no, cancellation_id, place)
) STRICT, WITHOUT ROWID;
