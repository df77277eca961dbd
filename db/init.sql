-- Makes a new database: all or nothing. The container of Postgres runs it once, on an empty volume; db/migrate.sh runs it
-- on an empty database elsewhere. One that exists is changed by db/migrations/ alone, so whatever changes here needs a
-- migration there, and the version below. db/roles.sql says who may do what. Postgres 15 or later.
--
--   psql -f db/init.sql

\set ON_ERROR_STOP on
BEGIN;

-- What people drew, what the model read, and what they said they meant.
CREATE TABLE submissions (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    idempotency_key uuid UNIQUE,
    request_sha256  bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    created_at      timestamptz NOT NULL DEFAULT now(),
    image           bytea NOT NULL CHECK (octet_length(image) <= 262144 AND substring(image FROM 1 FOR 4) = '\x89504e47'::bytea),
    prediction      smallint NOT NULL CHECK (prediction BETWEEN 0 AND 9),
    confidence      real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    unsure          boolean NOT NULL,
    probabilities   real[] NOT NULL CHECK (cardinality(probabilities) = 10),
    model           text NOT NULL CHECK (model <> ''),
    true_label      smallint CHECK (true_label BETWEEN 0 AND 9),
    correct         boolean GENERATED ALWAYS AS (prediction = true_label) STORED,
    status          text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
    visit           uuid
);

COMMENT ON TABLE submissions IS 'Sketches with what the model read and what their makers meant';
COMMENT ON COLUMN submissions.idempotency_key IS 'Made by the client for each drawing: sent twice, it is stored once';
COMMENT ON COLUMN submissions.request_sha256 IS 'SHA-256 of the picture and label as sent: tells a repeated request from a reused key';
COMMENT ON COLUMN submissions.image IS 'PNG, greyscale, at most 280x280; reading it again gives the same answer';
COMMENT ON COLUMN submissions.confidence IS 'The calibrated probability of the prediction';
COMMENT ON COLUMN submissions.probabilities IS 'Ten calibrated probabilities, of the digits 0 to 9';
COMMENT ON COLUMN submissions.model IS 'The version of the model that made the prediction';
COMMENT ON COLUMN submissions.true_label IS '0 to 9; NULL means "not a digit", which is left out of accuracy and of training on digits';
COMMENT ON COLUMN submissions.correct IS 'Whether the prediction is the label; NULL where there is no digit';
COMMENT ON COLUMN submissions.status IS 'pending until reviewed; rejected ones are left out of the statistics';
COMMENT ON COLUMN submissions.visit IS 'A random number that the sketches of one visit to the page share; NULL: not known';

-- newest first, page by page, with and without the filters that are asked for most
CREATE INDEX submissions_newest ON submissions (created_at DESC, id DESC);
CREATE INDEX submissions_by_label ON submissions (true_label, created_at DESC, id DESC);
CREATE INDEX submissions_by_prediction ON submissions (prediction, created_at DESC, id DESC);
CREATE INDEX submissions_wrong ON submissions (created_at DESC, id DESC) WHERE NOT correct;
CREATE INDEX submissions_by_status ON submissions (status, created_at DESC, id DESC);
CREATE INDEX submissions_by_model ON submissions (model, created_at DESC, id DESC);
CREATE INDEX submissions_unsure ON submissions (created_at DESC, id DESC) WHERE unsure;
-- submissions_by_label finds these, too, but not in order: to the planner, IS NULL fixes no value
CREATE INDEX submissions_not_a_digit ON submissions (created_at DESC, id DESC) WHERE true_label IS NULL;
-- likeliest mislabelled first: the model disagrees, and is sure; also without those that were reviewed
CREATE INDEX submissions_mislabelled ON submissions (confidence DESC, id DESC) WHERE NOT correct;
CREATE INDEX submissions_mislabelled_by_status ON submissions (status, confidence DESC, id DESC) WHERE NOT correct;

