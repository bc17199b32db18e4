-- What an operator asks of all tenants: how many assets and bytes there are, what has failed, and every attempt of a job.

-- Assets and their bytes by tenant and state, kept by triggers: read without a scan of all assets.
CREATE TABLE asset_count (
    tenant_id blob    NOT NULL,
    state     text    NOT NULL,
    files     integer NOT NULL,                 -- without pieces of other files
    bytes     integer NOT NULL,                 -- sum of quota_charge
    PRIMARY KEY (tenant_id, state)
) STRICT, WITHOUT ROWID;
INSERT INTO asset_count (tenant_id, state, files, bytes)
    SELECT tenant_id, state, sum(1 - partial), sum(coalesce(quota_charge, 0)) FROM asset GROUP BY tenant_id, state;
CREATE TRIGGER asset_count_insert AFTER INSERT ON asset BEGIN
    INSERT INTO asset_count (tenant_id, state, files, bytes)
        VALUES (new.tenant_id, new.state, 1 - new.partial, coalesce(new.quota_charge, 0))
        ON CONFLICT (tenant_id, state) DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER asset_count_update AFTER UPDATE OF state, quota_charge ON asset
    WHEN old.state IS NOT new.state OR old.quota_charge IS NOT new.quota_charge BEGIN
    UPDATE asset_count SET files = files - (1 - old.partial), bytes = bytes - coalesce(old.quota_charge, 0)
        WHERE tenant_id = old.tenant_id AND state = old.state;
    INSERT INTO asset_count (tenant_id, state, files, bytes)
        VALUES (new.tenant_id, new.state, 1 - new.partial, coalesce(new.quota_charge, 0))
        ON CONFLICT (tenant_id, state) DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes;
END;
CREATE VIEW asset_total AS SELECT tenant_id, state, files, bytes FROM asset_count;

-- Rejected and failed assets by their reason: few rows.
CREATE INDEX asset_verdict ON asset (verdict_code, changed_at, id) WHERE verdict_code IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';
CREATE INDEX job_dead ON job (kind, id) WHERE state = 'dead';

ALTER TABLE job ADD COLUMN claimed_at integer;      -- when the attempt began; NULL: none is under way
ALTER TABLE job ADD COLUMN claimed_by text;         -- the worker of this attempt
ALTER TABLE job ADD COLUMN lost_claimed_at integer; -- claimed_at of the attempt before, if nobody ended it
ALTER TABLE job ADD COLUMN lost_claimed_by text;    -- and its worker

-- Attempts of jobs that have ended; chores have none, they say in their row how the last one went.
CREATE TABLE job_attempt (
    job_id     blob    NOT NULL,
    attempt    integer NOT NULL,                -- number of the claim, from 1
    tenant_id  blob    NOT NULL,
    kind       text    NOT NULL,                -- of the job, which may be gone
    subject_id blob    NOT NULL,                -- of the job
    worker     text,                            -- host and process
    started_at integer NOT NULL,
    ended_at   integer NOT NULL,                -- of a lost attempt: when another worker took the job
    outcome    text    NOT NULL CHECK (outcome IN ('done', 'failed', 'deferred', 'postponed', 'dead', 'lost')),
    error      text,                            -- reason, for operators
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_attempt_ended ON job_attempt (ended_at);
