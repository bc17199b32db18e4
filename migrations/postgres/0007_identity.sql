-- Keys that have names, rotate, and tell when they were last used.

ALTER TABLE api_key ADD COLUMN name text;             -- for people
ALTER TABLE api_key ADD COLUMN last_used_at bigint;   -- about: noted once a minute at most
ALTER TABLE api_key ADD COLUMN old_hash bytea;        -- SHA-256 of the secret before, good until old_until
ALTER TABLE api_key ADD COLUMN old_until bigint CHECK ((old_hash IS NULL) = (old_until IS NULL));
