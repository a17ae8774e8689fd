-- Which store it is: a server that looks for its lost database again serves no other one in its
-- place. It goes with the rows, wherever they are restored or replicated to.
ALTER TABLE schema ADD COLUMN store_id uuid NOT NULL DEFAULT gen_random_uuid();
