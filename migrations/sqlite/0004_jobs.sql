-- Jobs of every kind, and what processing finds out.

DROP INDEX job_due;
DROP INDEX job_once;
ALTER TABLE job RENAME COLUMN asset_id TO subject_id;         -- what it is about: an asset, a delivery; nil for chores
ALTER TABLE job ADD COLUMN priority integer NOT NULL DEFAULT 1; -- 0 high, 1 normal, 2 low
ALTER TABLE job ADD COLUMN tries    integer NOT NULL DEFAULT 0; -- claims that count; `attempt` counts all of them
ALTER TABLE job ADD COLUMN progress text;                     -- JSON: what tries before have come to
UPDATE job SET kind = 'process', tries = attempt WHERE kind = 'inspect';
CREATE INDEX job_due ON job (kind, priority, run_at, id) WHERE state <> 'dead';
CREATE UNIQUE INDEX job_once ON job (subject_id, kind) WHERE state <> 'dead';
CREATE INDEX job_tenant ON job (tenant_id, state, id);

-- Kinds of jobs that no worker takes.
CREATE TABLE paused (
    kind      text    PRIMARY KEY,
    paused_at integer NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE asset ADD COLUMN findings text;                   -- JSON: scan, details, problems, derivatives

-- What happened, hour by hour. `counted` says up to which place of a tenant's feed.
ALTER TABLE feed ADD COLUMN counted integer NOT NULL DEFAULT 0;
CREATE TABLE hour (
    tenant_id blob    NOT NULL,
    hour      integer NOT NULL,                 -- when it began
    kind      text    NOT NULL,                 -- of event
    count     integer NOT NULL,
    bytes     integer NOT NULL,                 -- the sizes that were told of
    PRIMARY KEY (tenant_id, hour, kind)
) STRICT, WITHOUT ROWID;
