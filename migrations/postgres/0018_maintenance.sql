-- Maintenance modes: while a row exists, new uploads of its tenant are refused.
CREATE TABLE maintenance (
    tenant_id uuid   PRIMARY KEY,   -- all zeros: every tenant
    message   text,                 -- what the operator tells clients; NULL: nothing
    since     bigint NOT NULL
);
