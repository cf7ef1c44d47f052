-- Policies may tell apart who asks: decisions for some routes or identities stand beside those for
-- everybody (`audience` is empty).
ALTER TABLE decisions ADD COLUMN audience TEXT NOT NULL DEFAULT '';
CREATE INDEX decisions_audience ON decisions (artifact, audience, idx);
