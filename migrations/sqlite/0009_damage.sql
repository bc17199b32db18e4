-- Assets whose stored bytes are no longer those that arrived, for alarms: few rows, found without a scan of all assets.

-- A copy of what the problems in findings say; NULL as well once the bytes are on their way out.
ALTER TABLE asset ADD COLUMN damage text CHECK (damage IN ('corrupt', 'bytes_missing'));
CREATE INDEX asset_damage ON asset (id) WHERE damage IS NOT NULL;
