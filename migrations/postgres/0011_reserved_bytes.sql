-- Bytes of an upload that has ended which its tenant's quota still counts: on a store that does not close keys, the signed URL
-- of a single PUT can bring them until it expires. NULL: none.
ALTER TABLE upload ADD COLUMN reserved bigint CHECK (reserved >= 0);
