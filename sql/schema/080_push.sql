-- Push messages: the devices of people, and what is said to them.

CREATE TABLE washminute_data.push_tokens (
    token text NOT NULL,
    user_id text NOT NULL,
    platform text,
    project text,
    registered_at timestamptz NOT NULL,
    disabled_at timestamptz,
    disabled_reason text,
    CONSTRAINT push_tokens_pk PRIMARY KEY (token),
    CONSTRAINT push_tokens_user_fk FOREIGN KEY (user_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT push_tokens_token_has_length CHECK (char_length(token) BETWEEN 1 AND 255),
    CONSTRAINT push_tokens_platform_known CHECK (platform IN ('ios', 'android'))
);
CREATE INDEX push_tokens_user ON washminute_data.push_tokens (user_id);
COMMENT ON TABLE washminute_data.push_tokens IS
  'The devices that push messages go to. A token belongs to who registered it last; one that Expo knows no longer is disabled.';
COMMENT ON COLUMN washminute_data.push_tokens.token IS 'Expo push token of the device.';
COMMENT ON COLUMN washminute_data.push_tokens.user_id IS 'Whose device it is.';
COMMENT ON COLUMN washminute_data.push_tokens.platform IS 'ios or android, where known.';
COMMENT ON COLUMN washminute_data.push_tokens.project IS 'The Expo project, learnt from Expo where there are several; a request must hold one only.';
COMMENT ON COLUMN washminute_data.push_tokens.registered_at IS 'When it was registered last.';
COMMENT ON COLUMN washminute_data.push_tokens.disabled_at IS 'Since when nothing is sent to it; registering it again ends that.';
COMMENT ON COLUMN washminute_data.push_tokens.disabled_reason IS 'Why, e.g. DeviceNotRegistered.';

CREATE TABLE washminute_data.push_templates (
    event text NOT NULL,
    audience text NOT NULL,
    locale text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    priority text NOT NULL DEFAULT 'high',
    ttl_seconds integer NOT NULL DEFAULT 3600,
    channel_id text,
    interruption_level text NOT NULL DEFAULT 'active',
    CONSTRAINT push_templates_pk PRIMARY KEY (event, audience, locale),
    CONSTRAINT push_templates_audience_known CHECK (audience IN ('customer', 'washman', 'admin')),
    CONSTRAINT push_templates_locale_known CHECK (locale IN ('ar', 'fr', 'en')),
    CONSTRAINT push_templates_event_is_plain CHECK (event ~ '^[A-Za-z]{1,100}$'),
    CONSTRAINT push_templates_title_has_length CHECK (char_length(title) BETWEEN 1 AND 200),
    CONSTRAINT push_templates_body_has_length CHECK (char_length(body) BETWEEN 1 AND 500),
    CONSTRAINT push_templates_priority_known CHECK (priority IN ('default', 'normal', 'high')),
    CONSTRAINT push_templates_ttl_in_range CHECK (ttl_seconds BETWEEN 1 AND 2419200),
    CONSTRAINT push_templates_channel_is_plain CHECK (channel_id ~ '^[a-z0-9-]{1,100}$'),
    CONSTRAINT push_templates_interruption_known
      CHECK (interruption_level IN ('active', 'critical', 'passive', 'time-sensitive'))
);
COMMENT ON TABLE washminute_data.push_templates IS
  'What a push message says, by event, audience and language; French where the user''s language is missing. {name|else} in title or body stands for that member of the message''s data, or else for the words behind the bar.';
COMMENT ON COLUMN washminute_data.push_templates.event IS 'The message''s event.';
COMMENT ON COLUMN washminute_data.push_templates.audience IS 'Whom it speaks to: customer, washman or admin.';
COMMENT ON COLUMN washminute_data.push_templates.locale IS 'ar, fr or en.';
COMMENT ON COLUMN washminute_data.push_templates.title IS 'Title.';
COMMENT ON COLUMN washminute_data.push_templates.body IS 'Text.';
COMMENT ON COLUMN washminute_data.push_templates.priority IS 'Expo''s priority: default, normal or high, which wakes the device.';
COMMENT ON COLUMN washminute_data.push_templates.ttl_seconds IS 'How long Apple and Google keep it for a device that is off; less where the message expires earlier.';
COMMENT ON COLUMN washminute_data.push_templates.channel_id IS 'Android notification channel.';
COMMENT ON COLUMN washminute_data.push_templates.interruption_level IS 'iOS interruption level.';

ALTER TABLE washminute_data.outbox
  ADD COLUMN audience text,
  ADD COLUMN token text,
  ADD CONSTRAINT outbox_audience_known CHECK (audience IN ('customer', 'washman', 'admin'));
CREATE INDEX outbox_token ON washminute_data.outbox (token) WHERE token IS NOT NULL;
COMMENT ON COLUMN washminute_data.outbox.audience IS
  'As what the recipient is spoken to: customer, washman or admin; NULL: as what he is.';
COMMENT ON COLUMN washminute_data.outbox.token IS
  'The device, where it is one of several of the recipient, and of a receipt; NULL: the recipient''s.';

ALTER TABLE washminute_data.push_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.push_templates ENABLE ROW LEVEL SECURITY;
