-- Which of several servers serves an endpoint of webhooks, and until when.
CREATE TABLE webhook_claims (
    namespace_no bigint NOT NULL,
    webhook_id uuid NOT NULL,
    -- Grows with each server that takes the endpoint over.
    claim bigint NOT NULL,
    claimed_by text COLLATE "C" NOT NULL,
    -- By the clock of this database, which grants and judges it.
    claimed_until timestamptz NOT NULL,
    PRIMARY KEY (namespace_no, webhook_id),
    FOREIGN KEY (namespace_no, webhook_id) REFERENCES webhooks ON DELETE CASCADE
) WITH (fillfactor = 50);

-- Grows with each change that others than who serves it may have made, so that they see it.
ALTER TABLE webhooks ADD COLUMN revision bigint NOT NULL DEFAULT 0;

CREATE FUNCTION note_webhook_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER webhook_changed BEFORE UPDATE ON webhooks FOR EACH ROW
    WHEN ((OLD.name, OLD.url, OLD.event_types, OLD.secrets, OLD.epoch, OLD.missed_count)
        IS DISTINCT FROM
        (NEW.name, NEW.url, NEW.event_types, NEW.secrets, NEW.epoch, NEW.missed_count))
    EXECUTE FUNCTION note_webhook_change();

-- What is sent by hand: a delivery that was not tried yet, or is to be tried anew.
CREATE FUNCTION note_delivery_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhooks SET revision = revision + 1
    WHERE namespace_no = NEW.namespace_no AND webhook_id = NEW.webhook_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER delivery_added AFTER INSERT ON deliveries FOR EACH ROW
    WHEN (NEW.attempt_count = 0)
    EXECUTE FUNCTION note_delivery_by_hand();
CREATE TRIGGER delivery_begun_anew AFTER UPDATE ON deliveries FOR EACH ROW
    WHEN (NEW.begin_time <> OLD.begin_time OR (NEW.state = 'PENDING' AND OLD.state <> 'PENDING'))
    EXECUTE FUNCTION note_delivery_by_hand();
