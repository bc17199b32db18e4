-- Bytes that are relayed through the service: a ledger per upload, a lease on it, and the parts that it knows.
-- SQLite changes no CHECK in place: the table is made again. Nothing refers to it.

CREATE TABLE upload_next (
    id           blob    PRIMARY KEY,
    tenant_id    blob    NOT NULL,
    asset_id     blob    NOT NULL REFERENCES asset (id),
    owner_id     blob    NOT NULL,
    revision     integer NOT NULL,
    state        text    NOT NULL CHECK (state IN
        ('open', 'completing', 'completed', 'failed', 'aborted', 'expired')),
    protocol     text    NOT NULL,              -- the door through which it came
    transfer     text    NOT NULL CHECK (transfer IN
        ('put', 'single_part', 'multipart', 'client_cut', 'relayed')),
    size         integer CHECK (size >= 0),     -- NULL: the client will say later, or it is counted
    part_size    integer,                       -- of every part but the last; NULL: there is no plan
    store_id     text,                          -- the store's id of the multipart upload; NULL until it answered
    checksum     text,                          -- algorithm that every part carries, declared to the store
    object_key   text    NOT NULL,
    write_token  text    NOT NULL,              -- stamped on the object: proof that it is this upload's
    external_id  text,
    created_at   integer NOT NULL,
    changed_at   integer NOT NULL,
    expires_at   integer NOT NULL,
    look_at      integer,                       -- when the sweeper must look next; NULL: nothing owed
    appended      integer NOT NULL DEFAULT 0 CHECK (appended >= 0), -- acknowledged bytes
    tail          text    NOT NULL DEFAULT '[]', -- JSON: temporary objects behind the last whole part
    next_part     integer NOT NULL DEFAULT 1,   -- the lowest part number that no holder has used
    fence         integer NOT NULL DEFAULT 0,   -- the last one handed out; holders never share one
    leased_until  integer,                      -- NULL: nobody writes
    lease_wanted  integer NOT NULL DEFAULT 0,   -- 1: somebody asks the holder to let go
    said_metadata text,                         -- tus's Upload-Metadata, letter by letter
    said_concat   text,                         -- tus's Upload-Concat, letter by letter
    concat        text,                         -- 'partial', or a JSON list of the uploads it is made of
    most          integer CHECK (most >= 0),    -- bytes of a file that the grant's holder chooses; NULL: it is known
    CHECK ((transfer IN ('put', 'client_cut')) = (part_size IS NULL)),
    CHECK (state NOT IN ('open', 'completing') OR look_at IS NOT NULL),
    CHECK (size IS NOT NULL OR transfer = 'relayed'
        OR (transfer = 'client_cut' AND state NOT IN ('completing', 'completed'))),
    CHECK (size IS NULL OR appended <= size)
) STRICT, WITHOUT ROWID;
INSERT INTO upload_next (id, tenant_id, asset_id, owner_id, revision, state, protocol, transfer, size, part_size,
    store_id, checksum, object_key, write_token, external_id, created_at, changed_at, expires_at, look_at)
SELECT id, tenant_id, asset_id, owner_id, revision, state, protocol, transfer, size, part_size,
    store_id, checksum, object_key, write_token, external_id, created_at, changed_at, expires_at, look_at FROM upload;
DROP TABLE upload;
ALTER TABLE upload_next RENAME TO upload;
CREATE INDEX upload_asset ON upload (asset_id);
CREATE INDEX upload_look ON upload (look_at) WHERE look_at IS NOT NULL;
CREATE UNIQUE INDEX upload_external ON upload (tenant_id, external_id)
    WHERE external_id IS NOT NULL AND state IN ('open', 'completing');

-- A piece of a file is an asset that nobody sees in lists.
ALTER TABLE asset ADD COLUMN partial integer NOT NULL DEFAULT 0;
-- Media types that its bytes may turn out to be, a JSON list; empty: any.
ALTER TABLE asset ADD COLUMN allowed text NOT NULL DEFAULT '[]';

-- Parts of relayed uploads that the store has and the ledger knows: completion names them by these tags. Parts of the
-- client's own cutting, as they were when completing began: it may ask for them afterwards.
CREATE TABLE part (
    upload_id blob    NOT NULL,
    number    integer NOT NULL,                 -- ascending, with gaps where a holder vanished
    size      integer NOT NULL,
    etag      text    NOT NULL,
    PRIMARY KEY (upload_id, number)
) STRICT, WITHOUT ROWID;
