-- Version 2: a limit for the parts of one multipart upload, and keys under which nothing is written any more.

-- The most bytes that the parts may have together; NULL: any number
ALTER TABLE upload ADD COLUMN max_bytes INTEGER CHECK (max_bytes >= 0);

-- Keys whose signed URLs are dead before their time: every write is refused. A row goes when its time is long over.
CREATE TABLE closed_key (
    bucket TEXT    NOT NULL,
    -- as in object
    key    BLOB    NOT NULL,
    -- when the last URL that was signed for the key has expired
    until  INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX closed_key_by_age ON closed_key (until);
