-- What an operator asks of uploads: which are under way, and which stand still.

ALTER TABLE upload ADD COLUMN last_activity_at integer NOT NULL DEFAULT 0; -- when the client was last seen to work on it
ALTER TABLE upload ADD COLUMN seen_bytes integer NOT NULL DEFAULT 0;       -- that the store had when it was last asked
UPDATE upload SET last_activity_at = changed_at;
CREATE INDEX upload_page ON upload (tenant_id, id);
-- Uploads that have not ended: few rows, found without those that have.
CREATE INDEX upload_live ON upload (id) WHERE state IN ('open', 'completing');
CREATE INDEX upload_live_page ON upload (tenant_id, id) WHERE state IN ('open', 'completing');
