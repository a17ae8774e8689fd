-- What each version of a checkout or order had of its own, for those who watch one. Of versions of
-- before nothing is known.
CREATE TABLE holder_versions (
    kind TEXT NOT NULL CHECK (kind IN ('CHECKOUT', 'ORDER')),
    namespace_no INTEGER NOT NULL,
    holder_id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    state TEXT NOT NULL,
    cancellation_id BLOB CHECK (length(cancellation_id) = 16),
    cancel_time INTEGER,
    update_time INTEGER NOT NULL,
    PRIMARY KEY (kind, namespace_no, holder_id, version)
) STRICT, WITHOUT ROWID;
