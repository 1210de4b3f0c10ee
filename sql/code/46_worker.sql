-- What the background worker shows of itself.

CREATE OR REPLACE FUNCTION washminute.worker_status()
RETURNS TABLE (lane text, state text, queued bigint, in_flight integer, sent bigint, failed bigint, dead bigint,
               oldest_queued interval, breaker text, last_error text, pid integer, epoch bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path FROM CURRENT SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_worker_status';
COMMENT ON FUNCTION washminute.worker_status() IS
  'The background worker, a row per lane: state (running, or why it waits), rows queued and dead now, requests in flight, messages delivered and attempts failed since the server started, the age of the oldest row, the worst breaker, the last error, the process and its epoch. Counts the rows of the outbox: not for every second.';

CREATE OR REPLACE FUNCTION washminute.worker_latency()
RETURNS TABLE (lane text, stage text, at_most_ms float8, messages bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 170
AS 'MODULE_PATHNAME', 'washminute_worker_latency';
COMMENT ON FUNCTION washminute.worker_latency() IS
  'Histograms of the worker since the server started, cumulative as Prometheus has them: how many requests took at most so many milliseconds, from the writing of the row to its first sending (stage queued, transaction included) and from sending to the end of the answer (stage answer).';
