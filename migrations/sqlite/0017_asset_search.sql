-- Lists of assets by name and size, and text anywhere in a file's name.

CREATE INDEX asset_by_name ON asset (tenant_id, name, id);
CREATE INDEX asset_by_size ON asset (tenant_id, size, id);

-- Numbers of assets for the index of names, which knows numbers only. The index follows later, up to a number: a new asset
-- does not wait for it.
CREATE TABLE asset_name_row (
    row      integer PRIMARY KEY,
    asset_id blob    NOT NULL UNIQUE
) STRICT;
CREATE VIRTUAL TABLE asset_name USING fts5 (name, tokenize = 'trigram');
INSERT INTO asset_name_row (asset_id) SELECT id FROM asset ORDER BY id;
INSERT INTO asset_name (rowid, name) SELECT row, name FROM asset_name_row JOIN asset ON asset.id = asset_id;
CREATE TRIGGER asset_name_insert AFTER INSERT ON asset BEGIN
    INSERT INTO asset_name_row (asset_id) VALUES (new.id);
END;
CREATE TRIGGER asset_name_update AFTER UPDATE OF name ON asset WHEN old.name <> new.name BEGIN
    UPDATE asset_name SET name = new.name WHERE rowid = (SELECT row FROM asset_name_row WHERE asset_id = new.id);
END;
