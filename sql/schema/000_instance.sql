-- Which database this is, and which migrations it has run.

CREATE TABLE washminute_data.instance (
    only_row boolean NOT NULL,
    system_identifier bigint NOT NULL,
    database_oid oid NOT NULL,
    version text NOT NULL,
    set_up_at timestamptz NOT NULL,
    adopted_at timestamptz,
    CONSTRAINT instance_pk PRIMARY KEY (only_row),
    CONSTRAINT instance_has_one_row CHECK (only_row)
);
COMMENT ON TABLE washminute_data.instance IS
  'One row: the cluster and database that the data belongs to. Where they differ from the present ones this is a copy, and nothing leaves it until washminute.adopt().';
COMMENT ON COLUMN washminute_data.instance.only_row IS 'Always true.';
COMMENT ON COLUMN washminute_data.instance.system_identifier IS 'The cluster''s identifier, as pg_control_system() shows it.';
COMMENT ON COLUMN washminute_data.instance.database_oid IS 'The database''s oid.';
COMMENT ON COLUMN washminute_data.instance.version IS 'The version of the extension whose setup() ran last.';
COMMENT ON COLUMN washminute_data.instance.set_up_at IS 'When setup() ran last.';
COMMENT ON COLUMN washminute_data.instance.adopted_at IS 'When washminute.adopt() was called last.';

CREATE TABLE washminute_data.migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    version text NOT NULL,
    applied_at timestamptz NOT NULL,
    CONSTRAINT migrations_pk PRIMARY KEY (name),
    CONSTRAINT migrations_sha256_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE washminute_data.migrations IS
  'The migrations that have run. setup() refuses a migration whose text has changed since.';
COMMENT ON COLUMN washminute_data.migrations.name IS 'Name of the script, which orders them.';
COMMENT ON COLUMN washminute_data.migrations.sha256 IS 'SHA-256 of the script''s text, in hexadecimal.';
COMMENT ON COLUMN washminute_data.migrations.version IS 'The version of the extension that brought it.';
COMMENT ON COLUMN washminute_data.migrations.applied_at IS 'When it ran.';

CREATE TABLE washminute_data.made_objects (
    kind text NOT NULL,
    schema name NOT NULL,
    name name NOT NULL,
    parent text NOT NULL,
    CONSTRAINT made_objects_pk PRIMARY KEY (kind, schema, name, parent)
);
COMMENT ON TABLE washminute_data.made_objects IS
  'The policies, triggers, views and functions that the last setup() made. The next one drops those that its version no longer has.';
COMMENT ON COLUMN washminute_data.made_objects.kind IS 'policy, trigger, view or function.';
COMMENT ON COLUMN washminute_data.made_objects.schema IS 'washminute_data or washminute_api.';
COMMENT ON COLUMN washminute_data.made_objects.name IS 'Name of the object.';
COMMENT ON COLUMN washminute_data.made_objects.parent IS 'As in washminute.setup_object.';

ALTER TABLE washminute_data.made_objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.instance ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.migrations ENABLE ROW LEVEL SECURITY;
