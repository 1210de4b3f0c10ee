-- The login of the gateway, after washminute.setup(), as a superuser: it hears, calls the three rt_
-- functions and registers, and can do nothing else. A gateway connects without a pooler between, or
-- with one that pools sessions: LISTEN and its lease are the connection's.

CREATE ROLE washminute_live LOGIN;
GRANT washminute_gateway TO washminute_live;

ALTER ROLE washminute_live SET statement_timeout = '5s';
ALTER ROLE washminute_live SET idle_in_transaction_session_timeout = '10s';
-- the connection that listens is silent for long
ALTER ROLE washminute_live SET idle_session_timeout = 0;
ALTER ROLE washminute_live SET jit = off;
