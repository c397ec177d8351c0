-- Which promotions Shiplift has signed for in the target registries. A row without attested_at is taken by somebody, who may have died.
CREATE TABLE promotion_attestations (
  promotion_id uuid PRIMARY KEY REFERENCES promotions,
  taken_at timestamptz NOT NULL DEFAULT now(),
  attested_at timestamptz);

GRANT SELECT, INSERT, UPDATE, DELETE ON promotion_attestations TO shiplift_app;
GRANT SELECT ON promotion_attestations TO shiplift_reader;
