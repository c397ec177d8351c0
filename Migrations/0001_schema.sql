-- Shiplift's schema. Run by the owner; the service works as shiplift_app, readers as shiplift_reader.
-- Invariants stand here as constraints, so that no bug in the service can break them.

CREATE EXTENSION IF NOT EXISTS btree_gist;   -- trusted since PostgreSQL 13: the owner may create it

-- Roles belong to the cluster: another database of it may be making them at the same moment.
DO $$ DECLARE r text; BEGIN
  FOREACH r IN ARRAY ARRAY['shiplift_app', 'shiplift_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', r);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
  IF NOT pg_has_role(current_user, 'shiplift_app', 'MEMBER') THEN EXECUTE format('GRANT shiplift_app TO %I', current_user); END IF;
END $$;

-- 1 = sha256, 2 = sha512, then the hash: 33 or 65 bytes instead of 71 or 135.
CREATE DOMAIN oci_digest AS bytea CHECK (
  (octet_length(VALUE) = 33 AND get_byte(VALUE, 0) = 1) OR (octet_length(VALUE) = 65 AND get_byte(VALUE, 0) = 2));
CREATE DOMAIN oci_tag AS text CHECK (VALUE ~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$');
CREATE DOMAIN sha256_hash AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN promotion_state AS text CHECK (VALUE IN (
  'requested', 'evaluating', 'waiting', 'denied', 'queued', 'copying', 'committing', 'succeeded', 'failed', 'cancelled'));

-- ── where things are ────────────────────────────────────────────────────────────────────────────────

CREATE TABLE registries (               -- a server, by URL: two environments may share one
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  url text NOT NULL UNIQUE);

CREATE TABLE repositories (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  registry_id smallint NOT NULL REFERENCES registries,
  name text NOT NULL,
  UNIQUE (registry_id, name), UNIQUE (id, registry_id));

CREATE TABLE images (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE);

CREATE TABLE environments (             -- never deleted: promotions and history name them
  name text PRIMARY KEY,
  position int NOT NULL,
  retired boolean NOT NULL DEFAULT false);

CREATE TABLE environment_registries (   -- the names that environments.yaml gives to registries
  name text PRIMARY KEY,
  environment text NOT NULL REFERENCES environments,
  registry_id smallint NOT NULL REFERENCES registries);

CREATE TABLE image_repositories (       -- image × environment × registry → repository
  image_id bigint NOT NULL REFERENCES images,
  registry_name text NOT NULL REFERENCES environment_registries,
  repository_id bigint NOT NULL REFERENCES repositories,
  PRIMARY KEY (image_id, registry_name));
CREATE INDEX ON image_repositories (repository_id);

CREATE TABLE artifacts (                -- manifests are immutable; the database itself checks that the bytes are the digest's
  digest oci_digest PRIMARY KEY,
  media_type text NOT NULL,
  bytes bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 4194304),
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  CHECK (CASE get_byte(digest, 0) WHEN 1 THEN substr(digest::bytea, 2) = sha256(bytes) ELSE substr(digest::bytea, 2) = sha512(bytes) END));

CREATE TABLE small_blobs (              -- image configurations: what policy reads
  digest oci_digest PRIMARY KEY,
  bytes bytea NOT NULL CHECK (octet_length(bytes) <= 4194304),
  CHECK (CASE get_byte(digest, 0) WHEN 1 THEN substr(digest::bytea, 2) = sha256(bytes) ELSE substr(digest::bytea, 2) = sha512(bytes) END));

CREATE TABLE manifest_locations (       -- a hint, never a proof
  registry_id smallint NOT NULL,
  repository_id bigint NOT NULL,
  digest oci_digest NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (repository_id, digest),
  FOREIGN KEY (repository_id, registry_id) REFERENCES repositories (id, registry_id));
CREATE INDEX ON manifest_locations (digest);

CREATE TABLE blob_locations (           -- a hint, never a proof; committed = a manifest in that repository refers to the blob
  registry_id smallint NOT NULL,
  digest oci_digest NOT NULL,
  repository_id bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  committed_at timestamptz,
  mountable boolean NOT NULL DEFAULT true,
  PRIMARY KEY (registry_id, digest, repository_id),
  FOREIGN KEY (repository_id, registry_id) REFERENCES repositories (id, registry_id)) WITH (fillfactor = 85);

