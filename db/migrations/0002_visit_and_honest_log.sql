-- Which sketches belong to one visit, so that whole visitors can be held out of training.
ALTER TABLE submissions ADD COLUMN visit uuid;
COMMENT ON COLUMN submissions.visit IS 'A random number that the sketches of one visit to the page share; NULL: not known';

-- Until now the page's half-drawn digits were logged as answers, and drift was reckoned from them. They cannot be told
-- from the other answers, so the log begins anew.
TRUNCATE predictions;
UPDATE models SET reference = NULL, reference_end = NULL;
