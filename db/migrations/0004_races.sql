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

COMMENT ON COLUMN models.verdict IS 'The gate''s: {"passed": true, "champion": "...", "outcome": "passed", "reasons": ["..."], "figures": {}}; NULL: never judged, as the one that ships';
