-- Links to derivatives and to collections, and what became of links. A collection is many assets in one archive.

ALTER TABLE link ADD COLUMN kind         text NOT NULL DEFAULT 'asset' CHECK (kind IN ('asset', 'collection'));
ALTER TABLE link ADD COLUMN variant      text;                -- a derivative instead of the original
ALTER TABLE link ADD COLUMN format       text;                -- the second half of its type
ALTER TABLE link ADD COLUMN last_used_at bigint;
ALTER TABLE link RENAME COLUMN asset_id TO subject_id;        -- the asset or the collection that it opens
CREATE INDEX link_maker ON link (created_by, id);
CREATE INDEX link_tenant ON link (tenant_id, id);

-- What a collection holds is decided when it is made: every byte of its archive has its place from then on.
CREATE TABLE collection (
    id         uuid   PRIMARY KEY,
    tenant_id  uuid   NOT NULL,
    created_by uuid   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,                 -- with its link
    name       text   NOT NULL,                 -- of the archive
    items      text   NOT NULL                  -- an array: asset, name, size, etag, at, crc (if it was known)
);
CREATE INDEX collection_expiry ON collection (expires_at);

-- CRC-32 of items whose own was not known, as far as somebody has read them.
CREATE TABLE collection_crc (
    collection_id uuid   NOT NULL,
    position      bigint NOT NULL,
    crc           bigint NOT NULL,
    PRIMARY KEY (collection_id, position)
);