-- A request that arrives after it was taken back must not be stored: a client that gave up waiting cannot know whether its
-- request is still on its way.
CREATE TABLE undone (
    idempotency_key uuid PRIMARY KEY,
    created_at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE undone IS 'Idempotency keys of sketches that were taken back within the last hour: none is stored under them again';

-- Every model that serves, served or was made to: what a backend needs to load it, and what retraining starts from.
CREATE TABLE models (
    version       text PRIMARY KEY CHECK (version <> ''),
    created_at    timestamptz NOT NULL DEFAULT now(),
    onnx          bytea NOT NULL,
    weights       bytea,
    sha256        bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    card          jsonb NOT NULL CHECK (jsonb_typeof(card) = 'object'),
    verdict       jsonb CHECK (verdict IS NULL OR jsonb_typeof(verdict -> 'passed') IS NOT DISTINCT FROM 'boolean'),
    reference     integer[] CHECK (cardinality(reference) = 10),
    reference_end bigint,
    CHECK ((reference IS NULL) = (reference_end IS NULL))
);

COMMENT ON TABLE models IS 'Every model that serves, served or was made to; promotions says which one serves';
COMMENT ON COLUMN models.onnx IS 'The network as ONNX Runtime loads it';
COMMENT ON COLUMN models.weights IS 'The same weights as PyTorch saves them, for retraining to start from; NULL where they are not known';
COMMENT ON COLUMN models.sha256 IS 'SHA-256 of onnx when it was stored: a damaged one is refused when it is loaded';
COMMENT ON COLUMN models.card IS 'Architecture, data, hyperparameters, metrics, temperature, threshold';
COMMENT ON COLUMN models.verdict IS 'The gate''s: {"passed": true, "champion": "...", "outcome": "passed", "reasons": ["..."], "figures": {}}; NULL: never judged, as the one that ships';
COMMENT ON COLUMN models.reference IS 'How many of its first 500 answers had a confidence in each tenth; NULL until there are so many';
COMMENT ON COLUMN models.reference_end IS 'The last of those answers (predictions.id)';

-- Which model serves: the one of the newest row; without a row, the one in the backend's image.
CREATE TABLE promotions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    model      text NOT NULL REFERENCES models (version),
    previous   text NOT NULL CHECK (previous <> ''),
    overruled  boolean NOT NULL DEFAULT false,
    reason     text NOT NULL DEFAULT ''
);

COMMENT ON TABLE promotions IS 'Which model was made to serve when; the newest row holds. Rolling back is promoting an older one';
COMMENT ON COLUMN promotions.previous IS 'The version that served until then';
COMMENT ON COLUMN promotions.overruled IS 'Whether a person promoted it although the gate had not passed it';

-- A light row for each answer of /predict, without the picture; the backends delete those older than PREDICTION_DAYS, or beyond 2 million.
CREATE TABLE predictions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at   timestamptz NOT NULL,
    model        text NOT NULL,
    digit        smallint NOT NULL CHECK (digit BETWEEN 0 AND 9),
    confidence   real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    unsure       boolean NOT NULL,
    milliseconds real NOT NULL CHECK (milliseconds >= 0)
);

COMMENT ON TABLE predictions IS 'A light row for each answer of /predict: what the model was asked lately, and how sure it was';
COMMENT ON COLUMN predictions.created_at IS 'When it was answered; the row is written up to some seconds later';
COMMENT ON COLUMN predictions.milliseconds IS 'What preparing the picture and asking the network took; without the way to here and back';

-- the oldest, for deleting. Not BRIN, small as it is: the room of deleted rows is used again, so that after some weeks
-- a range of pages holds no range of time any more, and every deletion would read the whole table
CREATE INDEX predictions_oldest ON predictions (created_at);
-- the first and the latest answers of one model, however many another gave meanwhile
CREATE INDEX predictions_by_model ON predictions (model, id);
-- so that the planner knows how few days there are, and counts by day without sorting every row
CREATE STATISTICS predictions_days ON ((created_at AT TIME ZONE 'UTC')::date) FROM predictions;

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

-- A candidate that could not be told apart from the model that serves reads what people draw beside it, until one has won.
CREATE TABLE races (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    challenger text NOT NULL REFERENCES models (version),
    champion   text NOT NULL CHECK (champion <> challenger),
    started_at timestamptz NOT NULL DEFAULT now(),
    read_until timestamptz NOT NULL DEFAULT 'epoch',
    read       integer NOT NULL DEFAULT 0 CHECK (read >= 0),
    won        integer NOT NULL DEFAULT 0 CHECK (won >= 0),
    lost       integer NOT NULL DEFAULT 0 CHECK (lost >= 0),
    to_review  integer NOT NULL DEFAULT 0 CHECK (to_review >= 0),
    outcome    text CHECK (outcome IN ('won', 'lost', 'given up', 'void')),
    ended_at   timestamptz,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
);

