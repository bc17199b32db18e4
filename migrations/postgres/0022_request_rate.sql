-- Requests of tenants with a rate, counted for all nodes together. A node takes requests in blocks, so that a busy tenant costs
-- a statement per block. Not logged: after a crash, or on a standby that becomes the primary, counts begin anew.
CREATE UNLOGGED TABLE request_rate (
    tenant_id   uuid   PRIMARY KEY,             -- no reference: a tenant that is gone leaves a row of no meaning
    asked_at    bigint NOT NULL,                -- when a node last asked, in microseconds since 1970 by the server's clock
    spent_until bigint NOT NULL,                -- when the whole burst is there again, in microseconds since 1970
    granted     bigint NOT NULL                 -- requests of the last block; 0: none were left
) WITH (fillfactor = 50);                       -- a row is changed all the time, without a new entry in the index
