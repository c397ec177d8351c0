-- Blobs on their way into a registry: whoever else needs one waits and mounts it. Hints with a short life: lost in a crash without harm.
CREATE UNLOGGED TABLE blob_uploads (
  registry_id smallint NOT NULL REFERENCES registries,
  digest oci_digest NOT NULL,
  sender uuid NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (registry_id, digest)) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX ON blob_uploads (sender);

GRANT SELECT, INSERT, UPDATE, DELETE ON blob_uploads TO shiplift_app;
GRANT SELECT ON blob_uploads TO shiplift_reader;
