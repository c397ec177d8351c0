-- What decisions were made on, each content once: a promotion that waits is looked at again and again, and mostly sees the same. The findings of
-- scans, which may be thousands, are contents of their own.
CREATE TABLE fact_contents (
  sha256 sha256_hash PRIMARY KEY,       -- of the text that was written
  content jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now());

ALTER TABLE evaluations ALTER COLUMN facts DROP NOT NULL;
ALTER TABLE evaluations ADD COLUMN facts_sha256 sha256_hash REFERENCES fact_contents;
ALTER TABLE evaluations ADD CHECK ((facts IS NULL) <> (facts_sha256 IS NULL));

-- Events about something else than a promotion have no promotion, and no order but their time.
ALTER TABLE outbox ALTER COLUMN promotion_id DROP NOT NULL;
ALTER TABLE outbox ALTER COLUMN ordinal DROP NOT NULL;
ALTER TABLE outbox ADD CHECK ((promotion_id IS NULL) = (ordinal IS NULL));

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON fact_contents FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON fact_contents FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
ALTER TABLE fact_contents ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE fact_contents ENABLE ALWAYS TRIGGER append_only_truncate;
GRANT SELECT, INSERT ON fact_contents TO shiplift_app;
GRANT SELECT ON fact_contents TO shiplift_reader;
