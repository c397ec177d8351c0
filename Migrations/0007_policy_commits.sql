-- Which commit a policy version was read from, by whom and signed by whom; versions from a folder have none.
CREATE TABLE policy_commits (
  version text PRIMARY KEY REFERENCES policy_versions,
  details jsonb NOT NULL);

-- Editions that were not put in force, each once, whoever and however often looks at them.
CREATE TABLE policy_refusals (
  revision text PRIMARY KEY,
  refused_at timestamptz NOT NULL DEFAULT now(),
  details jsonb NOT NULL);

GRANT SELECT, INSERT ON policy_commits, policy_refusals TO shiplift_app;
GRANT SELECT ON policy_commits, policy_refusals TO shiplift_reader;
