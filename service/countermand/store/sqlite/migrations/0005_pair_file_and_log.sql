-- Which write-ahead log belongs to this file: SQLite itself would take any that lies beside it.
-- See pairing.py.
CREATE TABLE pairing (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- The schema's cookie of this file, and the one of before while that may still be on the disk.
    cookie INTEGER NOT NULL,
    previous_cookie INTEGER NOT NULL,
    -- The log that is written now, and the one before it.
    log_id BLOB NOT NULL CHECK (length(log_id) = 16),
    previous_log_id BLOB CHECK (length(previous_log_id) = 16)
) STRICT;
