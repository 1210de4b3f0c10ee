-- What the socket gateway may do with tables: Socket.IO's Postgres adapter reads attachments
-- and deletes those that are over.

GRANT USAGE ON SCHEMA washminute_data TO washminute_gateway;
GRANT SELECT, DELETE ON washminute_data.socket_io_attachments TO washminute_gateway;

CREATE POLICY socket_io_attachments_gateway ON washminute_data.socket_io_attachments
  FOR ALL TO washminute_gateway
  USING ((SELECT washminute.now()) IS NOT NULL);
