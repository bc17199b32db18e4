-- What an operator asks of all tenants: how many assets and bytes there are, what has failed, and every attempt of a job.

-- No asset changes between the first count and the triggers.
LOCK TABLE asset IN SHARE ROW EXCLUSIVE MODE;

-- Assets and their bytes by tenant and state, kept by triggers: read without a scan of all assets.
CREATE TABLE asset_count (
    tenant_id uuid   NOT NULL,
    state     text    NOT NULL,
    files     bigint NOT NULL,                 -- without pieces of other files
    bytes     bigint NOT NULL,                 -- sum of quota_charge
    PRIMARY KEY (tenant_id, state)
);
INSERT INTO asset_count (tenant_id, state, files, bytes)
    SELECT tenant_id, state, sum(1 - partial), sum(coalesce(quota_charge, 0)) FROM asset GROUP BY tenant_id, state;
-- Changes that are not added up yet: transactions of one tenant do not wait for each other. The chore rollup adds them up.
CREATE TABLE asset_count_change (
    tenant_id uuid   NOT NULL,
    state     text   NOT NULL,
    files     bigint NOT NULL,                  -- difference
    bytes     bigint NOT NULL                   -- difference
);
CREATE FUNCTION count_added_assets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO asset_count_change (tenant_id, state, files, bytes)
        SELECT tenant_id, state, sum(1 - partial)::bigint, sum(coalesce(quota_charge, 0))::bigint
        FROM added GROUP BY tenant_id, state;
    RETURN NULL;
END $$;
CREATE FUNCTION count_changed_assets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO asset_count_change (tenant_id, state, files, bytes)
        SELECT tenant_id, state, sum(files)::bigint, sum(bytes)::bigint FROM (
            SELECT tenant_id, state, partial - 1 AS files, -coalesce(quota_charge, 0) AS bytes FROM removed
            UNION ALL
            SELECT tenant_id, state, 1 - partial, coalesce(quota_charge, 0) FROM added) AS change
        GROUP BY tenant_id, state HAVING sum(files) <> 0 OR sum(bytes) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER asset_count_insert AFTER INSERT ON asset
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_added_assets();
CREATE TRIGGER asset_count_update AFTER UPDATE ON asset
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_changed_assets();
CREATE VIEW asset_total AS
    SELECT tenant_id, state, files, bytes FROM asset_count
    UNION ALL SELECT tenant_id, state, files, bytes FROM asset_count_change;

-- Rejected and failed assets by their reason: few rows.
CREATE INDEX asset_verdict ON asset (verdict_code, changed_at, id) WHERE verdict_code IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'dead';
CREATE INDEX job_dead ON job (kind, id) WHERE state = 'dead';

ALTER TABLE job ADD COLUMN claimed_at bigint;      -- when the attempt began; NULL: none is under way
ALTER TABLE job ADD COLUMN claimed_by text;         -- the worker of this attempt
ALTER TABLE job ADD COLUMN lost_claimed_at bigint; -- claimed_at of the attempt before, if nobody ended it
ALTER TABLE job ADD COLUMN lost_claimed_by text;    -- and its worker

-- Attempts of jobs that have ended; chores have none, they say in their row how the last one went.
CREATE TABLE job_attempt (
    job_id     uuid   NOT NULL,
    attempt    bigint NOT NULL,                -- number of the claim, from 1
    tenant_id  uuid   NOT NULL,
    kind       text    NOT NULL,                -- of the job, which may be gone
    subject_id uuid   NOT NULL,                -- of the job
    worker     text,                            -- host and process
    started_at bigint NOT NULL,
    ended_at   bigint NOT NULL,                -- of a lost attempt: when another worker took the job
    outcome    text    NOT NULL CHECK (outcome IN ('done', 'failed', 'deferred', 'postponed', 'dead', 'lost')),
    error      text,                            -- reason, for operators
    PRIMARY KEY (job_id, attempt)
);
CREATE INDEX job_attempt_ended ON job_attempt (ended_at);
