-- Maintenance modes: while a row exists, new uploads of its tenant are refused.
CREATE TABLE maintenance (
    tenant_id blob    PRIMARY KEY,  -- all zeros: every tenant
    message   text,                 -- what the operator tells clients; NULL: nothing
    since     integer NOT NULL
) STRICT, WITHOUT ROWID;
