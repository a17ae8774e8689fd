-- How much each namespace stores, about: 1,000 bytes for each task, group, checkout, order and cart,
-- and what its caller says of it. It is counted here, so that no program forgets it.
ALTER TABLE namespaces ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0;

UPDATE namespaces SET stored_bytes = (
    SELECT coalesce(sum(1000 + length(merchant) + length(labels)), 0) FROM tasks AS t
    WHERE t.namespace_no = namespaces.namespace_no
) + (
    SELECT 1000 * count(*) FROM groups AS g WHERE g.namespace_no = namespaces.namespace_no
) + (
    SELECT coalesce(sum(1000 + length(snapshot)), 0)
    FROM checkouts AS k JOIN checkout_snapshots USING (checkout_no)
    WHERE k.namespace_no = namespaces.namespace_no
) + (
    SELECT coalesce(sum(1000 + length(snapshot)), 0)
    FROM orders AS o JOIN order_snapshots USING (order_no)
    WHERE o.namespace_no = namespaces.namespace_no
) + (
    SELECT coalesce(sum(1000 + length(line_items)), 0) FROM cart_lines AS c
    WHERE c.namespace_no = namespaces.namespace_no
);

CREATE TRIGGER task_stored AFTER INSERT ON tasks BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes
        + 1000 + length(new.merchant) + length(new.labels)
    WHERE namespace_no = new.namespace_no;
END;
CREATE TRIGGER task_removed AFTER DELETE ON tasks BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes
        - 1000 - length(old.merchant) - length(old.labels)
    WHERE namespace_no = old.namespace_no;
END;

CREATE TRIGGER group_stored AFTER INSERT ON groups BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes + 1000
    WHERE namespace_no = new.namespace_no;
END;
CREATE TRIGGER group_removed AFTER DELETE ON groups BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes - 1000
    WHERE namespace_no = old.namespace_no;
END;

CREATE TRIGGER checkout_stored AFTER INSERT ON checkout_snapshots BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes + 1000 + length(new.snapshot)
    WHERE namespace_no = (
        SELECT namespace_no FROM checkouts WHERE checkout_no = new.checkout_no);
END;
CREATE TRIGGER checkout_changed AFTER UPDATE ON checkout_snapshots BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes
        + length(new.snapshot) - length(old.snapshot)
    WHERE namespace_no = (
        SELECT namespace_no FROM checkouts WHERE checkout_no = new.checkout_no);
END;
-- Before: its snapshot goes with it.
CREATE TRIGGER checkout_removed BEFORE DELETE ON checkouts BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes - coalesce((
        SELECT 1000 + length(snapshot) FROM checkout_snapshots
        WHERE checkout_no = old.checkout_no), 0)
    WHERE namespace_no = old.namespace_no;
END;

CREATE TRIGGER order_stored AFTER INSERT ON order_snapshots BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes + 1000 + length(new.snapshot)
    WHERE namespace_no = (SELECT namespace_no FROM orders WHERE order_no = new.order_no);
END;
CREATE TRIGGER order_changed AFTER UPDATE ON order_snapshots BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes
        + length(new.snapshot) - length(old.snapshot)
    WHERE namespace_no = (SELECT namespace_no FROM orders WHERE order_no = new.order_no);
END;
CREATE TRIGGER order_removed BEFORE DELETE ON orders BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes - coalesce((
        SELECT 1000 + length(snapshot) FROM order_snapshots
        WHERE order_no = old.order_no), 0)
    WHERE namespace_no = old.namespace_no;
END;

CREATE TRIGGER cart_stored AFTER INSERT ON cart_lines BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes + 1000 + length(new.line_items)
    WHERE namespace_no = new.namespace_no;
END;
CREATE TRIGGER cart_changed AFTER UPDATE ON cart_lines BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes
        + length(new.line_items) - length(old.line_items)
    WHERE namespace_no = new.namespace_no;
END;
CREATE TRIGGER cart_removed AFTER DELETE ON cart_lines BEGIN
    UPDATE namespaces SET stored_bytes = stored_bytes - 1000 - length(old.line_items)
    WHERE namespace_no = old.namespace_no;
END;
