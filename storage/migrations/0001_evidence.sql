-- Evidence store, schema 1. Times are milliseconds since 1970 UTC; digests of texts are raw SHA-256 bytes.

-- The log. `bytes` is the canonical form of the entry, `leaf` its Merkle leaf hash.
CREATE TABLE entries (
    idx   INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL,
    leaf  BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- Roots of full subtrees of 256, 65,536, ... entries: `level` 1, 2, ... of the tiles.
CREATE TABLE nodes (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

-- One row: how far the log goes, and which opening of the store may write. The size is kept
-- beside the entries so that entries cut off the end are noticed.
CREATE TABLE head (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    size  INTEGER NOT NULL,
    root  BLOB NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;

-- What entries name by digest, and entries too long for the log.
CREATE TABLE texts (
    digest BLOB NOT NULL UNIQUE,
    bytes  BLOB NOT NULL
) STRICT;

-- From here on: projections of the entries, written in the same transaction as they are.

CREATE TABLE packages (
    id        INTEGER PRIMARY KEY,
    ecosystem TEXT NOT NULL,
    name      TEXT NOT NULL,
    UNIQUE (ecosystem, name)
) STRICT;

-- `identity` is the ArtifactId as JSON. `pinned` and `first_allowed_at` are written once; the
-- entry each came from stands beside it.
CREATE TABLE artifacts (
    id               INTEGER PRIMARY KEY,
    package          INTEGER NOT NULL REFERENCES packages (id),
    version          TEXT NOT NULL,
    file             TEXT NOT NULL,
    kind             TEXT NOT NULL,
    identity         TEXT NOT NULL,
    pinned           TEXT,
    pinned_by        INTEGER REFERENCES entries (idx),
    first_allowed_at INTEGER,
    first_allowed_by INTEGER REFERENCES entries (idx),
    UNIQUE (package, version, file, kind)
) STRICT;

CREATE TABLE decisions (
    idx      INTEGER PRIMARY KEY REFERENCES entries (idx),
    id       TEXT NOT NULL,
    at       INTEGER NOT NULL,
    package  INTEGER NOT NULL REFERENCES packages (id),
    artifact INTEGER NOT NULL REFERENCES artifacts (id),
    effect   TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_id ON decisions (id, idx);
CREATE INDEX decisions_package ON decisions (package, idx);
CREATE INDEX decisions_artifact ON decisions (artifact, idx);
CREATE INDEX decisions_effect ON decisions (effect, idx);
CREATE INDEX decisions_at ON decisions (at, idx);

-- Which rules found something, waived or not.
CREATE TABLE decision_rules (
    rule TEXT NOT NULL,
    idx  INTEGER NOT NULL REFERENCES decisions (idx),
    PRIMARY KEY (rule, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE servings (
    idx      INTEGER PRIMARY KEY REFERENCES entries (idx),
    decision TEXT NOT NULL,
    client   TEXT NOT NULL,
    agent    TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    count    INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX servings_decision ON servings (decision, idx);
CREATE INDEX servings_client ON servings (client, decision);

-- Candidates at first sight; a second sighting of the same file changes nothing.
CREATE TABLE sightings (
    package       INTEGER NOT NULL REFERENCES packages (id),
    version       TEXT NOT NULL,
    file          TEXT NOT NULL,
    first_seen_at INTEGER NOT NULL,
    published_at  INTEGER,
    seen_by       INTEGER NOT NULL REFERENCES entries (idx),
    PRIMARY KEY (package, version, file)
) STRICT, WITHOUT ROWID;
