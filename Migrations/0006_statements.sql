-- What people and pipelines say: verdicts on promotions, evidence about digests. Appended, never changed; what counts is decided by policy.
CREATE TABLE verdicts (
  id uuid PRIMARY KEY,                  -- UUID of version 7: sorts by time
  promotion_id uuid NOT NULL REFERENCES promotions,
  kind text NOT NULL CHECK (kind IN ('approve', 'reject', 'override')),
  given_by text NOT NULL,
  identity jsonb NOT NULL,              -- with the claims that the giver had at that time
  digest oci_digest NOT NULL,
  policy_version text NOT NULL,
  comment text CHECK (octet_length(comment) <= 2000),
  at timestamptz NOT NULL,
  audit_id uuid NOT NULL UNIQUE,        -- one entry for one verdict
  CHECK (kind <> 'override' OR comment ~ '\S'));
CREATE INDEX ON verdicts (promotion_id, id);

CREATE TABLE evidence (
  id uuid PRIMARY KEY,
  digest oci_digest NOT NULL,
  image text,                           -- NULL: about the digest wherever it is
  kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
  result text NOT NULL CHECK (length(result) BETWEEN 1 AND 200),
  details jsonb CHECK (octet_length(details::text) <= 65536),
  url text CHECK (octet_length(url) <= 2000),
  content_sha256 sha256_hash NOT NULL,
  posted_by text NOT NULL,
  identity jsonb NOT NULL,
  recorded_at timestamptz NOT NULL,
  audit_id uuid NOT NULL UNIQUE);
CREATE INDEX ON evidence (digest, id DESC);

CREATE TABLE scans (
  id uuid PRIMARY KEY,
  digest oci_digest NOT NULL,
  image text,
  scanner text NOT NULL CHECK (length(scanner) BETWEEN 1 AND 100),
  format text NOT NULL CHECK (format IN ('sarif', 'trivy', 'grype', 'cosign-vuln')),
  completed_at timestamptz NOT NULL,
  findings jsonb NOT NULL,
  report_sha256 sha256_hash NOT NULL,
  posted_by text NOT NULL,
  identity jsonb NOT NULL,
  recorded_at timestamptz NOT NULL,
  audit_id uuid NOT NULL UNIQUE);
CREATE INDEX ON scans (digest, id DESC);

-- The manifests of a waiting promotion's platforms: evidence about one of them concerns the promotion too.
CREATE TABLE promotion_platforms (
  promotion_id uuid NOT NULL REFERENCES promotions,
  digest oci_digest NOT NULL,
  PRIMARY KEY (promotion_id, digest));
CREATE INDEX ON promotion_platforms (digest);

-- Something arrived while the promotion was worked on: it is looked at once more before it waits.
ALTER TABLE jobs ADD COLUMN woken boolean NOT NULL DEFAULT false;

-- The requester with the claims that groups are recognised by.
ALTER TABLE promotions ADD COLUMN requested_as jsonb;
ALTER TABLE tokens ADD COLUMN groups text[] NOT NULL DEFAULT '{}' CHECK (cardinality(groups) <= 50);
CREATE INDEX evaluations_at ON evaluations (at, promotion_id, version);

DO $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['verdicts', 'evidence', 'scans'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION forbid_change()', t);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()', t);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', t);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only_truncate', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT ON verdicts, evidence, scans TO shiplift_app;
GRANT SELECT, INSERT, DELETE ON promotion_platforms TO shiplift_app;
GRANT SELECT ON verdicts, evidence, scans, promotion_platforms TO shiplift_reader;
