-- Tenants' limits, policies, and the audit trail.

ALTER TABLE tenant ADD COLUMN suspended_at    bigint;        -- its credentials and links open nothing
ALTER TABLE tenant ADD COLUMN rate_per_second bigint;        -- requests; NULL: any number
ALTER TABLE tenant ADD COLUMN rate_burst      bigint;

-- What a row is charged with towards its tenant's quota; NULL: nothing, and it is not counted.
ALTER TABLE asset  ADD COLUMN charged   bigint;
ALTER TABLE asset  ADD COLUMN policy    text NOT NULL DEFAULT 'default';
ALTER TABLE asset  ADD COLUMN delete_at bigint;              -- when its policy wants it deleted
ALTER TABLE upload ADD COLUMN charged   bigint;
UPDATE asset SET charged = CASE state WHEN 'awaiting' THEN 0 ELSE size END
    WHERE state IN ('awaiting', 'stored', 'processing', 'ready', 'failed')
       OR (state = 'rejected' AND purge_at IS NOT NULL);
UPDATE upload SET charged = coalesce(size, most, appended, 0) WHERE state IN ('open', 'completing');
CREATE INDEX asset_delete ON asset (delete_at) WHERE delete_at IS NOT NULL;

-- Of limited tenants: the limits, and the sum of what their rows are charged with.
CREATE TABLE quota (
    tenant_id   uuid    PRIMARY KEY REFERENCES tenant (id),
    max_bytes   bigint,
    max_files   bigint,
    max_uploads bigint,
    bytes       bigint NOT NULL,
    files       bigint NOT NULL,
    uploads     bigint NOT NULL
);

CREATE TABLE policy (
    tenant_id  uuid    NOT NULL REFERENCES tenant (id),
    name       text    NOT NULL,
    rules      jsonb   NOT NULL,               -- JSON
    created_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- Entries are only ever added.
CREATE TABLE audit (
    id        uuid    PRIMARY KEY,
    tenant_id uuid    NOT NULL,
    at        bigint NOT NULL,
    actor     text    NOT NULL,                -- key:…, link:…, operator, system
    action    text    NOT NULL,                -- asset.delete and the like
    subject   text    NOT NULL,                -- asset:…
    before    jsonb,                           -- JSON: what was otherwise
    after     jsonb,                           -- JSON: and is now
    peer      text,                            -- the address it came from
    request   text                             -- the request's id
);
CREATE INDEX audit_tenant ON audit (tenant_id, id);
CREATE INDEX audit_subject ON audit (tenant_id, subject, id);
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only added to';
END $$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stays();
