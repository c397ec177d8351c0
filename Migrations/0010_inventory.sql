-- What is where, complete: looks at whole registries, what each artifact says of itself, drift, and promotions back to an earlier state.

CREATE EXTENSION IF NOT EXISTS pg_trgm;      -- trusted since PostgreSQL 13, as btree_gist is

-- ── looks at whole environments ─────────────────────────────────────────────────────────────────────

CREATE TABLE inventory_scans (
  id uuid PRIMARY KEY,                  -- UUID of version 7: sorts by time
  environment text NOT NULL REFERENCES environments,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'succeeded', 'failed')),
  started_at timestamptz,
  finished_at timestamptz,
  counts jsonb,                         -- so far: repositories, tags, new, moved, gone, requests
  position jsonb,                       -- the registry and repository that were done last: another replica goes on behind them
  failures jsonb NOT NULL DEFAULT '[]',
  lease_owner uuid,
  lease_expires_at timestamptz,
  CHECK ((state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)),
  CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL))) WITH (fillfactor = 70);
CREATE UNIQUE INDEX inventory_scans_open_once ON inventory_scans (environment) WHERE finished_at IS NULL;   -- one replica at a time
CREATE INDEX ON inventory_scans (environment, id DESC);

-- ── what artifacts say of themselves: read from their bytes, and can be read again ─────────────────

CREATE TABLE artifact_details (
  digest oci_digest PRIMARY KEY,
  media_type text NOT NULL,
  artifact_type text,
  subject oci_digest,                   -- the manifest that this one is about: a signature's image
  size bigint NOT NULL CHECK (size >= 0),          -- bytes of all manifests and blobs, each once
  created timestamptz,
  platforms text[] NOT NULL DEFAULT '{}',
  labels jsonb NOT NULL DEFAULT '{}',   -- labels, and annotations where no label has the name
  revision text GENERATED ALWAYS AS (labels ->> 'org.opencontainers.image.revision') STORED,
  base_name text GENERATED ALWAYS AS (labels ->> 'org.opencontainers.image.base.name') STORED,
  base_digest text GENERATED ALWAYS AS (labels ->> 'org.opencontainers.image.base.digest') STORED,
  complete boolean NOT NULL,            -- whether the configuration was read
  described_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON artifact_details (subject) WHERE subject IS NOT NULL;

CREATE TABLE artifact_blobs (           -- the blobs below an artifact, of all its platforms
  digest oci_digest NOT NULL,
  blob oci_digest NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  position int NOT NULL,
  PRIMARY KEY (digest, blob));
CREATE INDEX ON artifact_blobs (blob);

CREATE TABLE image_artifacts (          -- which artifacts an image's tags name or named: what a search for artifacts goes through
  image_id bigint NOT NULL REFERENCES images,
  digest oci_digest NOT NULL,
  size bigint,
  created timestamptz,
  platforms text[] NOT NULL DEFAULT '{}',
  labels jsonb NOT NULL DEFAULT '{}',
  revision text,
  PRIMARY KEY (image_id, digest));
CREATE INDEX ON image_artifacts (digest);
CREATE INDEX ON image_artifacts (revision text_pattern_ops) WHERE revision IS NOT NULL;
CREATE INDEX ON image_artifacts USING gin (labels jsonb_path_ops);

ALTER TABLE images
  ADD COLUMN description text CHECK (octet_length(description) <= 2000),
  ADD COLUMN keywords text NOT NULL DEFAULT '' CHECK (octet_length(keywords) <= 8000),
  ADD COLUMN described_created timestamptz,
  ADD COLUMN words tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('simple'::regconfig, regexp_replace(name, '[^a-z0-9]+', ' ', 'g')), 'A')
    || setweight(to_tsvector('simple'::regconfig, coalesce(description, '')), 'B') || to_tsvector('simple'::regconfig, keywords)) STORED;
CREATE INDEX images_words ON images USING gin (words);
CREATE INDEX images_name_part ON images USING gin (name gin_trgm_ops);

-- A tag's moves in order; what it named at a time; which tags have a name now.
CREATE INDEX tag_history_moves ON tag_history (repository_id, tag, id DESC);
CREATE INDEX tag_history_named ON tag_history (tag text_pattern_ops, repository_id) WHERE upper_inf(valid) AND digest IS NOT NULL;

-- ── drift ───────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE drifts (                   -- a tag that no longer names what Shiplift made it name last
  id uuid PRIMARY KEY,
  repository_id bigint NOT NULL REFERENCES repositories,
  tag oci_tag NOT NULL,
  expected oci_digest NOT NULL,
  found oci_digest,                     -- NULL: the tag is gone
  promotion_id uuid NOT NULL,           -- whose write it was
  detected_at timestamptz NOT NULL DEFAULT now(),
  seen_by text NOT NULL,
  resolved_at timestamptz,
  resolution text CHECK (resolution IN ('returned', 'promoted', 'rolled-back', 'restored')),
  restoring uuid REFERENCES promotions, -- the promotion that is to put it back
  restore_failures int NOT NULL DEFAULT 0,
  restore_after timestamptz NOT NULL DEFAULT now(),
  audit_id uuid NOT NULL UNIQUE,
  CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
  CHECK (found IS DISTINCT FROM expected));
CREATE UNIQUE INDEX drifts_open_once ON drifts (repository_id, tag) WHERE resolved_at IS NULL;
CREATE INDEX ON drifts (id DESC);

-- ── rollback: a promotion back to an earlier state of the same environment ─────────────────────────

-- {"step": the environment by whose step's rules it is decided, "state": the time it goes back to, "restores": whether it undoes drift}
ALTER TABLE promotions ADD COLUMN rollback jsonb;
DO $$ DECLARE c text; BEGIN
  FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'promotions'::regclass AND contype = 'c'
                                               AND pg_get_constraintdef(oid) LIKE '%from_environment <> to_environment%' LOOP
    EXECUTE format('ALTER TABLE promotions DROP CONSTRAINT %I', c);
  END LOOP;
END $$;
ALTER TABLE promotions ADD CONSTRAINT promotions_go_somewhere CHECK (rollback IS NOT NULL OR from_environment <> to_environment);
ALTER TABLE promotions ADD CONSTRAINT promotions_rollback_form CHECK (rollback IS NULL OR rollback ->> 'step' IS NOT NULL);

CREATE OR REPLACE FUNCTION promotion_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.digest <> OLD.digest OR NEW.image_id <> OLD.image_id OR NEW.to_environment <> OLD.to_environment
     OR NEW.from_environment <> OLD.from_environment OR NEW.requested_by <> OLD.requested_by OR NEW.rollback IS DISTINCT FROM OLD.rollback THEN
    RAISE EXCEPTION 'what a promotion moves is fixed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND (NEW.version <> OLD.version + 1 OR NOT EXISTS (
       SELECT FROM promotion_transitions t WHERE t.promotion_id = NEW.id AND t.version = NEW.version
         AND t.from_state = OLD.state AND t.to_state = NEW.state)) THEN
    RAISE EXCEPTION 'state changed without its transition' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON inventory_scans, artifact_details, artifact_blobs, image_artifacts, drifts TO shiplift_app;
GRANT SELECT ON inventory_scans, artifact_details, artifact_blobs, image_artifacts, drifts TO shiplift_reader;
