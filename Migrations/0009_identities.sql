-- Whose credentials count: rotation of tokens, who owns them, and the browsers in which people have logged in.

ALTER TABLE tokens ADD COLUMN owner text CHECK (length(owner) BETWEEN 1 AND 1100);
ALTER TABLE tokens ADD COLUMN previous_sha256 sha256_hash UNIQUE;      -- the secret before the last rotation
ALTER TABLE tokens ADD COLUMN previous_until timestamptz;
ALTER TABLE tokens ADD CHECK ((previous_sha256 IS NULL) = (previous_until IS NULL));

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  secret_sha256 sha256_hash NOT NULL UNIQUE,
  subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 1100),
  issuer text NOT NULL,
  claims jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  CHECK (expires_at > created_at)) WITH (fillfactor = 80);
CREATE INDEX ON sessions (expires_at);
CREATE INDEX ON sessions (subject) WHERE ended_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO shiplift_app;
