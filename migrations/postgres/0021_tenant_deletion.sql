-- Deletions of tenants under way. While a tenant has a row here, its entries of the audit trail may be deleted with it.
CREATE TABLE tenant_deletion (
    tenant_id  uuid   PRIMARY KEY,
    started_at bigint NOT NULL,
    actor      text   NOT NULL,                 -- of the audit entry that stays: key:…, operator
    request    text,                            -- id of the request that began it
    phase      text   NOT NULL,                 -- uploads, objects, rows, urls
    found      text   NOT NULL,                 -- JSON: numbers at the start
    objects    bigint NOT NULL DEFAULT 0,       -- deleted so far
    bytes      bigint NOT NULL DEFAULT 0,       -- of these
    gone_rows  bigint NOT NULL DEFAULT 0        -- deleted so far
);

CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM tenant_deletion WHERE tenant_id = OLD.tenant_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is only added to';
END $$;
