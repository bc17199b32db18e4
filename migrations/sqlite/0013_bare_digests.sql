-- A member named sha256 is bare hexadecimal everywhere; events and copies of them used to name the algorithm in it.

UPDATE event SET data = json_set(data, '$.sha256', substr(json_extract(data, '$.sha256'), 8))
    WHERE json_extract(data, '$.sha256') LIKE 'sha256:%';
UPDATE delivery SET data = json_set(data, '$.sha256', substr(json_extract(data, '$.sha256'), 8))
    WHERE json_extract(data, '$.sha256') LIKE 'sha256:%';
