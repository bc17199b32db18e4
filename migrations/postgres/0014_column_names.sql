-- Columns follow the names of their fields.
ALTER TABLE upload RENAME COLUMN most TO max_size;                  -- largest file that the grant's holder may choose, bytes; NULL: the size is known
ALTER TABLE upload RENAME COLUMN look_at TO next_check_at;          -- when the sweeper must look next; NULL: nothing owed
ALTER TABLE upload RENAME COLUMN charged TO quota_charge;           -- bytes that the row is charged with towards its tenant's quota; NULL: not counted
ALTER TABLE upload RENAME COLUMN said_metadata TO echoed_metadata;  -- Upload-Metadata as the client sent it
ALTER TABLE upload RENAME COLUMN said_concat TO echoed_concat;      -- Upload-Concat as the client sent it
ALTER TABLE asset  RENAME COLUMN charged TO quota_charge;           -- as in upload
