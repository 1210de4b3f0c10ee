-- The login of PostgREST, after washminute.setup(), as a superuser. It has no rights but to become
-- one of these roles. Statements that hang would keep a connection of PostgREST's few; those that may
-- take longer, such as the wait for a payment's link, have a time of their own. A command may wait for
-- a lock as long as washminute.lock_timeout says: give users more than that. Who is given his role by
-- his groups gets the time of that role. Then: NOTIFY pgrst, 'reload config'.

CREATE ROLE postgrest LOGIN NOINHERIT;
GRANT washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service TO postgrest;

ALTER ROLE washminute_anon SET statement_timeout = '3s';
ALTER ROLE washminute_customer SET statement_timeout = '8s';
ALTER ROLE washminute_washman SET statement_timeout = '8s';
ALTER ROLE washminute_admin SET statement_timeout = '30s';
ALTER ROLE washminute_service SET statement_timeout = '15s';
ALTER ROLE postgrest SET idle_in_transaction_session_timeout = '30s';
-- what apps ask for is found in a millisecond or two; compiling it would take fifty
ALTER ROLE postgrest SET jit = off;
