-- What people call a key, and who made and who revoked it. Of older keys nobody knows.
ALTER TABLE keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN revoked_by TEXT NOT NULL DEFAULT '';
