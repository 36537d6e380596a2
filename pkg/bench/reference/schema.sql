-- The tables of a receiver as they are usually made.
CREATE TABLE webhook_events (
    event_id     text PRIMARY KEY,
    type         text NOT NULL,
    status       text NOT NULL DEFAULT 'PROCESSING',
    payload      jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz
);
CREATE INDEX webhook_events_processing_idx ON webhook_events (created_at) WHERE status = 'PROCESSING';

CREATE TABLE orders (
    id         text PRIMARY KEY,
    status     text NOT NULL DEFAULT 'PAYMENT_PENDING',
    amount     bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    paid_at    timestamptz
);

CREATE TABLE payments (
    id                  text PRIMARY KEY,
    order_id            text NOT NULL REFERENCES orders (id),
    provider_payment_id text NOT NULL UNIQUE,
    status              text NOT NULL DEFAULT 'PENDING',
    amount              bigint NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now()
);
