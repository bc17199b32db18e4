-- Drop boxes: grants for many files, with what was sent so far.
CREATE TABLE drop_box (
    id            uuid    PRIMARY KEY,
    tenant_id     uuid    NOT NULL,
    created_by    uuid    NOT NULL,     -- the key that owns the files
    created_at    bigint  NOT NULL,
    expires_at    bigint  NOT NULL,
    revoked_at    bigint,
    max_files     bigint,               -- NULL: unlimited, as the next two
    max_bytes     bigint,
    max_size      bigint,               -- of a single file
    allowed       jsonb   NOT NULL,     -- JSON: patterns of media types
    policy        text    NOT NULL,
    metadata      jsonb   NOT NULL,     -- JSON: what every file gets
    sender        text    NOT NULL,     -- what the page asks: name,email,note
    files         bigint  NOT NULL,     -- sent, or being sent
    bytes         bigint  NOT NULL
);
CREATE INDEX drop_box_tenant ON drop_box (tenant_id, id);
CREATE INDEX drop_box_expiry ON drop_box (expires_at);

ALTER TABLE upload ADD COLUMN drop_box_id    uuid;      -- the grant for many files that opened it
ALTER TABLE upload ADD COLUMN drop_box_bytes bigint;    -- what that grant counts for it; NULL: no file
CREATE INDEX upload_drop_box ON upload (drop_box_id, id) WHERE drop_box_id IS NOT NULL;
