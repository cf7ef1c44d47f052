-- Notices are few among many entries, and asked for without the rest.
CREATE INDEX entries_notices ON entries (idx) WHERE kind = 'notice';
