-- Acceptance as the case study's back end does it: SELECT ... FOR UPDATE in a
-- serializable transaction, and whoever finds the request taken goes without it.
--
-- All of it is one call, so that the row is locked for no round trip of a client, and
-- the row is found by its key: a sequential scan, which the planner would prefer for so
-- small a table, fails more.  Nothing else is written, no ledger, no event, no message.

CREATE TABLE bench.requests (
    id uuid NOT NULL PRIMARY KEY,
    status text NOT NULL,
    driver_id text,
    accepted_at timestamptz
) WITH (fillfactor = 50);

CREATE FUNCTION bench.case_study_accept(request uuid, driver text) RETURNS SETOF uuid
LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    found record;
BEGIN
    SELECT status INTO found FROM bench.requests WHERE id = request FOR UPDATE;
    IF found.status = 'pending' THEN
        UPDATE bench.requests SET status = 'accepted', driver_id = driver, accepted_at = now() WHERE id = request;
        RETURN NEXT request;
    END IF;
END $$;
