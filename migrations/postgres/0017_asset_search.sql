-- Lists of assets by name and size, and text anywhere in a file's name.

CREATE INDEX asset_by_name ON asset (tenant_id, name COLLATE "C", id);
CREATE INDEX asset_by_size ON asset (tenant_id, size, id);

-- The index of names needs the extension pg_trgm. Where it cannot be created, a search reads the tenant's names one by one.
DO $$
DECLARE
    home text;
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
    SELECT nspname INTO home FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
        WHERE extname = 'pg_trgm';
    EXECUTE format('CREATE INDEX asset_name ON asset USING gin (lower(name) %I.gin_trgm_ops)', home);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'names of files are searched without an index: %', SQLERRM;
END $$;
