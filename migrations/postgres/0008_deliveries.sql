-- Links to derivatives, and what became of links; collections: many assets in one archive.

ALTER TABLE link ADD COLUMN variant      text;                -- a derivative instead of the original
ALTER TABLE link ADD COLUMN format       text;                -- the second half of its type
ALTER TABLE link ADD COLUMN last_used_at bigint;
CREATE INDEX link_maker ON link (created_by, id);

-- What a collection holds is decided when it is made: every byte of its archive has its place from then on.
CREATE TABLE collection (
    id           uuid   PRIMARY KEY,              -- of its link
    tenant_id    uuid   NOT NULL,
    created_by   uuid   NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint NOT NULL,
    revoked_at   bigint,
    name         text   NOT NULL,               -- of the archive
    items        text   NOT NULL,               -- JSON: asset, name, size, etag, time, crc if it was known
    max_uses     bigint,
    used         bigint NOT NULL,
    last_used_at bigint,
    network      text
);
CREATE INDEX collection_tenant ON collection (tenant_id, id);
CREATE INDEX collection_maker ON collection (created_by, id);
CREATE INDEX collection_expiry ON collection (expires_at);

-- CRC-32 of items, as far as somebody had to find them out.
CREATE TABLE collection_crc (
    collection_id uuid   NOT NULL,
    position      bigint NOT NULL,
    crc           bigint NOT NULL,
    PRIMARY KEY (collection_id, position)
);
