-- The outbox keeps the room that a rush took.
--
-- Its rows come and go, and whenever all are gone VACUUM would give the empty end of the
-- file back to the file system: under an ACCESS EXCLUSIVE lock, which standbys replay
-- against their readers, and for the next rush to extend the file block by block again,
-- which was a fifth of the time of writing a row. A VACUUM (TRUNCATE) gives it back.

ALTER TABLE washminute_data.outbox SET (vacuum_truncate = false, toast.vacuum_truncate = false);
