-- The plans behind the first page of a question to the audit log, and why it has the indexes that it has. Over a seeded log:
--   psql URL -v ON_ERROR_STOP=1 -f Benchmarks/audit_plans.sql
-- The page is found first and joined with its places after it, so that no plan reads the leaves of more than a page. An index for two fields
-- together was not worth its cost for every act; one for `outcome` holds only what went wrong. A question that contradicts itself (an actor who
-- never did such a thing to a busy image) reads the rarest of its fields to the end: 0.1 s at 10 million entries.
SET search_path = shiplift, public;

\echo newest first: the primary key, backwards, month after month until the page is full
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true  ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;

\echo an image (an actor, an action, a digest, an environment alike): its own index, in the order of the page
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true AND e.image = 'team-31/service-1703' ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;

\echo an environment and an action: month by month whichever is rarer, the other as a filter
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true AND e.environment = 'production' AND e.action = 'promotion.succeeded' ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;

\echo what was denied to an image: the two small bitmaps meet
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true AND e.outcome = 'denied' AND e.image = 'team-0/service-0' ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;

\echo a promotion: its index, a sort of its few entries
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true AND e.promotion_id = md5('promotion5000')::uuid::text ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;

\echo image and actor: whichever is rarer
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true AND e.image = 'team-31/service-1703' AND e.actor = 'token:person-0' ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;

\echo a word of one digest: the index of the digest, the text of its few entries
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)
SELECT l.leaf_index, e.id, e.canonical FROM (
  SELECT e.occurred_at, e.id, e.canonical FROM audit_entries e WHERE true AND e.digest = 'sha256:' || md5('a5000') || md5('b5000') AND strpos(lower(e.canonical), lower('release 5000')) > 0 ORDER BY e.occurred_at DESC, e.id DESC LIMIT 51) e
  LEFT JOIN audit_leaves l ON l.id = e.id ORDER BY e.occurred_at DESC, e.id DESC;
