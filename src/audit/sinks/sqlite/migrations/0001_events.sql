CREATE TABLE ti_audit_event (
    id         TEXT    NOT NULL PRIMARY KEY, -- a UUID of version 7: sorts by time
    time_ms    INTEGER NOT NULL,             -- milliseconds since 1970-01-01T00:00:00Z
    name       TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    actor_sub  TEXT    NOT NULL,
    actor_iss  TEXT    NOT NULL,
    target_sub TEXT,
    target_iss TEXT,
    grant_id   TEXT,
    rule       TEXT,
    event      TEXT    NOT NULL              -- the whole event, as JSON
) STRICT;

CREATE INDEX ti_audit_event_actor ON ti_audit_event (actor_sub, actor_iss, id);
CREATE INDEX ti_audit_event_target ON ti_audit_event (target_sub, target_iss, id) WHERE target_sub IS NOT NULL;
CREATE INDEX ti_audit_event_grant ON ti_audit_event (grant_id, id) WHERE grant_id IS NOT NULL;
CREATE INDEX ti_audit_event_name ON ti_audit_event (name, id);
