-- The outbox has one index less.
--
-- An acceptance writes four rows, and each wrote an entry to the primary key (outbox_id) and
-- one to the index that new rows are found by, which has the id, too: a quarter of the
-- processor's time that queueing took went into entries. The second one is the primary key
-- now; what the worker has in hand it looks up by all of it.

ALTER TABLE washminute_data.outbox
  DROP CONSTRAINT outbox_pk,
  ADD CONSTRAINT outbox_pk PRIMARY KEY (lane, listener, xid, outbox_id);
DROP INDEX washminute_data.outbox_new;
COMMENT ON CONSTRAINT outbox_pk ON washminute_data.outbox IS
  'New rows are found by its beginning, see src/outbox/queue.c. outbox_id comes from a sequence; that it is unique nothing else enforces.';
