-- The feed: every tenant's events in one order in which nothing appears behind a reader's back (src/store/sql/feed.rs).

ALTER TABLE event
    ADD COLUMN pos  bigint,                     -- place in the tenant's feed: 1, 2, 3; NULL: not numbered yet
    ADD COLUMN data jsonb;                      -- what is worth knowing about it, an object; NULL: nothing
CREATE INDEX event_pending ON event (asset_id, seq) WHERE pos IS NULL;
CREATE UNIQUE INDEX event_feed ON event (tenant_id, pos) WHERE pos IS NOT NULL;

CREATE TABLE feed (
    tenant_id uuid   PRIMARY KEY,
    last      bigint NOT NULL,                  -- the last place given away
    forgotten bigint NOT NULL DEFAULT 0         -- events up to this place are removed, but for each asset's newest
);
-- No tenant's: whoever numbers events holds this row, and counts it up.
INSERT INTO feed (tenant_id, last) VALUES ('00000000-0000-0000-0000-000000000000', 0);
