-- What the views of chats read, as in 30_row_security.sql.

GRANT SELECT (chat_id, last_sequence, last_message_at, opened_at, closes_at)
  ON washminute_data.chats TO washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (chat_id, user_id, kind, first_sequence, read_sequence)
  ON washminute_data.chat_members TO washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (chat_id, sequence, message_id, sender_id, client_message_id, text, locale, sent_at)
  ON washminute_data.chat_messages TO washminute_customer, washminute_washman, washminute_admin;

CREATE POLICY chats_read_own ON washminute_data.chats
  FOR SELECT TO washminute_customer, washminute_washman
  USING (chat_id = ANY (ARRAY(SELECT m.chat_id FROM washminute_data.chat_members AS m
                               WHERE m.user_id = (SELECT washminute.current_user_id()) AND m.kind <> 'admin')));
CREATE POLICY chats_read_all ON washminute_data.chats
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY chat_members_read_own ON washminute_data.chat_members
  FOR SELECT TO washminute_customer, washminute_washman, washminute_admin
  USING (user_id = (SELECT washminute.current_user_id()));
CREATE POLICY chat_messages_read_own ON washminute_data.chat_messages
  FOR SELECT TO washminute_customer, washminute_washman
  USING (chat_id = ANY (ARRAY(SELECT m.chat_id FROM washminute_data.chat_members AS m
                               WHERE m.user_id = (SELECT washminute.current_user_id()) AND m.kind <> 'admin'))
         AND sequence >= (SELECT m.first_sequence FROM washminute_data.chat_members AS m
                           WHERE m.chat_id = chat_messages.chat_id
                             AND m.user_id = (SELECT washminute.current_user_id())));
CREATE POLICY chat_messages_read_all ON washminute_data.chat_messages
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
