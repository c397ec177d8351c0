-- One act's entry, as the service writes it; the text is made here so that nothing but the insert is measured on the client.
-- pgbench takes a colon before a word for a variable, also within a text: they are put in by format().
\set n random(1, 1000000000)
WITH t AS (SELECT gen_random_uuid() AS id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros),
     c AS (SELECT id, micros, format('{"action":"promotion.queued","actor":"system%sworker","actorAuth":"service","after":"queued","before":"evaluating","details":{"gates":[{"gate":"soak","outcome":"allow"},{"gate":"tests","outcome":"allow"}]},"digest":"sha256:%s","environment":"production","fromEnvironment":"staging","id":"%s","image":"team/service-%s","outcome":"success","policyVersion":"sha256:%s","promotionId":"%s","requestId":"r-%s","schema":%s,"tags":["1.2.3"],"timeMicros":%s}',
       chr(58), md5((:n)::int::text) || md5('x' || (:n)::int), id, (:n)::int % 2000, md5('p') || md5('q'), gen_random_uuid(), (:n)::int, 1, micros) AS canonical FROM t)
INSERT INTO audit_entries (occurred_at, id, canonical, leaf_hash)
SELECT timestamptz 'epoch' + micros * interval '1 microsecond', id, canonical, sha256('\x00'::bytea || convert_to(canonical, 'UTF8')) FROM c;
