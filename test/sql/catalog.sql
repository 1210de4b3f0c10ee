-- Rules that the catalogs must keep. Each query about a rule returns what breaks it:
-- no rows.
\pset format unaligned

CREATE TEMPORARY VIEW our_functions AS
  SELECT p.*, l.lanname, l.lanvalidator
    FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
   WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('washminute', 'washminute_data', 'washminute_api'));
CREATE TEMPORARY VIEW our_relations AS
  SELECT c.* FROM pg_class AS c
   WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('washminute', 'washminute_data', 'washminute_api')) AND c.relkind IN ('r', 'v', 'm', 'S', 'p', 'f');
CREATE TEMPORARY VIEW members AS
  SELECT d.classid, d.objid FROM pg_depend AS d
   WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'washminute') AND d.deptype = 'e';

--
-- Functions
--

-- volatility, parallel safety, security and language were chosen, for each
SELECT oid::regprocedure AS function, CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END AS security, lanname AS language
  FROM our_functions ORDER BY pronamespace::regnamespace::text, proname COLLATE "C", oid::regprocedure::text COLLATE "C";

-- what changes something is neither stable nor parallel safe; of what only reads, just the
-- functions that take the latest snapshot, which no parallel query allows, are unsafe
SELECT oid::regprocedure FROM our_functions
 WHERE (provolatile <> 'v' AND proparallel = 'u')
    <> (oid IN ('washminute.nearby_washmen'::regproc, 'washminute._nearby_washmen'::regproc, 'washminute.explain_match'::regproc, 'washminute.washman_balance'::regproc, 'washminute.request_history'::regproc, 'washminute.washman_position'::regproc, 'washminute.open_reservations'::regproc, 'washminute.washmen_around'::regproc, 'washminute_api.balance'::regproc))
 ORDER BY oid::regprocedure::text COLLATE "C";
SELECT oid::regprocedure FROM our_functions WHERE provolatile = 'v' AND prorettype <> 'boolean'::regtype AND proparallel <> 'u' AND proname <> 'raise';

-- a fixed search_path for all that run SQL: all but the C functions that run none
SELECT oid::regprocedure, proconfig FROM our_functions
 WHERE NOT EXISTS (SELECT FROM unnest(proconfig) AS c WHERE c LIKE 'search\_path=%')
   AND NOT (lanname = 'c' AND oid::regprocedure::text IN (
     'washminute.now()', 'washminute.set_clock(timestamp with time zone,double precision)', 'washminute.current_user_id()', 'washminute.require_caller()',
     'washminute.raise(text,jsonb)', 'washminute.error_codes()', 'washminute.status_change_allowed()', 'washminute._creating_extension()',
     'washminute._settings_changed()', 'washminute.live_status()', 'washminute.live_washmen()', 'washminute._check_live_index()',
     -- these call one that has it, where SQL is needed
     'washminute.report_location(text,double precision,double precision,double precision,timestamp with time zone)',
     'washminute.report_locations(text[],double precision[],double precision[],timestamp with time zone[])',
     'washminute.nearby_washmen(double precision,double precision,double precision,double precision,double precision,integer,interval)',
     'washminute.idempotency_key(text)', 'washminute.request_header(text)', 'washminute._rate_limited()',
     'washminute.fill_text(text,text,jsonb)', 'washminute._naps_mac(text[])', 'washminute.card_brand(text,text)', 'washminute._lock_setup()', 'washminute._may_wait(text)', 'washminute._library_version()', 'washminute._routes_changed()', 'washminute.webhook_secret(text)', 'washminute.worker_latency()'));
-- and in it only what no caller can write to
SELECT oid::regprocedure, c AS config FROM our_functions, unnest(proconfig) AS c
 WHERE c LIKE 'search\_path=%' AND NOT EXISTS (SELECT WHERE c ~ '^search_path=("?(pg_catalog|washminute|public)"?, )*pg_temp$');

-- functions of the extension run as the caller; those of the API, and what policies and views ask, as the owner
SELECT oid::regprocedure FROM our_functions
 WHERE prosecdef <> (pronamespace = 'washminute_api'::regnamespace OR oid IN ('washminute_data.caller_is_admin'::regproc, 'washminute_data.notifications_of_caller'::regproc));
