-- Business rules as rows, each with its range. Commands read them at each call.

CREATE TABLE washminute_data.settings (
    name text NOT NULL,
    value numeric NOT NULL,
    minimum numeric NOT NULL,
    maximum numeric NOT NULL,
    unit text NOT NULL,
    description text NOT NULL,
    CONSTRAINT settings_pk PRIMARY KEY (name),
    CONSTRAINT settings_value_in_range CHECK (value BETWEEN minimum AND maximum),
    CONSTRAINT settings_washmen_are_whole CHECK (unit <> 'washmen' OR value = trunc(value)),
    CONSTRAINT settings_value_has_two_decimals CHECK (scale(value) <= 2 AND value <> 'NaN'::numeric)
);
COMMENT ON TABLE washminute_data.settings IS
  'Business rules. UPDATE a value; it must lie between minimum and maximum and holds from the next command on.';
COMMENT ON COLUMN washminute_data.settings.name IS 'Name of the rule.';
COMMENT ON COLUMN washminute_data.settings.value IS 'The value in force, at most two decimals.';
COMMENT ON COLUMN washminute_data.settings.minimum IS 'Least value allowed.';
COMMENT ON COLUMN washminute_data.settings.maximum IS 'Greatest value allowed.';
COMMENT ON COLUMN washminute_data.settings.unit IS 'Unit of the value.';
COMMENT ON COLUMN washminute_data.settings.description IS 'What the rule says.';

ALTER TABLE washminute_data.settings ENABLE ROW LEVEL SECURITY;
