-- Adds :size entries over the last year to the audit log, as acts would have written them: canonical text, leaves in their order.
-- For a benchmark alone: it goes around the triggers, with the owner's rights, because it makes the columns itself.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET max_parallel_maintenance_workers = 0;

DO $$ DECLARE month timestamptz; name text; BEGIN
  FOR i IN -13..0 LOOP
    month := date_trunc('month', now(), 'UTC') + make_interval(months => i);
    name := 'audit_entries_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I PARTITION OF audit_entries FOR VALUES FROM (%L) TO (%L)', name, month, date_trunc('month', month + interval '32 days', 'UTC'));
  END LOOP;
END $$;

-- Indexes after the rows: their definitions are kept and made again as they were.
CREATE TEMP TABLE definitions AS
  SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS definition, indexrelid::regclass::text AS name FROM pg_index
   WHERE indrelid = 'audit_entries'::regclass AND NOT indisprimary;
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT d.name FROM definitions d LOOP EXECUTE format('DROP INDEX %s', name); END LOOP;
END $$;
ALTER TABLE audit_entries DISABLE TRIGGER audit_queue;
ALTER TABLE audit_entries DISABLE TRIGGER audit_derive;
ALTER TABLE audit_leaves DISABLE TRIGGER audit_next_leaf;

SELECT coalesce(max(leaf_index) + 1, 0) AS base FROM audit_leaves \gset

-- Eight entries tell of one promotion; images, people and environments come as unevenly as they do.
CREATE FUNCTION pg_temp.seed(first bigint, last bigint, size bigint, base bigint) RETURNS void LANGUAGE sql AS $$
  WITH acts AS (
    SELECT i, md5('entry' || i)::uuid AS id, p, md5('promotion' || p)::uuid::text AS promotion,
           (extract(epoch FROM date_trunc('day', now())) * 1000000)::bigint - (size - i) * (31536000000000 / size) AS micros,
           (ARRAY['promotion.requested', 'promotion.evaluating', 'promotion.waiting', 'promotion.approved', 'promotion.queued', 'promotion.copying', 'promotion.committing', 'promotion.succeeded'])[1 + i % 8] AS action,
           CASE WHEN i % 8 IN (0, 3) THEN 'token:person-' || floor(power((p * 7919 % 10007) / 10007.0, 3) * 400) ELSE 'system:worker' END AS actor,
           'team-' || (p * 31 % 40) || '/service-' || floor(power((p * 104729 % 10007) / 10007.0, 2) * 2000) AS image,
           'sha256:' || md5('a' || p) || md5('b' || p) AS digest,
           (ARRAY['test', 'staging', 'test', 'production', 'test', 'staging', 'sandbox'])[1 + p % 7] AS environment,
           CASE WHEN i % 1009 = 0 THEN 'denied' WHEN i % 2003 = 0 THEN 'failure' ELSE 'success' END AS outcome
      FROM (SELECT i, i / 8 AS p FROM generate_series(first, last) i) n),
  texts AS (
    SELECT a.*, format('{"action":"%s","actor":"%s","actorAuth":"%s","after":"copying","before":"queued","details":{"gates":[{"gate":"soak","outcome":"allow"},{"gate":"tests","outcome":"allow"}]},"digest":"%s","environment":"%s","fromEnvironment":"dev","id":"%s","image":"%s","outcome":"%s","policyVersion":"sha256:%s%s","promotionId":"%s","reason":"release %s","requestId":"r-%s","schema":1,"tags":["1.2.%s"],"timeMicros":%s}',
             action, actor, CASE WHEN actor LIKE 'token%' THEN 'token' ELSE 'service' END, digest, environment, id, image, outcome, md5('policy'), md5('version'), promotion, p % 9973, i, p % 1000, micros) AS canonical
      FROM acts a),
  written AS (
    INSERT INTO audit_entries (occurred_at, id, canonical, leaf_hash, action, actor, outcome, image, digest, environment, promotion_id)
    SELECT timestamptz 'epoch' + micros * interval '1 microsecond', id, canonical, sha256('\x00'::bytea || convert_to(canonical, 'UTF8')), action, actor, outcome, image, digest, environment, promotion
      FROM texts)
  INSERT INTO audit_leaves (leaf_index, id, occurred_at, leaf_hash)
  SELECT base + i, id, timestamptz 'epoch' + micros * interval '1 microsecond', sha256('\x00'::bytea || convert_to(canonical, 'UTF8')) FROM texts ORDER BY i
$$;
SELECT format('SELECT pg_temp.seed(%s, %s, %s, %s)', first, least(first + 99999, :size - 1), :size, :base) FROM generate_series(0, :size - 1, 100000) first \gexec

ALTER TABLE audit_entries ENABLE TRIGGER audit_queue;
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_derive;
ALTER TABLE audit_leaves ENABLE TRIGGER audit_next_leaf;
SELECT definition FROM definitions \gexec
ANALYZE audit_entries;
VACUUM ANALYZE audit_leaves;