SELECT oid::regprocedure FROM our_functions WHERE pronamespace <> 'washminute'::regnamespace AND proowner <> 'washminute_owner'::regrole;

-- a function that returns one row, or few, says so
SELECT oid::regprocedure FROM our_functions WHERE proretset AND prorows = 1000;

-- every body validates
CREATE FUNCTION pg_temp.validate() RETURNS TABLE (function regprocedure, error text) LANGUAGE plpgsql SET check_function_bodies TO on
AS $$
DECLARE
  found record;
BEGIN
  FOR found IN SELECT p.oid, p.lanvalidator::regproc AS validator, p.proconfig FROM our_functions AS p WHERE p.lanname IN ('sql', 'plpgsql') LOOP
    BEGIN
      EXECUTE format('SELECT %s(%s)', found.validator, found.oid);
    EXCEPTION WHEN OTHERS THEN
      RETURN QUERY SELECT found.oid::regprocedure, SQLERRM;
    END;
  END LOOP;
END
$$;
SELECT * FROM pg_temp.validate();
SELECT count(*) > 10 AS validated FROM our_functions WHERE lanname IN ('sql', 'plpgsql');

-- names of arguments are given, none of them an output of the same function by mistake; but for the
-- one to which PostgREST hands a body as it came
SELECT oid::regprocedure FROM our_functions WHERE pronargs > 0 AND (proargnames IS NULL OR '' = ANY (proargnames))
   AND oid <> 'washminute_api.naps_callback(text)'::regprocedure;

--
-- Comments
--

SELECT oid::regprocedure FROM our_functions WHERE obj_description(oid, 'pg_proc') IS NULL;
SELECT oid::regclass FROM our_relations WHERE relkind <> 'S' AND obj_description(oid, 'pg_class') IS NULL;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute AS a JOIN our_relations AS r ON r.oid = a.attrelid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind <> 'S' AND col_description(a.attrelid, a.attnum) IS NULL;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'washminute%' AND obj_description(oid, 'pg_namespace') IS NULL;
SELECT t.tgrelid::regclass, t.tgname FROM pg_trigger AS t JOIN our_relations AS r ON r.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL;
SELECT extname FROM pg_extension WHERE extname = 'washminute' AND obj_description(oid, 'pg_extension') IS NULL;

--
-- Rights
--

-- nothing for everybody
SELECT p.oid::regprocedure FROM our_functions AS p, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0;
SELECT r.oid::regclass FROM our_relations AS r, aclexplode(COALESCE(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, r.relowner))) AS a WHERE a.grantee = 0;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute AS a JOIN our_relations AS r ON r.oid = a.attrelid, aclexplode(a.attacl) AS x WHERE x.grantee = 0;
SELECT n.nspname FROM pg_namespace AS n, aclexplode(COALESCE(n.nspacl, acldefault('n', n.nspowner))) AS a WHERE n.nspname LIKE 'washminute%' AND a.grantee = 0;

-- nothing can be handed on
SELECT p.oid::regprocedure FROM our_functions AS p, aclexplode(p.proacl) AS a WHERE a.is_grantable AND a.grantee <> p.proowner;
SELECT r.oid::regclass FROM our_relations AS r, aclexplode(r.relacl) AS a WHERE a.is_grantable AND a.grantee <> r.relowner;

-- no role of ours can log in or become another
SELECT rolname FROM pg_roles WHERE rolname LIKE 'washminute\_%' AND (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication);
SELECT m.member::regrole, m.roleid::regrole FROM pg_auth_members AS m WHERE m.member::regrole::text LIKE 'washminute\_%';

-- row-level security on every table; policies for roles of ours only, to read but for the gateway; views as who asks
SELECT oid::regclass FROM our_relations WHERE relkind = 'r' AND relnamespace = 'washminute_data'::regnamespace AND (NOT relrowsecurity OR relforcerowsecurity);
SELECT p.polrelid::regclass, p.polname FROM pg_policy AS p JOIN our_relations AS r ON r.oid = p.polrelid, unnest(p.polroles) AS role
 WHERE role = 0 OR role::regrole::text NOT LIKE 'washminute\_%' OR (p.polcmd <> 'r' AND role <> 'washminute_gateway'::regrole);
