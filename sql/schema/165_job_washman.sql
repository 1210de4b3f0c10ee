-- A washman's own requests are found by his jobs: no index of washing_requests may have the
-- washman, which an acceptance changes. Jobs are inserted by an acceptance, and never looked for by
-- this index in one.

CREATE INDEX jobs_washman ON washminute_data.jobs (washman_id, request_id);
