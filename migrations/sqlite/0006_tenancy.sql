-- Tenants' limits, policies, and the audit trail.

ALTER TABLE tenant ADD COLUMN suspended_at    integer;        -- its credentials and links open nothing
ALTER TABLE tenant ADD COLUMN rate_per_second integer;        -- requests; NULL: any number
ALTER TABLE tenant ADD COLUMN rate_burst      integer;

-- What a row is charged with towards its tenant's quota; NULL: nothing, and it is not counted.
ALTER TABLE asset  ADD COLUMN charged   integer;
ALTER TABLE asset  ADD COLUMN policy    text NOT NULL DEFAULT 'default';
ALTER TABLE asset  ADD COLUMN delete_at integer;              -- when its policy wants it deleted
ALTER TABLE upload ADD COLUMN charged   integer;
UPDATE asset SET charged = CASE state WHEN 'awaiting' THEN 0 ELSE size END
    WHERE state IN ('awaiting', 'stored', 'processing', 'ready', 'failed')
       OR (state = 'rejected' AND purge_at IS NOT NULL);
UPDATE upload SET charged = coalesce(size, most, appended, 0) WHERE state IN ('open', 'completing');
CREATE INDEX asset_delete ON asset (delete_at) WHERE delete_at IS NOT NULL;

-- Of limited tenants: the limits, and the sum of what their rows are charged with.
CREATE TABLE quota (
    tenant_id   blob    PRIMARY KEY REFERENCES tenant (id),
    max_bytes   integer,
    max_files   integer,
    max_uploads integer,
    bytes       integer NOT NULL,
    files       integer NOT NULL,
    uploads     integer NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policy (
    tenant_id  blob    NOT NULL REFERENCES tenant (id),
    name       text    NOT NULL,
    rules      text    NOT NULL,               -- JSON
    created_at integer NOT NULL,
    changed_at integer NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- Entries are only ever added.
CREATE TABLE audit (
    id        blob    PRIMARY KEY,
    tenant_id blob    NOT NULL,
    at        integer NOT NULL,
    actor     text    NOT NULL,                -- key:…, link:…, operator, system
    action    text    NOT NULL,                -- asset.delete and the like
    subject   text    NOT NULL,                -- asset:…
    before    text,                            -- JSON: what was otherwise
    after     text,                            -- JSON: and is now
    peer      text,                            -- the address it came from
    request   text                             -- the request's id
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_tenant ON audit (tenant_id, id);
CREATE INDEX audit_subject ON audit (tenant_id, subject, id);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;