SELECT oid::regclass FROM our_relations WHERE relkind = 'v' AND NOT COALESCE(reloptions @> '{security_invoker=true}', false);

--
-- Names
--

-- no constraint or index with a name that PostgreSQL made up; a primary key on every table
SELECT c.conrelid::regclass, c.conname FROM pg_constraint AS c JOIN our_relations AS r ON r.oid = c.conrelid
 WHERE c.conname ~ '_(pkey|fkey|check|key|excl)[0-9]*$';
SELECT i.indexrelid::regclass FROM pg_index AS i JOIN our_relations AS r ON r.oid = i.indrelid WHERE i.indexrelid::regclass::text ~ '_(idx|pkey|key|excl)[0-9]*$';
SELECT oid::regclass FROM our_relations AS r WHERE relkind = 'r' AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = r.oid AND c.contype = 'p');
SELECT c.conrelid::regclass, c.conname FROM pg_constraint AS c JOIN our_relations AS r ON r.oid = c.conrelid WHERE NOT c.convalidated;
-- money is numeric(12,2), times have a zone
SELECT a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_attribute AS a JOIN our_relations AS r ON r.oid = a.attrelid
 WHERE r.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
   AND (format_type(a.atttypid, a.atttypmod) IN ('timestamp without time zone', 'money', 'real', 'json', 'character varying')
        OR (a.atttypid = 'numeric'::regtype AND format_type(a.atttypid, a.atttypmod) <> 'numeric(12,2)' AND r.relname <> 'settings'))
 ORDER BY r.relname, a.attname;
-- no two functions of one name over REST, nor otherwise but where the room may be several
SELECT pronamespace::regnamespace, proname FROM our_functions WHERE proname <> 'emit' GROUP BY pronamespace, proname HAVING count(*) > 1;

--
-- What belongs to the extension, and what depends on it
--

SELECT m.classid::regclass, pg_describe_object(m.classid, m.objid, 0) FROM members AS m
 WHERE NOT CASE m.classid
     WHEN 'pg_proc'::regclass THEN (SELECT pronamespace = 'washminute'::regnamespace FROM pg_proc WHERE oid = m.objid)
     WHEN 'pg_class'::regclass THEN (SELECT relnamespace = 'washminute'::regnamespace FROM pg_class WHERE oid = m.objid)
     WHEN 'pg_type'::regclass THEN (SELECT typnamespace = 'washminute'::regnamespace FROM pg_type WHERE oid = m.objid)
     WHEN 'pg_namespace'::regclass THEN m.objid = 'washminute'::regnamespace ELSE false END;
SELECT oid::regprocedure FROM our_functions WHERE pronamespace = 'washminute'::regnamespace AND oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_proc'::regclass);

-- ordinary objects depend on two functions and no other member
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS dependent, pg_describe_object(d.refclassid, d.refobjid, 0) AS depended_on
  FROM pg_depend AS d JOIN members AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
 WHERE (d.classid, d.objid) NOT IN (SELECT classid, objid FROM members) AND d.deptype IN ('n', 'a')
   AND pg_describe_object(d.classid, d.objid, 0) !~ 'pg_temp|pg_toast|setup_script|setup_object'
   AND (d.refclassid, d.refobjid) NOT IN (VALUES ('pg_proc'::regclass, 'washminute.current_user_id()'::regprocedure::oid), ('pg_proc', 'washminute.now()'::regprocedure));
-- ... and never a table, a default, a constraint or an index
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS dependent
  FROM pg_depend AS d JOIN members AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
 WHERE d.deptype IN ('n', 'a') AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM members)
   AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_policy'::regclass)
   AND pg_describe_object(d.classid, d.objid, 0) !~ 'pg_temp|pg_toast|setup_script|setup_object';

--
-- The manifest of setup()
--

