-- What is known of each registry that an environment names: found out by a probe, met in work. Hints: lost without harm.
CREATE TABLE registry_profiles (
  registry_name text NOT NULL CHECK (length(registry_name) BETWEEN 1 AND 1000),
  url text NOT NULL,
  probed jsonb NOT NULL DEFAULT '{}',
  learned jsonb NOT NULL DEFAULT '{}',
  report jsonb,                         -- what the probe asked and heard, and what it left behind
  probed_at timestamptz,
  due_at timestamptz NOT NULL DEFAULT '-infinity',
  failure text,
  probing_until timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (registry_name, url));

GRANT SELECT, INSERT, UPDATE, DELETE ON registry_profiles TO shiplift_app;
GRANT SELECT ON registry_profiles TO shiplift_reader;
