-- What was held once: archives some decision put in quarantine. The first of these decisions is the
-- ticket.
CREATE TABLE holds (
    artifact INTEGER PRIMARY KEY REFERENCES artifacts (id),
    package  INTEGER NOT NULL REFERENCES packages (id),
    first    INTEGER NOT NULL UNIQUE REFERENCES entries (idx),
    ticket   TEXT NOT NULL,
    since    INTEGER NOT NULL
) STRICT;
CREATE INDEX holds_package ON holds (package, first);

-- The newest decision about each of them, for each audience.
CREATE TABLE hold_standing (
    artifact INTEGER NOT NULL REFERENCES artifacts (id),
    audience TEXT NOT NULL,
    idx      INTEGER NOT NULL REFERENCES decisions (idx),
    effect   TEXT NOT NULL,
    PRIMARY KEY (artifact, audience)
) STRICT, WITHOUT ROWID;

-- What people did about them, requests included; `settles` where it says how the artifact stands.
CREATE TABLE quarantine_changes (
    idx      INTEGER PRIMARY KEY REFERENCES entries (idx),
    artifact INTEGER NOT NULL REFERENCES artifacts (id),
    act      TEXT NOT NULL,
    settles  INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_changes_artifact ON quarantine_changes (artifact, idx);

INSERT INTO holds (artifact, package, first, ticket, since)
SELECT artifact, decisions.package, min(idx), decisions.id, at
FROM decisions JOIN artifacts ON artifacts.id = artifact
WHERE effect = 'quarantine' AND kind = 'archive'
GROUP BY artifact;

INSERT INTO hold_standing (artifact, audience, idx, effect)
SELECT artifact, audience, max(idx), effect
FROM decisions WHERE artifact IN (SELECT artifact FROM holds)
GROUP BY artifact, audience;