CREATE TABLE tag_history (              -- digest NULL: the tag did not exist in that time
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  repository_id bigint NOT NULL REFERENCES repositories,
  tag oci_tag NOT NULL,
  digest oci_digest,
  valid tstzrange NOT NULL CHECK (NOT isempty(valid) AND lower_inc(valid)),
  promotion_id uuid,
  seen_by text NOT NULL,
  EXCLUDE USING gist (repository_id WITH =, (tag::text) WITH =, valid WITH &&));   -- one truth at every instant
CREATE UNIQUE INDEX tag_current ON tag_history (repository_id, tag) WHERE upper_inf(valid);
CREATE INDEX ON tag_history (digest) WHERE upper_inf(valid);

-- ── policies ────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE policy_versions (          -- every version that was ever in force, with its files
  version text PRIMARY KEY,
  content_sha256 sha256_hash NOT NULL,
  files jsonb NOT NULL,
  loaded_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE policy_in_force (          -- one row: what decides now
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version text NOT NULL REFERENCES policy_versions,
  since timestamptz NOT NULL DEFAULT now());

-- ── promotions ──────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE promotion_edges (          -- the state machine; PromotionState.swift says the same and a test compares them
  from_state promotion_state NOT NULL, to_state promotion_state NOT NULL, PRIMARY KEY (from_state, to_state));
INSERT INTO promotion_edges VALUES
  ('requested', 'evaluating'), ('requested', 'cancelled'),
  ('evaluating', 'denied'), ('evaluating', 'waiting'), ('evaluating', 'queued'), ('evaluating', 'failed'), ('evaluating', 'cancelled'),
  ('waiting', 'evaluating'), ('waiting', 'cancelled'),
  ('queued', 'copying'), ('queued', 'failed'), ('queued', 'cancelled'),
  ('copying', 'committing'), ('copying', 'queued'), ('copying', 'failed'), ('copying', 'cancelled'),
  ('committing', 'succeeded'), ('committing', 'queued'), ('committing', 'failed'),
  ('failed', 'requested'), ('denied', 'requested'), ('cancelled', 'requested');

CREATE TABLE promotions (
  id uuid PRIMARY KEY,                  -- UUID of version 7: sorts by time
  image_id bigint NOT NULL REFERENCES images,
  from_environment text NOT NULL REFERENCES environments,
  to_environment text NOT NULL REFERENCES environments,
  digest oci_digest NOT NULL,
  source_tag oci_tag,
  requested_tags text[] NOT NULL DEFAULT '{}',
  reason text,
  requested_by text NOT NULL,
  request_id text,
  dedupe_key sha256_hash NOT NULL,
  state promotion_state NOT NULL DEFAULT 'requested',
  version int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  policy_version text,
  decision jsonb, report jsonb, tag_moves jsonb, failure jsonb,
  CHECK ((state IN ('denied', 'succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (from_environment <> to_environment)) WITH (fillfactor = 80);
CREATE UNIQUE INDEX promotions_live_once ON promotions (dedupe_key) WHERE finished_at IS NULL;
CREATE INDEX ON promotions (image_id, to_environment, id DESC);
CREATE INDEX ON promotions (digest);
CREATE INDEX promotions_open ON promotions (state, id) WHERE finished_at IS NULL;

CREATE TABLE promotion_transitions (    -- append-only; the composite key refuses a move that is no edge
  promotion_id uuid NOT NULL REFERENCES promotions,
  version int NOT NULL,
  from_state promotion_state NOT NULL,
  to_state promotion_state NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  actor text NOT NULL,
  audit_id uuid NOT NULL UNIQUE,        -- one entry for one move
  PRIMARY KEY (promotion_id, version),
  FOREIGN KEY (from_state, to_state) REFERENCES promotion_edges);

CREATE FUNCTION promotion_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.digest <> OLD.digest OR NEW.image_id <> OLD.image_id OR NEW.to_environment <> OLD.to_environment
     OR NEW.from_environment <> OLD.from_environment OR NEW.requested_by <> OLD.requested_by THEN
    RAISE EXCEPTION 'what a promotion moves is fixed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.state <> OLD.state AND (NEW.version <> OLD.version + 1 OR NOT EXISTS (
       SELECT FROM promotion_transitions t WHERE t.promotion_id = NEW.id AND t.version = NEW.version
         AND t.from_state = OLD.state AND t.to_state = NEW.state)) THEN
    RAISE EXCEPTION 'state changed without its transition' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER promotion_moves BEFORE UPDATE ON promotions FOR EACH ROW EXECUTE FUNCTION promotion_moves();

CREATE TABLE promotion_targets (        -- the repositories and tags that a promotion writes
  promotion_id uuid NOT NULL REFERENCES promotions,
  repository_id bigint NOT NULL REFERENCES repositories,
  tag oci_tag NOT NULL,
  holds boolean NOT NULL DEFAULT false,
  PRIMARY KEY (promotion_id, repository_id, tag));
CREATE UNIQUE INDEX target_held_once ON promotion_targets (repository_id, tag) WHERE holds;   -- one writer of a tag at a time
CREATE INDEX ON promotion_targets (repository_id, tag);

CREATE TABLE evaluations (              -- append-only: what was decided, on which facts, under which policy
  promotion_id uuid NOT NULL REFERENCES promotions,
  version int NOT NULL,
  policy_version text NOT NULL REFERENCES policy_versions,
  outcome text NOT NULL CHECK (outcome IN ('allow', 'deny', 'wait')),
  decision jsonb NOT NULL,
  facts jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (promotion_id, version));

-- ── jobs ────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE job_lanes (                -- fairness between images, and limits that hold across replicas
  lane text PRIMARY KEY,
  max_running int NOT NULL DEFAULT 8,
  running int NOT NULL DEFAULT 0,
  last_claimed_at timestamptz NOT NULL DEFAULT '-infinity',
  CHECK (running BETWEEN 0 AND max_running)) WITH (fillfactor = 50);

CREATE TABLE jobs (                     -- live work only: what is done is deleted with its effect
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane text NOT NULL REFERENCES job_lanes,
  promotion_id uuid NOT NULL UNIQUE REFERENCES promotions,
  state text NOT NULL DEFAULT 'available' CHECK (state IN ('available', 'running')),
  run_at timestamptz NOT NULL DEFAULT now(),
  failures int NOT NULL DEFAULT 0,
  lost int NOT NULL DEFAULT 0,
  lease_epoch bigint NOT NULL DEFAULT 0,
  lease_owner uuid,
  lease_expires_at timestamptz,
  cancel_requested boolean NOT NULL DEFAULT false,
  progress jsonb,
  CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL)))
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_claim ON jobs (lane, run_at, id) WHERE state = 'available';
CREATE INDEX jobs_lost ON jobs (lease_expires_at) WHERE state = 'running';

-- ── audit ───────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE audit_entries (            -- written in the act's own transaction; no sequence number, so no global lock
  occurred_at timestamptz NOT NULL,
  id uuid NOT NULL,
  canonical text NOT NULL CHECK (octet_length(canonical) BETWEEN 2 AND 65536),
  leaf_hash sha256_hash NOT NULL,
  -- The columns to query by are derived from the hashed text: they can't disagree with it.
  action text GENERATED ALWAYS AS (canonical::jsonb ->> 'action') STORED NOT NULL,
  actor text GENERATED ALWAYS AS (canonical::jsonb ->> 'actor') STORED NOT NULL,
  outcome text GENERATED ALWAYS AS (canonical::jsonb ->> 'outcome') STORED NOT NULL,
  image text GENERATED ALWAYS AS (canonical::jsonb ->> 'image') STORED,
  digest text GENERATED ALWAYS AS (canonical::jsonb ->> 'digest') STORED,
  environment text GENERATED ALWAYS AS (canonical::jsonb ->> 'environment') STORED,
  promotion_id text GENERATED ALWAYS AS (canonical::jsonb ->> 'promotionId') STORED,
  PRIMARY KEY (occurred_at, id),
  CHECK (leaf_hash = sha256('\x00'::bytea || convert_to(canonical, 'UTF8'))),      -- RFC 6962 §2.1: a leaf
  CHECK ((canonical::jsonb ->> 'id')::uuid = id),
  CHECK (occurred_at = timestamptz 'epoch' + (canonical::jsonb ->> 'timeMicros')::bigint * interval '1 microsecond'))
  PARTITION BY RANGE (occurred_at);     -- no default partition: a missing month must fail loudly
CREATE INDEX ON audit_entries (actor, occurred_at DESC, id DESC);
CREATE INDEX ON audit_entries (image, occurred_at DESC, id DESC);
CREATE INDEX ON audit_entries (digest, occurred_at DESC, id DESC);
CREATE INDEX ON audit_entries (action, occurred_at DESC, id DESC);
CREATE INDEX ON audit_entries (promotion_id);
CREATE INDEX ON audit_entries (id);

CREATE TABLE audit_unsequenced (        -- filled by a trigger alone, emptied by the sequencer
  id uuid PRIMARY KEY,
  occurred_at timestamptz NOT NULL,
  leaf_hash sha256_hash NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  ordinal bigint GENERATED ALWAYS AS IDENTITY)
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE audit_leaves (             -- each entry's place in the log
  leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
  id uuid NOT NULL UNIQUE,
  occurred_at timestamptz NOT NULL,
  leaf_hash sha256_hash NOT NULL);

CREATE TABLE audit_checkpoints (        -- a signed statement of the tree's size and root; the frontier lets the next batch go on
  tree_size bigint PRIMARY KEY,
  root sha256_hash NOT NULL,
  frontier bytea NOT NULL,
  note text NOT NULL,
  at timestamptz NOT NULL DEFAULT now());

CREATE FUNCTION audit_queue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  INSERT INTO audit_unsequenced (id, occurred_at, leaf_hash) VALUES (NEW.id, NEW.occurred_at, NEW.leaf_hash);
  RETURN NULL;
END $$;
CREATE TRIGGER audit_queue AFTER INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_queue();

CREATE FUNCTION audit_next_leaf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.leaf_index <> (SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves) THEN
    RAISE EXCEPTION 'leaf % leaves a gap', NEW.leaf_index USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER audit_next_leaf BEFORE INSERT ON audit_leaves FOR EACH ROW EXECUTE FUNCTION audit_next_leaf();

CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION '% on % is not allowed: append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- TRUNCATE triggers are not inherited by partitions: each gets its own.
CREATE FUNCTION audit_ensure_months(ahead int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  month timestamptz;
  partition text;
BEGIN
  FOR i IN -1..least(greatest(ahead, 0), 24) LOOP
    month := date_trunc('month', now(), 'UTC') + make_interval(months => i);
    partition := 'audit_entries_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
    CONTINUE WHEN to_regclass(partition) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I PARTITION OF audit_entries FOR VALUES FROM (%L) TO (%L)',
                   partition, month, date_trunc('month', month + interval '32 days', 'UTC'));
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()', partition);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only_truncate', partition);
  END LOOP;
