-- The extension's own schema, and what setup() works from. Run once, at CREATE
-- EXTENSION; a later change of these tables is a difference in sql/updates.

CREATE SCHEMA washminute;
REVOKE ALL ON SCHEMA washminute FROM PUBLIC;
COMMENT ON SCHEMA washminute IS
  'WashMinute: commands of the marketplace for trusted SQL clients. Ids are explicit; times are timestamptz, distances metres, amounts MAD.';

CREATE TABLE washminute.setup_script (
    kind text NOT NULL,
    name text NOT NULL,
    body text NOT NULL,
    CONSTRAINT setup_script_pk PRIMARY KEY (kind, name),
    CONSTRAINT setup_script_kind_known CHECK (kind IN ('schema', 'policy', 'api'))
);
REVOKE ALL ON TABLE washminute.setup_script FROM PUBLIC;
COMMENT ON TABLE washminute.setup_script IS
  'The scripts that washminute.setup() runs: schema once and in order, policy and api at each call.';
COMMENT ON COLUMN washminute.setup_script.kind IS 'schema: a migration; policy and api: replaced whole.';
COMMENT ON COLUMN washminute.setup_script.name IS 'Name of the file, which orders the scripts of a kind.';
COMMENT ON COLUMN washminute.setup_script.body IS 'SQL, run as washminute_owner.';

CREATE TABLE washminute.setup_object (
    kind text NOT NULL,
    schema name NOT NULL,
    name name NOT NULL,
    parent text NOT NULL DEFAULT '',
    CONSTRAINT setup_object_pk PRIMARY KEY (kind, schema, name, parent),
    CONSTRAINT setup_object_kind_known
      CHECK (kind IN ('table', 'domain', 'view', 'function', 'trigger', 'policy'))
);
REVOKE ALL ON TABLE washminute.setup_object FROM PUBLIC;
COMMENT ON TABLE washminute.setup_object IS
  'The names of what setup() makes: it owns, repairs and replaces these and nothing else, so that what users add beside them stays.';
COMMENT ON COLUMN washminute.setup_object.kind IS 'table, domain, view, function, trigger or policy.';
COMMENT ON COLUMN washminute.setup_object.schema IS 'washminute_data or washminute_api.';
COMMENT ON COLUMN washminute.setup_object.name IS 'Name of the object.';
COMMENT ON COLUMN washminute.setup_object.parent IS 'The table of a trigger or policy; the types of a function''s arguments, as oidvectortypes() writes them; empty for others.';
