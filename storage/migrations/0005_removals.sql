-- What upstream lists no longer, or again (`scope` is null): of several rows about a file the newest counts.
CREATE TABLE removals (
    idx      INTEGER PRIMARY KEY REFERENCES entries (idx),
    at       INTEGER NOT NULL,
    package  INTEGER NOT NULL REFERENCES packages (id),
    artifact INTEGER NOT NULL REFERENCES artifacts (id),
    scope    TEXT
) STRICT;
CREATE INDEX removals_package ON removals (package, idx);