END $$;

-- ── identity, idempotency, events ───────────────────────────────────────────────────────────────────

CREATE TABLE tokens (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  secret_sha256 sha256_hash NOT NULL UNIQUE,
  hint text NOT NULL CHECK (length(hint) <= 8),
  grants jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  last_used_on date,
  CHECK (expires_at > created_at));
CREATE UNIQUE INDEX tokens_name_once ON tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE idempotency_keys (
  principal text NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint sha256_hash NOT NULL,
  promotion_id uuid NOT NULL REFERENCES promotions,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, key));
CREATE INDEX ON idempotency_keys (created_at);

CREATE TABLE outbox (                   -- events on their way out; the ordinal gives the order per promotion
  event_id uuid PRIMARY KEY,
  promotion_id uuid NOT NULL REFERENCES promotions,
  ordinal int NOT NULL,
  type text NOT NULL,
  payload jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  fanned_out boolean NOT NULL DEFAULT false,
  UNIQUE (promotion_id, ordinal));
CREATE INDEX ON outbox (at) WHERE NOT fanned_out;

-- ── append-only, against the owner's mistakes too ───────────────────────────────────────────────────

DO $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['audit_entries', 'audit_leaves', 'audit_checkpoints', 'promotion_transitions', 'evaluations', 'artifacts', 'policy_versions'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION forbid_change()', t);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()', t);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', t);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only_truncate', t);
  END LOOP;
  -- Functions that run with the owner's rights find only this schema's objects.
  EXECUTE format('ALTER FUNCTION audit_queue() SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION audit_ensure_months(int) SET search_path = %I, pg_temp', current_schema());
  -- ── rights ──
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO shiplift_app, shiplift_reader', current_schema());
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO shiplift_app', current_schema());
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO shiplift_reader', current_schema());
END $$;
REVOKE UPDATE, DELETE ON audit_entries, audit_leaves, audit_checkpoints, promotion_transitions, evaluations, artifacts, policy_versions FROM shiplift_app;
REVOKE INSERT, UPDATE ON audit_unsequenced FROM shiplift_app;       -- only the trigger feeds the sequencer
REVOKE INSERT, UPDATE, DELETE ON promotion_edges FROM shiplift_app;
REVOKE DELETE ON promotions, tokens, environments FROM shiplift_app;
REVOKE SELECT ON tokens, idempotency_keys FROM shiplift_reader;
REVOKE ALL ON FUNCTION audit_ensure_months(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_ensure_months(int) TO shiplift_app;

SELECT audit_ensure_months(3);
