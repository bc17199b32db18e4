-- Bytes that are relayed through the service: a ledger per upload, a lease on it, and the parts that it knows.

ALTER TABLE upload DROP CONSTRAINT upload_transfer_check;
ALTER TABLE upload ADD CONSTRAINT upload_transfer_check
    CHECK (transfer IN ('put', 'single_part', 'multipart', 'client_cut', 'relayed'));
ALTER TABLE upload DROP CONSTRAINT upload_check;                -- a part size for everything but 'put'
ALTER TABLE upload ALTER COLUMN size DROP NOT NULL;             -- NULL: the client will say later, or it is counted
ALTER TABLE upload
    ADD COLUMN appended     bigint NOT NULL DEFAULT 0 CHECK (appended >= 0), -- acknowledged bytes
    ADD COLUMN tail         text   NOT NULL DEFAULT '[]',       -- JSON: temporary objects behind the last whole part
    ADD COLUMN next_part    bigint NOT NULL DEFAULT 1,          -- the lowest part number that no holder has used
    ADD COLUMN fence        bigint NOT NULL DEFAULT 0,          -- the last one handed out; holders never share one
    ADD COLUMN leased_until bigint,                             -- NULL: nobody writes
    ADD COLUMN lease_wanted bigint NOT NULL DEFAULT 0,          -- 1: somebody asks the holder to let go
    ADD COLUMN said_metadata text,                              -- tus's Upload-Metadata, letter by letter
    ADD COLUMN said_concat  text,                               -- tus's Upload-Concat, letter by letter
    ADD COLUMN concat       text,                               -- 'partial', or a JSON list of the uploads it is made of
    ADD COLUMN most         bigint CHECK (most >= 0),           -- bytes of a file that the grant's holder chooses; NULL: it is known
    ADD CONSTRAINT upload_planned CHECK ((transfer IN ('put', 'client_cut')) = (part_size IS NULL)),
    ADD CONSTRAINT upload_size_known CHECK (size IS NOT NULL OR transfer = 'relayed'
        OR (transfer = 'client_cut' AND state NOT IN ('completing', 'completed'))),
    ADD CONSTRAINT upload_not_too_long CHECK (size IS NULL OR appended <= size);

-- A piece of a file is an asset that nobody sees in lists.
ALTER TABLE asset ADD COLUMN partial bigint NOT NULL DEFAULT 0;
-- Media types that its bytes may turn out to be, a JSON list; empty: any.
ALTER TABLE asset ADD COLUMN allowed jsonb NOT NULL DEFAULT '[]';

-- Parts of relayed uploads that the store has and the ledger knows: completion names them by these tags. Parts of the
-- client's own cutting, as they were when completing began: it may ask for them afterwards.
CREATE TABLE part (
    upload_id uuid   NOT NULL,
    number    bigint NOT NULL,                  -- ascending, with gaps where a holder vanished
    size      bigint NOT NULL,
    etag      text   NOT NULL,
    PRIMARY KEY (upload_id, number)
);
