-- Whether goods of an order have left is asked of its snapshot with each cancel: the words that say
-- so may have grown since the snapshot came.
ALTER TABLE orders DROP COLUMN fulfilled;
