-- Names asked for that did not exist; the first time counts.
CREATE TABLE missed (
    package   INTEGER PRIMARY KEY REFERENCES packages (id),
    at        INTEGER NOT NULL,
    missed_by INTEGER NOT NULL REFERENCES entries (idx),
    -- As it is written in the log: a package nothing was decided about has no artifact to tell.
    name      TEXT NOT NULL
) STRICT;
CREATE INDEX missed_by ON missed (missed_by);

-- Exemptions granted by administrators: the newest word on each. `text` is null once it was ended.
CREATE TABLE exemptions (
    id         TEXT PRIMARY KEY,
    text       TEXT,
    changed_by INTEGER NOT NULL REFERENCES entries (idx)
) STRICT;