SELECT o.kind, o.schema, o.name, o.parent FROM washminute.setup_object AS o
 WHERE NOT CASE o.kind
     WHEN 'table' THEN EXISTS (SELECT FROM pg_class AS c WHERE c.relkind = 'r' AND c.relname = o.name AND c.relnamespace::regnamespace::text = o.schema)
     WHEN 'domain' THEN EXISTS (SELECT FROM pg_type AS t WHERE t.typtype = 'd' AND t.typname = o.name AND t.typnamespace::regnamespace::text = o.schema)
     WHEN 'view' THEN EXISTS (SELECT FROM pg_class AS c WHERE c.relkind = 'v' AND c.relname = o.name AND c.relnamespace::regnamespace::text = o.schema)
     WHEN 'function' THEN EXISTS (SELECT FROM our_functions AS p WHERE p.proname = o.name AND p.pronamespace::regnamespace::text = o.schema)
     WHEN 'trigger' THEN EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgname = o.name AND t.tgrelid = format('%I.%I', o.schema, o.parent)::regclass)
     WHEN 'policy' THEN EXISTS (SELECT FROM pg_policy AS p WHERE p.polname = o.name AND p.polrelid = format('%I.%I', o.schema, o.parent)::regclass)
     ELSE false END;
SELECT 'table or view' AS kind, r.oid::regclass::text AS object FROM our_relations AS r
 WHERE r.relkind IN ('r', 'v') AND r.relnamespace <> 'washminute'::regnamespace
   AND NOT EXISTS (SELECT FROM washminute.setup_object AS o WHERE o.kind IN ('table', 'view') AND o.name = r.relname AND o.schema = r.relnamespace::regnamespace::text)
UNION ALL
SELECT 'domain', t.typname FROM pg_type AS t
 WHERE t.typtype = 'd' AND t.typnamespace::regnamespace::text LIKE 'washminute%'
   AND NOT EXISTS (SELECT FROM washminute.setup_object AS o WHERE o.kind = 'domain' AND o.name = t.typname AND o.schema = t.typnamespace::regnamespace::text)
UNION ALL
SELECT 'function', p.oid::regprocedure::text FROM our_functions AS p
 WHERE p.pronamespace <> 'washminute'::regnamespace
   AND NOT EXISTS (SELECT FROM washminute.setup_object AS o WHERE o.kind = 'function' AND o.name = p.proname AND o.schema = p.pronamespace::regnamespace::text)
UNION ALL
SELECT 'trigger', t.tgname FROM pg_trigger AS t JOIN our_relations AS r ON r.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND NOT EXISTS (SELECT FROM washminute.setup_object AS o WHERE o.kind = 'trigger' AND o.name = t.tgname AND o.parent = r.relname)
UNION ALL
SELECT 'policy', p.polname FROM pg_policy AS p JOIN our_relations AS r ON r.oid = p.polrelid
 WHERE NOT EXISTS (SELECT FROM washminute.setup_object AS o WHERE o.kind = 'policy' AND o.name = p.polname AND o.parent = r.relname);

-- the scripts hold no word that CREATE EXTENSION rewrites, and ran as they are
SELECT kind, name FROM washminute.setup_script WHERE body ~ 'MODULE_PATHNAME|@ext|\\echo';
SELECT name FROM washminute.setup_script AS s WHERE s.kind = 'schema'
EXCEPT SELECT m.name FROM washminute_data.migrations AS m WHERE m.sha256 ~ '^[0-9a-f]{64}$';
SELECT m.name FROM washminute_data.migrations AS m
 WHERE m.sha256 <> (SELECT encode(sha256(convert_to(s.body, 'UTF8')), 'hex') FROM washminute.setup_script AS s WHERE s.kind = 'schema' AND s.name = m.name);
-- no foreign key points at a row that commands keep changing
SELECT c.conrelid::regclass, c.conname FROM pg_constraint AS c
 WHERE c.contype = 'f' AND c.confrelid IN ('washminute_data.washman_positions'::regclass, 'washminute_data.offers'::regclass, 'washminute_data.jobs'::regclass);