COMMENT ON TABLE races IS 'Candidates that read what people draw beside the model that serves, and how that went';
COMMENT ON COLUMN races.champion IS 'The version that serves meanwhile; if another is promoted, the race is void';
COMMENT ON COLUMN races.read_until IS 'Submissions up to this time have been read by both';
COMMENT ON COLUMN races.read IS 'How many submissions both have read';
COMMENT ON COLUMN races.won IS 'Approved digits that the challenger alone read right, the ones that the gate compared on included';
COMMENT ON COLUMN races.lost IS 'The same of the champion';
COMMENT ON COLUMN races.to_review IS 'Pending submissions that the two read differently';
COMMENT ON COLUMN races.outcome IS 'Of the challenger; NULL: the race is on';

-- one race at a time
CREATE UNIQUE INDEX races_running ON races ((outcome IS NULL)) WHERE outcome IS NULL;

CREATE TABLE race_readings (
    submission uuid NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    race       bigint NOT NULL REFERENCES races (id) ON DELETE CASCADE,
    challenger smallint CHECK (challenger BETWEEN 0 AND 9),
    champion   smallint CHECK (champion BETWEEN 0 AND 9),
    counts     boolean NOT NULL,
    PRIMARY KEY (submission, race)
);

COMMENT ON TABLE race_readings IS 'What both models of a race read in each submission; shown to nobody who reviews';
COMMENT ON COLUMN race_readings.challenger IS 'NULL: the picture could not be read';
COMMENT ON COLUMN race_readings.counts IS 'Whether neither of the two can have learned from it';

-- the few that tell the two apart
CREATE INDEX race_readings_contested ON race_readings (race) WHERE counts AND challenger <> champion;

-- The queue of retrainings, and what is kept of each.
\ir migrations/0005_retrainings.sql

-- Every figure at a glance: SELECT * FROM prediction_accuracy;
CREATE VIEW prediction_accuracy AS
SELECT count(*)                                                   AS submissions,
       count(true_label)                                          AS digits,
       count(*) - count(true_label)                               AS not_digits,
       count(*) FILTER (WHERE correct)                            AS correct,
       count(*) FILTER (WHERE NOT correct)                        AS wrong,
       round(100.0 * count(*) FILTER (WHERE correct) / nullif(count(true_label), 0), 2) AS accuracy_percent,
       count(*) FILTER (WHERE unsure)                             AS unsure,
       min(created_at)                                            AS first_at,
       max(created_at)                                            AS last_at
FROM submissions
WHERE status <> 'rejected';

-- The same for each digit: recall (of those meant, the share read right) and precision (of those read so, the share meant so).
CREATE VIEW digit_statistics AS
SELECT digit,
       count(*) FILTER (WHERE true_label = digit)                 AS submissions,
       count(*) FILTER (WHERE true_label = digit AND correct)     AS correct,
       count(*) FILTER (WHERE prediction = digit AND true_label IS NOT NULL) AS predicted,
       round(100.0 * count(*) FILTER (WHERE true_label = digit AND correct)
             / nullif(count(*) FILTER (WHERE true_label = digit), 0), 2) AS recall_percent,
       round(100.0 * count(*) FILTER (WHERE true_label = digit AND correct)
             / nullif(count(*) FILTER (WHERE prediction = digit AND true_label IS NOT NULL), 0), 2) AS precision_percent,
       round((avg(confidence) FILTER (WHERE true_label = digit))::numeric, 4) AS mean_confidence
FROM generate_series(0, 9) AS digit
LEFT JOIN submissions ON (true_label = digit OR prediction = digit) AND status <> 'rejected'
GROUP BY digit
ORDER BY digit;

COMMENT ON VIEW prediction_accuracy IS 'How often the model was right, over all submissions that were not rejected';
COMMENT ON VIEW digit_statistics IS 'Recall, precision and mean confidence of each digit, over all submissions that were not rejected';

-- Which migrations have run. init.sql makes a new database and writes its own version here; migrate.sh adds the rest.
CREATE TABLE schema_migrations (
    version    integer PRIMARY KEY CHECK (version > 0),
    name       text NOT NULL CHECK (name <> ''),
    applied_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE schema_migrations IS 'Which migrations have run: the highest version is the schema''s';

INSERT INTO schema_migrations (version, name) VALUES (6, 'undone');

COMMIT;
