-- How much each client has asked lately. Not written to the log that backups and standbys read (UNLOGGED): nothing is lost
-- with it, and no trace of an address is to outlast the day.
CREATE UNLOGGED TABLE rate_limits (
    key     bytea PRIMARY KEY CHECK (octet_length(key) = 16),
    full_at timestamptz NOT NULL
) WITH (fillfactor = 50); -- rows change in place, over and over

COMMENT ON TABLE rate_limits IS 'Buckets of clients that stored something or guessed at the admin token lately; full ones are deleted';
COMMENT ON COLUMN rate_limits.key IS 'What is limited and for whom: a keyed hash (HMAC) of address or visit, which means nothing without the salt';
COMMENT ON COLUMN rate_limits.full_at IS 'When as much may be asked at once as if nothing had been asked';

CREATE UNLOGGED TABLE rate_limit_salts (
    day  date PRIMARY KEY,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32)
);

COMMENT ON TABLE rate_limit_salts IS 'The key of the hashes in rate_limits: a new one each day (UTC), the one before is deleted';
