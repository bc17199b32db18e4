-- Version 1. Later versions are added to MIGRATIONS in schema.rs; this file stays as it is.
-- Times are microseconds since 1970 in UTC. Keys are bytes, so that they sort as S3 sorts them.

CREATE TABLE bucket (
    -- the name, valid by S3's rules
    name    TEXT PRIMARY KEY,
    -- when it was made
    created INTEGER NOT NULL,
    -- the rules of PutBucketCors as JSON; NULL when there are none
    cors    TEXT
) STRICT, WITHOUT ROWID;

-- Immutable bytes, shared by an object and its copies. An upload owns one from its start, so that completing it
-- moves no part row.
CREATE TABLE content (
    -- never used twice: readers pin by it
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- the objects and uploads that name it; at 0 it is in trash
    refs     INTEGER NOT NULL CHECK (refs >= 0),
    -- its segments in order (record::Manifest); empty while it is being uploaded
    manifest BLOB    NOT NULL
) STRICT;

-- One row for each data file that is part of the store: a file without one is an orphan.
CREATE TABLE segment (
    content  INTEGER NOT NULL,
    -- the part number under which it came; 1 for a plain PUT
    number   INTEGER NOT NULL CHECK (number BETWEEN 1 AND 10000),
    -- the file's random name, 16 bytes
    file     BLOB    NOT NULL UNIQUE CHECK (length(file) = 16),
    -- bytes in the file
    size     INTEGER NOT NULL CHECK (size >= 0),
    -- MD5 of the bytes, 16 bytes: the part's ETag
    md5      BLOB    NOT NULL CHECK (length(md5) = 16),
    -- the checksums of the bytes as JSON (checksum::Sums)
    sums     TEXT    NOT NULL,
    -- when it was written
    modified INTEGER NOT NULL,
    PRIMARY KEY (content, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE object (
    bucket   TEXT    NOT NULL,
    -- 1 to 1024 bytes of UTF-8
    key      BLOB    NOT NULL,
    content  INTEGER NOT NULL,
    -- bytes of the content
    size     INTEGER NOT NULL,
    -- the ETag without quotes
    etag     TEXT    NOT NULL,
    -- Last-Modified
    modified INTEGER NOT NULL,
    -- headers to give back, as JSON (record::Headers)
    headers  TEXT    NOT NULL,
    -- tags as JSON (record::Tags)
    tags     TEXT    NOT NULL,
    -- checksums of the object as JSON (record::Verified)
    verified TEXT    NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

-- Multipart uploads that are neither completed nor aborted.
CREATE TABLE upload (
    -- hexadecimal, sorts by time of creation, ends in 128 random bits
    id        TEXT    PRIMARY KEY,
    bucket    TEXT    NOT NULL,
    key       BLOB    NOT NULL,
    -- what its parts belong to
    content   INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    headers   TEXT    NOT NULL,
    tags      TEXT    NOT NULL,
    -- S3 name of the checksum that every part carries
    algorithm TEXT    NOT NULL,
    -- COMPOSITE or FULL_OBJECT
    kind      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX upload_by_key ON upload (bucket, key, id);

-- Completed uploads, kept for some days so that a repeated CompleteMultipartUpload gets the same answer.
CREATE TABLE finished (
    -- the upload's id
    id       TEXT    PRIMARY KEY,
    bucket   TEXT    NOT NULL,
    key      BLOB    NOT NULL,
    -- what the first answer said
    etag     TEXT    NOT NULL,
    verified TEXT    NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX finished_by_age ON finished (at);

-- Contents that nothing names any more, whose files are still to be removed.
CREATE TABLE trash (
    content INTEGER PRIMARY KEY,
    since   INTEGER NOT NULL
) STRICT;
CREATE INDEX trash_by_age ON trash (since);
