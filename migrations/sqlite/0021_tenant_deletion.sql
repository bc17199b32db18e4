-- Deletions of tenants under way. While a tenant has a row here, its entries of the audit trail may be deleted with it.
CREATE TABLE tenant_deletion (
    tenant_id  blob    PRIMARY KEY,
    started_at integer NOT NULL,
    actor      text    NOT NULL,                -- of the audit entry that stays: key:…, operator
    request    text,                            -- id of the request that began it
    phase      text    NOT NULL,                -- uploads, objects, rows, urls
    found      text    NOT NULL,                -- JSON: numbers at the start
    objects    integer NOT NULL DEFAULT 0,      -- deleted so far
    bytes      integer NOT NULL DEFAULT 0,      -- of these
    gone_rows  integer NOT NULL DEFAULT 0       -- deleted so far
) STRICT, WITHOUT ROWID;

DROP TRIGGER audit_keeps;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit
    WHEN NOT EXISTS (SELECT 1 FROM tenant_deletion WHERE tenant_id = old.tenant_id)
    BEGIN SELECT raise(ABORT, 'the audit trail is only added to'); END;
