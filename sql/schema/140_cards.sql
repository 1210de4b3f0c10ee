-- Saved cards: what the gateway calls them, and what people know them by.
--
-- The gateway keeps the card; here stand its token there, the brand and the last four
-- digits. A token is no secret of ours (the gateway makes it of the time), but with the
-- merchant's credentials it charges the card, so no role but the owner reads it. It is
-- gone once the gateway has forgotten the card.

CREATE TABLE washminute_data.card_clients (
    customer_id text NOT NULL,
    client_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT card_clients_pk PRIMARY KEY (customer_id),
    CONSTRAINT card_clients_client_id_once UNIQUE (client_id),
    CONSTRAINT card_clients_customer_fk FOREIGN KEY (customer_id) REFERENCES washminute_data.users (user_id)
);
COMMENT ON TABLE washminute_data.card_clients IS
  'By which id the gateway keeps a customer''s cards: random, since whoever knows it sees them on its page.';
COMMENT ON COLUMN washminute_data.card_clients.customer_id IS 'The customer.';
COMMENT ON COLUMN washminute_data.card_clients.client_id IS 'The gateway''s id_client.';
COMMENT ON COLUMN washminute_data.card_clients.created_at IS 'When a card was first to be kept.';

CREATE TABLE washminute_data.cards (
    card_id uuid NOT NULL,
    customer_id text NOT NULL,
    token text,
    brand text NOT NULL,
    last4 text,
    holder text,
    attempt_id uuid,
    created_at timestamptz NOT NULL,
    removed_at timestamptz,
    CONSTRAINT cards_pk PRIMARY KEY (card_id),
    CONSTRAINT cards_token_once_per_customer UNIQUE (customer_id, token),
    CONSTRAINT cards_customer_fk FOREIGN KEY (customer_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT cards_attempt_fk FOREIGN KEY (attempt_id) REFERENCES washminute_data.payment_attempts (attempt_id),
    CONSTRAINT cards_token_fits CHECK (token ~ '^[A-Za-z0-9_-]{8,64}$'),
    CONSTRAINT cards_token_until_removed CHECK (token IS NOT NULL OR removed_at IS NOT NULL),
    CONSTRAINT cards_brand_known
      CHECK (brand IN ('cmi', 'visa', 'mastercard', 'amex', 'diners', 'discover', 'jcb', 'unionpay', 'maestro', 'mir', 'other')),
    CONSTRAINT cards_last4_is_four_digits CHECK (last4 ~ '^[0-9]{4}$'),
    CONSTRAINT cards_holder_has_length CHECK (char_length(holder) BETWEEN 1 AND 100)
);
COMMENT ON TABLE washminute_data.cards IS 'Cards that the gateway keeps for customers.';
COMMENT ON COLUMN washminute_data.cards.card_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.cards.customer_id IS 'Whose it is.';
COMMENT ON COLUMN washminute_data.cards.token IS
  'What the gateway calls it; NULL once it has forgotten it. For the worker alone.';
COMMENT ON COLUMN washminute_data.cards.brand IS
  'cmi (cards of Morocco alone), visa, mastercard, amex, diners, discover, jcb, unionpay, maestro, mir or other.';
COMMENT ON COLUMN washminute_data.cards.last4 IS 'The last four digits of its number.';
COMMENT ON COLUMN washminute_data.cards.holder IS 'The holder''s name, where the gateway gave it.';
COMMENT ON COLUMN washminute_data.cards.attempt_id IS 'The attempt to pay by which it was saved.';
COMMENT ON COLUMN washminute_data.cards.created_at IS 'When it was saved.';
COMMENT ON COLUMN washminute_data.cards.removed_at IS 'When the customer removed it; NULL while it can be used.';

ALTER TABLE washminute_data.card_clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.cards ENABLE ROW LEVEL SECURITY;

-- An attempt with a saved card is charged without the gateway's page.

ALTER TABLE washminute_data.payment_attempts
  ADD COLUMN card_id uuid,
  ADD CONSTRAINT payment_attempts_card_fk FOREIGN KEY (card_id) REFERENCES washminute_data.cards (card_id),
  ADD CONSTRAINT payment_attempts_card_is_saved_once CHECK (card_id IS NULL OR NOT save_card);
COMMENT ON COLUMN washminute_data.payment_attempts.card_id IS
  'The saved card that is charged; NULL where the customer pays on the gateway''s page.';
COMMENT ON COLUMN washminute_data.payment_attempts.link IS
  'The gateway''s payment page for the customer; of a saved card the page on which his bank asks him.';

ALTER TABLE washminute_data.payment_observations
  DROP CONSTRAINT payment_observations_source_known,
  ADD CONSTRAINT payment_observations_source_known
    CHECK (source IN ('callback', 'return', 'link', 'authorization', 'inquiry', 'reversal', 'refund', 'capture'));
COMMENT ON COLUMN washminute_data.payment_observations.source IS
  'callback (from the gateway), return (the customer''s browser, which proves nothing), or the call that was answered: link, authorization, inquiry, reversal, refund, capture.';
