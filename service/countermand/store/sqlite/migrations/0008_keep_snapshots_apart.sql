-- What callers say of checkouts, orders and carts is large, and hardly any change concerns it. Apart
-- from their rows it is neither read nor written with them.
CREATE TABLE checkout_snapshots (
    checkout_no INTEGER PRIMARY KEY REFERENCES checkouts ON DELETE CASCADE,
    snapshot BLOB NOT NULL
) STRICT;
INSERT INTO checkout_snapshots SELECT checkout_no, snapshot FROM checkouts ORDER BY checkout_no;
ALTER TABLE checkouts DROP COLUMN snapshot;

CREATE TABLE order_snapshots (
    order_no INTEGER PRIMARY KEY REFERENCES orders ON DELETE CASCADE,
    snapshot BLOB NOT NULL
) STRICT;
INSERT INTO order_snapshots SELECT order_no, snapshot FROM orders ORDER BY order_no;
ALTER TABLE orders DROP COLUMN snapshot;

CREATE TABLE cart_lines (
    namespace_no INTEGER NOT NULL,
    cart_id TEXT NOT NULL,
    line_items BLOB NOT NULL,
    PRIMARY KEY (namespace_no, cart_id),
    FOREIGN KEY (namespace_no, cart_id) REFERENCES carts ON DELETE CASCADE
) STRICT;
INSERT INTO cart_lines SELECT namespace_no, cart_id, line_items FROM carts;
ALTER TABLE carts DROP COLUMN line_items;
