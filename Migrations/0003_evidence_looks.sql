-- When it was last looked for what has come to refer to a promoted image since: signatures, SBOMs and attestations that appear later follow it.
CREATE TABLE evidence_looks (
  promotion_id uuid PRIMARY KEY REFERENCES promotions,
  looked_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX promotions_succeeded ON promotions (finished_at) WHERE state = 'succeeded';

GRANT SELECT, INSERT, UPDATE, DELETE ON evidence_looks TO shiplift_app;
GRANT SELECT ON evidence_looks TO shiplift_reader;
