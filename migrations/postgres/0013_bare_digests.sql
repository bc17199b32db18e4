-- A member named sha256 is bare hexadecimal everywhere; events and copies of them used to name the algorithm in it.

UPDATE event SET data = jsonb_set(data, '{sha256}', to_jsonb(substr(data->>'sha256', 8)))
    WHERE data->>'sha256' LIKE 'sha256:%';
UPDATE delivery SET data = jsonb_set(data, '{sha256}', to_jsonb(substr(data->>'sha256', 8)))
    WHERE data->>'sha256' LIKE 'sha256:%';
