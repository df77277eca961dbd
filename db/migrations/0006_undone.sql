-- A request that arrives after it was taken back must not be stored: a client that gave up waiting cannot know whether its
-- request is still on its way.
CREATE TABLE undone (
    idempotency_key uuid PRIMARY KEY,
    created_at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE undone IS 'Idempotency keys of sketches that were taken back within the last hour: none is stored under them again';
