-- Saved cards.

CREATE OR REPLACE FUNCTION washminute.remove_card(customer_id text, card_id uuid) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_remove_card';
COMMENT ON FUNCTION washminute.remove_card(text, uuid) IS
  'A customer removes a saved card: it cannot be used any more, and the gateway is told to forget it.';

CREATE OR REPLACE FUNCTION washminute.card_brand(digits text, gateway_type text DEFAULT NULL) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_card_brand';
COMMENT ON FUNCTION washminute.card_brand(text, text) IS
  'The brand of a card by the digits that its number begins with, six if they are known; else by the gateway''s number of the brand (typecarte). "other" where neither tells.';
