-- Maintenance modes: while a row exists, new uploads of its tenant are refused.
CREATE TABLE maintenance (
    tenant_id uuid   PRIMARY KEY,   -- all zeros: every tenant
    message   text,                 -- what the operator tells clients; NULL: nothing
    since     bigint NOT NULL
);

-- Every attempt at an asset, also of finished jobs.
CREATE INDEX job_attempt_subject ON job_attempt (subject_id, started_at);

-- Processes of the service: each writes its row every few seconds.
CREATE TABLE node (
    id         uuid   PRIMARY KEY,
    name       text   NOT NULL,       -- host and process
    role       text   NOT NULL,       -- serve, work
    version    text   NOT NULL,
    started_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    skew       bigint NOT NULL,       -- microseconds by which its clock is ahead of the database's
    bytes_in   bigint NOT NULL,       -- of the last whole minute
    bytes_out  bigint NOT NULL
);
