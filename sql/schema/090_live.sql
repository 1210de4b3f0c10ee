-- Positions that are not believed yet, and the length of ids in the live index.

ALTER TABLE washminute_data.washman_positions
  ADD COLUMN suspect_location geography(Point, 4326),
  ADD COLUMN suspect_at timestamptz,
  ADD CONSTRAINT washman_positions_suspect_is_whole CHECK ((suspect_location IS NULL) = (suspect_at IS NULL));
COMMENT ON COLUMN washminute_data.washman_positions.suspect_location IS
  'A position that he could not have reached so fast; taken should the next one agree. WGS 84.';
COMMENT ON COLUMN washminute_data.washman_positions.suspect_at IS 'Time of that fix.';

ALTER TABLE washminute_data.washmen
  ADD CONSTRAINT washmen_id_has_bytes CHECK (octet_length(washman_id) <= 128);
