-- Maintenance modes: while a row exists, new uploads of its tenant are refused.
CREATE TABLE maintenance (
    tenant_id blob    PRIMARY KEY,  -- all zeros: every tenant
    message   text,                 -- what the operator tells clients; NULL: nothing
    since     integer NOT NULL
) STRICT, WITHOUT ROWID;

-- Every attempt at an asset, also of finished jobs.
CREATE INDEX job_attempt_subject ON job_attempt (subject_id, started_at);

-- Processes of the service: each writes its row every few seconds.
CREATE TABLE node (
    id         blob    PRIMARY KEY,
    name       text    NOT NULL,      -- host and process
    role       text    NOT NULL,      -- serve, work
    version    text    NOT NULL,
    started_at integer NOT NULL,
    seen_at    integer NOT NULL,
    skew       integer NOT NULL,      -- microseconds by which its clock is ahead of the database's
    bytes_in   integer NOT NULL,      -- of the last whole minute
    bytes_out  integer NOT NULL
) STRICT, WITHOUT ROWID;
