-- Drop boxes: grants for many files, with what was sent so far.
CREATE TABLE drop_box (
    id            blob    PRIMARY KEY,
    tenant_id     blob    NOT NULL,
    created_by    blob    NOT NULL,     -- the key that owns the files
    created_at    integer NOT NULL,
    expires_at    integer NOT NULL,
    revoked_at    integer,
    max_files     integer,              -- NULL: unlimited, as the next two
    max_bytes     integer,
    max_size      integer,              -- of a single file
    allowed       text    NOT NULL,     -- JSON: patterns of media types
    policy        text    NOT NULL,
    metadata      text    NOT NULL,     -- JSON: what every file gets
    sender        text    NOT NULL,     -- what the page asks: name,email,note
    files         integer NOT NULL,     -- sent, or being sent
    bytes         integer NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX drop_box_tenant ON drop_box (tenant_id, id);
CREATE INDEX drop_box_expiry ON drop_box (expires_at);

ALTER TABLE upload ADD COLUMN drop_box_id    blob;      -- the grant for many files that opened it
ALTER TABLE upload ADD COLUMN drop_box_bytes integer;   -- what that grant counts for it; NULL: no file
CREATE INDEX upload_drop_box ON upload (drop_box_id, id) WHERE drop_box_id IS NOT NULL;
