-- Requests of tenants with a rate are counted in the memory of the single process that serves this file: nothing to add here.
-- PostgreSQL has a table for them.
SELECT 1;
