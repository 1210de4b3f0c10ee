-- People and where they are.

CREATE TABLE washminute_data.users (
    user_id text NOT NULL,
    kinds text[] NOT NULL,
    name text,
    phone text,
    email text,
    locale text NOT NULL DEFAULT 'fr',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_pk PRIMARY KEY (user_id),
    CONSTRAINT users_id_has_length CHECK (char_length(user_id) BETWEEN 1 AND 128),
    CONSTRAINT users_kinds_known
      CHECK (kinds <@ ARRAY['customer', 'washman', 'admin'] AND cardinality(kinds) > 0),
    CONSTRAINT users_name_has_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT users_phone_is_e164 CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    CONSTRAINT users_email_is_address CHECK (email ~ '^[^@ ]+@[^@ ]+\.[^@ ]+$' AND char_length(email) <= 254),
    CONSTRAINT users_locale_known CHECK (locale IN ('ar', 'fr', 'en'))
) WITH (fillfactor = 80);
COMMENT ON TABLE washminute_data.users IS
  'People. One person may be customer and washman; a phone number or an e-mail address suffices.';
COMMENT ON COLUMN washminute_data.users.user_id IS 'The id that the identity provider gives, the sub of the token.';
COMMENT ON COLUMN washminute_data.users.kinds IS 'customer, washman, admin: one or more.';
COMMENT ON COLUMN washminute_data.users.name IS 'Name to show.';
COMMENT ON COLUMN washminute_data.users.phone IS 'E.164, e.g. +212612345678.';
COMMENT ON COLUMN washminute_data.users.email IS 'E-mail address.';
COMMENT ON COLUMN washminute_data.users.locale IS 'Language of messages to this person: ar, fr or en.';
COMMENT ON COLUMN washminute_data.users.created_at IS 'When the person was first known.';
COMMENT ON COLUMN washminute_data.users.updated_at IS 'When the row last changed.';

CREATE TABLE washminute_data.washmen (
    washman_id text NOT NULL,
    status text NOT NULL DEFAULT 'offline',
    status_changed_at timestamptz NOT NULL,
    suspended_at timestamptz,
    CONSTRAINT washmen_pk PRIMARY KEY (washman_id),
    CONSTRAINT washmen_user_fk FOREIGN KEY (washman_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT washmen_status_known CHECK (status IN ('online', 'offline'))
) WITH (fillfactor = 70);
COMMENT ON TABLE washminute_data.washmen IS
  'Users of kind washman: whether they take jobs now. No foreign key refers to it, since its rows change while acceptances run.';
COMMENT ON COLUMN washminute_data.washmen.washman_id IS 'The user.';
COMMENT ON COLUMN washminute_data.washmen.status IS 'online or offline, by washminute.set_washman_status.';
COMMENT ON COLUMN washminute_data.washmen.status_changed_at IS 'When the status last changed.';
COMMENT ON COLUMN washminute_data.washmen.suspended_at IS 'Since when an operator has suspended him; NULL when he has not.';

CREATE TABLE washminute_data.washman_positions (
    washman_id text NOT NULL,
    last_location geography(Point, 4326) NOT NULL,
    last_location_updated_at timestamptz NOT NULL,
    accuracy_m double precision,
    CONSTRAINT washman_positions_pk PRIMARY KEY (washman_id),
    CONSTRAINT washman_positions_accuracy_not_negative CHECK (accuracy_m >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX washman_positions_last_location ON washminute_data.washman_positions USING gist (last_location);
COMMENT ON TABLE washminute_data.washman_positions IS
  'The last known position of each washman. Written by reports alone: no command locks its rows and no foreign key refers to it.';
COMMENT ON COLUMN washminute_data.washman_positions.washman_id IS 'The washman; without a foreign key, since positions come from washmen only.';
COMMENT ON COLUMN washminute_data.washman_positions.last_location IS 'WGS 84.';
COMMENT ON COLUMN washminute_data.washman_positions.last_location_updated_at IS 'Time of the fix.';
COMMENT ON COLUMN washminute_data.washman_positions.accuracy_m IS 'Accuracy of the fix in metres, as the device says.';

ALTER TABLE washminute_data.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.washmen ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.washman_positions ENABLE ROW LEVEL SECURITY;
