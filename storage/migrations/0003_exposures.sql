-- Exposures: what was served and is refused by now.
CREATE TABLE exposures (
    idx      INTEGER PRIMARY KEY REFERENCES entries (idx),
    at       INTEGER NOT NULL,
    package  INTEGER NOT NULL REFERENCES packages (id),
    artifact INTEGER NOT NULL REFERENCES artifacts (id),
    decision TEXT NOT NULL
) STRICT;
CREATE INDEX exposures_package ON exposures (package, idx);
CREATE INDEX exposures_artifact ON exposures (artifact, idx);
CREATE INDEX exposures_at ON exposures (at, idx);
