-- What an operator asks of uploads, queues and storage: who serves and who sends, how many jobs at once, what takes up space.

ALTER TABLE upload ADD COLUMN node   text;      -- process that opened it, or that last took its lease or its completion
ALTER TABLE upload ADD COLUMN client text;      -- program that opened it, by its User-Agent
-- Uploads that a quota counts: few rows, found without those that have ended.
CREATE INDEX upload_charged ON upload (tenant_id) WHERE quota_charge IS NOT NULL OR reserved IS NOT NULL;

-- Kinds of jobs whose number at once an operator has changed.
CREATE TABLE queue_concurrency (
    kind        text    PRIMARY KEY,
    concurrency integer NOT NULL CHECK (concurrency > 0), -- jobs at once, in each worker
    changed_at  integer NOT NULL
) STRICT, WITHOUT ROWID;

-- Ends of attempts by the minute, counted in the index alone.
CREATE INDEX job_attempt_minute ON job_attempt (tenant_id, ended_at, kind, outcome);

-- Assets that a quota counts, beside those of each state.
ALTER TABLE asset_count ADD COLUMN charged integer NOT NULL DEFAULT 0; -- assets with a quota_charge, pieces too
UPDATE asset_count SET charged = (SELECT count(quota_charge) FROM asset
    WHERE asset.tenant_id = asset_count.tenant_id AND asset.state = asset_count.state);
DROP TRIGGER asset_count_insert;
CREATE TRIGGER asset_count_insert AFTER INSERT ON asset BEGIN
    INSERT INTO asset_count (tenant_id, state, files, bytes, charged)
        VALUES (new.tenant_id, new.state, 1 - new.partial, coalesce(new.quota_charge, 0), new.quota_charge IS NOT NULL)
        ON CONFLICT (tenant_id, state) DO UPDATE
        SET files = files + excluded.files, bytes = bytes + excluded.bytes, charged = charged + excluded.charged;
END;
DROP TRIGGER asset_count_update;
CREATE TRIGGER asset_count_update AFTER UPDATE OF state, quota_charge ON asset
    WHEN old.state IS NOT new.state OR old.quota_charge IS NOT new.quota_charge BEGIN
    UPDATE asset_count SET files = files - (1 - old.partial), bytes = bytes - coalesce(old.quota_charge, 0),
        charged = charged - (old.quota_charge IS NOT NULL)
        WHERE tenant_id = old.tenant_id AND state = old.state;
    INSERT INTO asset_count (tenant_id, state, files, bytes, charged)
        VALUES (new.tenant_id, new.state, 1 - new.partial, coalesce(new.quota_charge, 0), new.quota_charge IS NOT NULL)
        ON CONFLICT (tenant_id, state) DO UPDATE
        SET files = files + excluded.files, bytes = bytes + excluded.bytes, charged = charged + excluded.charged;
END;
DROP VIEW asset_total;
CREATE VIEW asset_total AS SELECT tenant_id, state, files, bytes, charged FROM asset_count;

-- Bytes and files by tenant, type and age, as the last pass over all assets found them. A pass reads them a piece at a time.
CREATE TABLE storage_pass (
    id          integer PRIMARY KEY,            -- passes are numbered from 1
    started_at  integer NOT NULL,               -- ages are as of this time
    finished_at integer,                        -- NULL: under way
    position    blob    NOT NULL                -- last asset that was read; all zeros: none
) STRICT;
CREATE TABLE storage_sum (
    pass_id   integer NOT NULL,
    tenant_id blob    NOT NULL,
    family    text    NOT NULL,                 -- image, video, audio, text, application, font, model, other
    age       text    NOT NULL,                 -- day, week, month, year, older: created less than so long ago
    files     integer NOT NULL,                 -- without pieces of other files
    bytes     integer NOT NULL,                 -- sum of quota_charge, of the same
    PRIMARY KEY (pass_id, tenant_id, family, age)
) STRICT, WITHOUT ROWID;
