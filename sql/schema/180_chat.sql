-- Chats: one for each request, between its customer, its washman and administrators who join.
--
-- Messages are numbered by the chat's own counter, under the chat's lock, so that no number is left out
-- and none becomes visible after a greater one: a cursor over them skips nothing. No foreign key points at
-- requests and chats, whose rows change all the time: in a serializable transaction its check would read them
-- as they were when that began, and fail what the locks let through. Who has a chat on his
-- screen is soft state: those rows are not logged, and count only while their gateway's session lives.

CREATE TABLE washminute_data.chats (
    chat_id uuid NOT NULL,
    last_sequence bigint NOT NULL DEFAULT 0,
    last_message_at timestamptz,
    opened_at timestamptz NOT NULL,
    closes_at timestamptz,
    closed_at timestamptz,
    CONSTRAINT chats_pk PRIMARY KEY (chat_id),
    CONSTRAINT chats_last_sequence_not_negative CHECK (last_sequence >= 0),
    CONSTRAINT chats_closed_when_due CHECK (closed_at IS NULL OR (closes_at IS NOT NULL AND closed_at >= closes_at))
) WITH (fillfactor = 70);
CREATE INDEX chats_to_close ON washminute_data.chats (closes_at) WHERE closes_at IS NOT NULL AND closed_at IS NULL;
COMMENT ON TABLE washminute_data.chats IS
  'The chats of requests, each made when it is first used.';
COMMENT ON COLUMN washminute_data.chats.chat_id IS 'The request''s id.';
COMMENT ON COLUMN washminute_data.chats.last_sequence IS 'Number of the last message; 0 while there is none.';
COMMENT ON COLUMN washminute_data.chats.last_message_at IS 'When that was sent.';
COMMENT ON COLUMN washminute_data.chats.opened_at IS 'When it was first used.';
COMMENT ON COLUMN washminute_data.chats.closes_at IS
  'From when on nothing can be written: the setting chat_hours after the request has ended; NULL before that.';
COMMENT ON COLUMN washminute_data.chats.closed_at IS 'When its members were told that it is closed.';

CREATE TABLE washminute_data.chat_members (
    chat_id uuid NOT NULL,
    user_id text NOT NULL,
    kind text NOT NULL,
    joined_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    read_sequence bigint NOT NULL,
    read_at timestamptz,
    CONSTRAINT chat_members_pk PRIMARY KEY (chat_id, user_id),
    CONSTRAINT chat_members_user_fk FOREIGN KEY (user_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT chat_members_kind_known CHECK (kind IN ('customer', 'washman', 'admin')),
    CONSTRAINT chat_members_first_sequence_positive CHECK (first_sequence >= 1),
    CONSTRAINT chat_members_read_sequence_in_range CHECK (read_sequence >= first_sequence - 1)
) WITH (fillfactor = 70);
CREATE INDEX chat_members_user ON washminute_data.chat_members (user_id);
COMMENT ON TABLE washminute_data.chat_members IS
  'Who is in a chat now: the request''s customer, the washman who has it, and administrators who joined.';
COMMENT ON COLUMN washminute_data.chat_members.chat_id IS 'The chat.';
COMMENT ON COLUMN washminute_data.chat_members.user_id IS 'The member.';
COMMENT ON COLUMN washminute_data.chat_members.kind IS 'customer, washman or admin: what he is in this chat.';
COMMENT ON COLUMN washminute_data.chat_members.joined_at IS 'Since when.';
COMMENT ON COLUMN washminute_data.chat_members.first_sequence IS
  'The first message that he sees: a washman who comes after another one does not see what was written before.';
COMMENT ON COLUMN washminute_data.chat_members.read_sequence IS 'He has read all messages up to this one; never goes back.';
COMMENT ON COLUMN washminute_data.chat_members.read_at IS 'When that mark was set.';

CREATE TABLE washminute_data.chat_messages (
    chat_id uuid NOT NULL,
    sequence bigint NOT NULL,
    message_id uuid NOT NULL,
    sender_id text NOT NULL,
    client_message_id text NOT NULL,
    text text NOT NULL,
    locale text NOT NULL,
    sent_at timestamptz NOT NULL,
    CONSTRAINT chat_messages_pk PRIMARY KEY (chat_id, sender_id, client_message_id),
    CONSTRAINT chat_messages_in_order UNIQUE (chat_id, sequence),
    CONSTRAINT chat_messages_sender_fk FOREIGN KEY (sender_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT chat_messages_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT chat_messages_text_has_length CHECK (char_length(text) BETWEEN 1 AND 2000),
    CONSTRAINT chat_messages_locale_known CHECK (locale IN ('ar', 'fr', 'en'))
);
COMMENT ON TABLE washminute_data.chat_messages IS 'What was written; no command changes or removes it.';
COMMENT ON COLUMN washminute_data.chat_messages.chat_id IS 'The chat.';
COMMENT ON COLUMN washminute_data.chat_messages.sequence IS 'Number within the chat, from 1 on, none left out.';
COMMENT ON COLUMN washminute_data.chat_messages.message_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.chat_messages.sender_id IS 'Who wrote it.';
COMMENT ON COLUMN washminute_data.chat_messages.client_message_id IS
  'Id that the sender''s app gave it: sent again, it is the same message.';
COMMENT ON COLUMN washminute_data.chat_messages.text IS 'The text, 1 to 2000 characters.';
COMMENT ON COLUMN washminute_data.chat_messages.locale IS 'Its language: what the app said, or else the sender''s.';
COMMENT ON COLUMN washminute_data.chat_messages.sent_at IS 'When it was stored.';

CREATE UNLOGGED TABLE washminute_data.gateways (
    gateway text NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT gateways_pk PRIMARY KEY (gateway)
);
COMMENT ON TABLE washminute_data.gateways IS
  'The gateways that serve sockets. One lives as long as the session that registered it, which holds its lock. Not kept over a crash.';
COMMENT ON COLUMN washminute_data.gateways.gateway IS 'Name that the process gave itself.';
COMMENT ON COLUMN washminute_data.gateways.registered_at IS 'When it registered, by the real clock.';

CREATE UNLOGGED TABLE washminute_data.chat_viewers (
    sid text NOT NULL,
    chat_id uuid NOT NULL,
    user_id text NOT NULL,
    gateway text NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT chat_viewers_pk PRIMARY KEY (sid, chat_id)
);
CREATE INDEX chat_viewers_chat ON washminute_data.chat_viewers (chat_id);
CREATE INDEX chat_viewers_gateway ON washminute_data.chat_viewers (gateway);
COMMENT ON TABLE washminute_data.chat_viewers IS
  'Which sockets have a chat on the screen. Rows of a gateway that no longer lives do not count, and are removed. Not kept over a crash.';
COMMENT ON COLUMN washminute_data.chat_viewers.sid IS 'The socket''s id.';
COMMENT ON COLUMN washminute_data.chat_viewers.chat_id IS 'The chat.';
COMMENT ON COLUMN washminute_data.chat_viewers.user_id IS 'Whose socket it is.';
COMMENT ON COLUMN washminute_data.chat_viewers.gateway IS 'The gateway that the socket is connected to.';
COMMENT ON COLUMN washminute_data.chat_viewers.since IS 'Since when, by the real clock.';

ALTER TABLE washminute_data.chats ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.chat_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.chat_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.gateways ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.chat_viewers ENABLE ROW LEVEL SECURITY;
