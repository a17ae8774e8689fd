-- What the servers of one store share beside their data. There is no leader: whoever gets a row does
-- what it stands for, and all others see in it that it was done.
CREATE TABLE cluster (
    name text COLLATE "C" PRIMARY KEY CHECK (name IN ('reap', 'purge', 'keys')),
    -- Of `reap`: what the clock said, when it was last noted, by which leases and deadlines are
    -- judged. Without a server that has noted it, zero.
    time bigint NOT NULL DEFAULT 0,
    -- When the row was last taken or noted, by the clock of this database: only spans of it count.
    noted bigint NOT NULL DEFAULT 0,
    -- Of `keys`: grows with every change of a key that servers must hear of.
    version bigint NOT NULL DEFAULT 0,
    -- Which server it was.
    by text NOT NULL DEFAULT ''
) WITH (fillfactor = 10);
INSERT INTO cluster (name) VALUES ('reap'), ('purge'), ('keys');

-- How long each server that runs keeps what is old, for none may purge what another keeps.
CREATE TABLE replicas (
    replica text COLLATE "C" PRIMARY KEY,
    retention bigint NOT NULL CHECK (retention > 0),
    noted bigint NOT NULL
) WITH (fillfactor = 50);

-- How much of the limits of a key each server has used. What is counted there grows from its start.
CREATE TABLE key_use (
    key_id text COLLATE "C" NOT NULL,
    -- The name of the limit.
    kind text COLLATE "C" NOT NULL,
    replica text COLLATE "C" NOT NULL,
    -- How much it let in; of watches, how many are open.
    used bigint NOT NULL,
    -- How much was asked of it, with what it refused.
    asked bigint NOT NULL,
    noted bigint NOT NULL,
    PRIMARY KEY (key_id, kind, replica)
) WITH (fillfactor = 50);
CREATE INDEX key_use_by_time ON key_use (noted);

-- In the transaction that changes a key, whichever program does it. That a key was used is no
-- change.
CREATE FUNCTION note_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cluster SET version = version + 1 WHERE name = 'keys';
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_added AFTER INSERT ON keys FOR EACH ROW EXECUTE FUNCTION note_key_change();
CREATE TRIGGER keys_removed AFTER DELETE ON keys
    FOR EACH STATEMENT EXECUTE FUNCTION note_key_change();
CREATE TRIGGER keys_changed AFTER UPDATE ON keys FOR EACH ROW
    WHEN ((OLD.expire_time, OLD.revoke_time, OLD.successor_key_id)
        IS DISTINCT FROM (NEW.expire_time, NEW.revoke_time, NEW.successor_key_id))
    EXECUTE FUNCTION note_key_change();
