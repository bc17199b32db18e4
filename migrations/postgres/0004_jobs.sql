-- Jobs of every kind, and what processing finds out.

DROP INDEX job_due;
DROP INDEX job_once;
ALTER TABLE job RENAME COLUMN asset_id TO subject_id;         -- what it is about: an asset, a delivery; nil for chores
ALTER TABLE job ADD COLUMN priority bigint NOT NULL DEFAULT 1; -- 0 high, 1 normal, 2 low
ALTER TABLE job ADD COLUMN tries    bigint NOT NULL DEFAULT 0; -- claims that count; `attempt` counts all of them
ALTER TABLE job ADD COLUMN progress jsonb;                    -- what tries before have come to
UPDATE job SET kind = 'process', tries = attempt WHERE kind = 'inspect';
CREATE INDEX job_due ON job (kind, priority, run_at, id) WHERE state <> 'dead';
CREATE UNIQUE INDEX job_once ON job (subject_id, kind) WHERE state <> 'dead';
CREATE INDEX job_tenant ON job (tenant_id, state, id);

-- Kinds of jobs that no worker takes.
CREATE TABLE paused (
    kind      text   PRIMARY KEY,
    paused_at bigint NOT NULL
);

ALTER TABLE asset ADD COLUMN findings jsonb;                  -- scan, details, problems, derivatives

-- What happened, hour by hour. `counted` says up to which place of a tenant's feed.
ALTER TABLE feed ADD COLUMN counted bigint NOT NULL DEFAULT 0;
CREATE TABLE hour (
    tenant_id uuid    NOT NULL,
    hour      bigint NOT NULL,                 -- when it began
    kind      text    NOT NULL,                 -- of event
    count     bigint NOT NULL,
    bytes     bigint NOT NULL,                 -- the sizes that were told of
    PRIMARY KEY (tenant_id, hour, kind)
);
