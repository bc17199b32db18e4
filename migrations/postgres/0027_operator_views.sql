-- What an operator asks of uploads, queues and storage: who serves and who sends, how many jobs at once, what takes up space.

ALTER TABLE upload ADD COLUMN node   text;      -- process that opened it, or that last took its lease or its completion
ALTER TABLE upload ADD COLUMN client text;      -- program that opened it, by its User-Agent
-- Uploads that a quota counts: few rows, found without those that have ended.
CREATE INDEX upload_charged ON upload (tenant_id) WHERE quota_charge IS NOT NULL OR reserved IS NOT NULL;

-- Kinds of jobs whose number at once an operator has changed.
CREATE TABLE queue_concurrency (
    kind        text   PRIMARY KEY,
    concurrency bigint NOT NULL CHECK (concurrency > 0), -- jobs at once, in each worker
    changed_at  bigint NOT NULL
);

-- Ends of attempts by the minute, counted in the index alone.
CREATE INDEX job_attempt_minute ON job_attempt (tenant_id, ended_at, kind, outcome);

-- Assets that a quota counts, beside those of each state. No asset changes between the count and the new triggers.
LOCK TABLE asset IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE asset_count ADD COLUMN charged bigint NOT NULL DEFAULT 0;        -- assets with a quota_charge, pieces too
ALTER TABLE asset_count_change ADD COLUMN charged bigint NOT NULL DEFAULT 0; -- difference
UPDATE asset_count SET charged = found.charged FROM
    (SELECT tenant_id, state, count(quota_charge) AS charged FROM asset GROUP BY tenant_id, state) AS found
    WHERE found.tenant_id = asset_count.tenant_id AND found.state = asset_count.state;
INSERT INTO asset_count (tenant_id, state, files, bytes, charged)
    SELECT tenant_id, state, 0, 0, count(quota_charge) FROM asset GROUP BY tenant_id, state
    ON CONFLICT (tenant_id, state) DO NOTHING;
CREATE OR REPLACE FUNCTION count_added_assets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO asset_count_change (tenant_id, state, files, bytes, charged)
        SELECT tenant_id, state, sum(1 - partial)::bigint, sum(coalesce(quota_charge, 0))::bigint, count(quota_charge)
        FROM added GROUP BY tenant_id, state;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_changed_assets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO asset_count_change (tenant_id, state, files, bytes, charged)
        SELECT tenant_id, state, sum(files)::bigint, sum(bytes)::bigint, sum(charged)::bigint FROM (
            SELECT tenant_id, state, partial - 1 AS files, -coalesce(quota_charge, 0) AS bytes,
                -num_nonnulls(quota_charge) AS charged FROM removed
            UNION ALL
            SELECT tenant_id, state, 1 - partial, coalesce(quota_charge, 0), num_nonnulls(quota_charge) FROM added) AS change
        GROUP BY tenant_id, state HAVING sum(files) <> 0 OR sum(bytes) <> 0 OR sum(charged) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE VIEW asset_total AS
    SELECT tenant_id, state, files, bytes, charged FROM asset_count
    UNION ALL SELECT tenant_id, state, files, bytes, charged FROM asset_count_change;

-- Bytes and files by tenant, type and age, as the last pass over all assets found them. A pass reads them a piece at a time.
CREATE TABLE storage_pass (
    id          bigint PRIMARY KEY,             -- passes are numbered from 1
    started_at  bigint NOT NULL,                -- ages are as of this time
    finished_at bigint,                         -- NULL: under way
    position    uuid   NOT NULL                 -- last asset that was read; all zeros: none
);
CREATE TABLE storage_sum (
    pass_id   bigint NOT NULL,
    tenant_id uuid   NOT NULL,
    family    text   NOT NULL,                  -- image, video, audio, text, application, font, model, other
    age       text   NOT NULL,                  -- day, week, month, year, older: created less than so long ago
    files     bigint NOT NULL,                  -- without pieces of other files
    bytes     bigint NOT NULL,                  -- sum of quota_charge, of the same
    PRIMARY KEY (pass_id, tenant_id, family, age)
);
