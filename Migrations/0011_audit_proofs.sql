-- Inner nodes of the log's tree, so that a proof needs a few hundred hashes: the full subtrees of 256, 65,536 … leaves.
CREATE TABLE audit_nodes (
  level smallint NOT NULL CHECK (level IN (8, 16, 24, 32, 40, 48, 56)),
  node_index bigint NOT NULL CHECK (node_index >= 0),
  hash sha256_hash NOT NULL,
  PRIMARY KEY (level, node_index));

CREATE FUNCTION audit_next_node() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.node_index <> (SELECT coalesce(max(node_index) + 1, 0) FROM audit_nodes WHERE level = NEW.level) THEN
    RAISE EXCEPTION 'node % of level % leaves a gap', NEW.node_index, NEW.level USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER audit_next_node BEFORE INSERT ON audit_nodes FOR EACH ROW EXECUTE FUNCTION audit_next_node();

-- The columns to query by are still derived from the hashed text, but it is parsed once for a row and not ten times. Whatever a statement
-- says in their place is overwritten; the verifier compares them with the text.
ALTER TABLE audit_entries
  ALTER COLUMN action DROP EXPRESSION, ALTER COLUMN actor DROP EXPRESSION, ALTER COLUMN outcome DROP EXPRESSION, ALTER COLUMN image DROP EXPRESSION,
  ALTER COLUMN digest DROP EXPRESSION, ALTER COLUMN environment DROP EXPRESSION, ALTER COLUMN promotion_id DROP EXPRESSION;
DO $$ DECLARE c text; BEGIN       -- the checks of id and time, by what they say: PostgreSQL named them
  FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'audit_entries'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%jsonb%' LOOP
    EXECUTE format('ALTER TABLE audit_entries DROP CONSTRAINT %I', c);
  END LOOP;
END $$;

CREATE FUNCTION audit_derive() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE entry CONSTANT jsonb := NEW.canonical::jsonb;
BEGIN
  IF NEW.id IS DISTINCT FROM (entry ->> 'id')::uuid
     OR NEW.occurred_at IS DISTINCT FROM timestamptz 'epoch' + (entry ->> 'timeMicros')::bigint * interval '1 microsecond' THEN
    RAISE EXCEPTION 'id and time of audit entry % are not those of its text', NEW.id USING ERRCODE = 'check_violation', TABLE = 'audit_entries';
  END IF;
  NEW.action := entry ->> 'action';
  NEW.actor := entry ->> 'actor';
  NEW.outcome := entry ->> 'outcome';
  NEW.image := entry ->> 'image';
  NEW.digest := entry ->> 'digest';
  NEW.environment := entry ->> 'environment';
  NEW.promotion_id := entry ->> 'promotionId';
  RETURN NEW;
END $$;
CREATE TRIGGER audit_derive BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_derive();
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_derive;

DO $$ BEGIN
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_nodes FOR EACH ROW EXECUTE FUNCTION forbid_change();
  CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit_nodes FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
  ALTER TABLE audit_nodes ENABLE ALWAYS TRIGGER append_only;
  ALTER TABLE audit_nodes ENABLE ALWAYS TRIGGER append_only_truncate;
END $$;
GRANT SELECT, INSERT ON audit_nodes TO shiplift_app;
GRANT SELECT ON audit_nodes TO shiplift_reader;

-- An entry is found by its id through its leaf; the index that only repeated that makes room for one that a question needs.
DROP INDEX audit_entries_id_idx;
CREATE INDEX audit_entries_environment_idx ON audit_entries (environment, occurred_at DESC, id DESC);
-- What went wrong is rare: a small index for the question that an auditor asks first.
CREATE INDEX audit_entries_trouble_idx ON audit_entries (outcome, occurred_at DESC, id DESC) WHERE outcome <> 'success';

-- Where checkpoints go outside our reach, how far each place has come, and what is wrong with it.
CREATE TABLE audit_sinks (
  name text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 500),
  tree_size bigint NOT NULL DEFAULT 0,
  published_at timestamptz,
  failures int NOT NULL DEFAULT 0,
  last_error text,
  due_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE audit_cosignatures (       -- a witness's line under a checkpoint
  tree_size bigint NOT NULL REFERENCES audit_checkpoints,
  witness text NOT NULL,
  line text NOT NULL CHECK (length(line) <= 4096),
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tree_size, witness));

DO $$ BEGIN
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_cosignatures FOR EACH ROW EXECUTE FUNCTION forbid_change();
  CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit_cosignatures FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
  ALTER TABLE audit_cosignatures ENABLE ALWAYS TRIGGER append_only;
  ALTER TABLE audit_cosignatures ENABLE ALWAYS TRIGGER append_only_truncate;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_sinks TO shiplift_app;
GRANT SELECT, INSERT ON audit_cosignatures TO shiplift_app;
GRANT SELECT ON audit_sinks, audit_cosignatures TO shiplift_reader;
