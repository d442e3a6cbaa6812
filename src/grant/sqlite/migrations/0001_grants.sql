-- Moments and spans are nanoseconds, moments since 1970-01-01T00:00:00Z.
CREATE TABLE ti_grant (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    actor_sub       TEXT    NOT NULL,
    actor_iss       TEXT    NOT NULL,
    target_sub      TEXT    NOT NULL,
    target_iss      TEXT    NOT NULL,
    token_id        TEXT,
    origin_token_id TEXT,
    session_id      TEXT,
    started_at      INTEGER NOT NULL,
    idle_limit      INTEGER,
    deadline        INTEGER NOT NULL,
    last_used_at    INTEGER NOT NULL,
    over_at         INTEGER NOT NULL, -- when it is over by itself
    ended_at        INTEGER,
    end_reason      TEXT,
    ended_by_sub    TEXT,
    ended_by_iss    TEXT,
    start           TEXT    NOT NULL, -- what was agreed, as JSON
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CHECK ((ended_by_sub IS NULL) = (ended_by_iss IS NULL))
) STRICT;

CREATE INDEX ti_grant_actor ON ti_grant (actor_sub, actor_iss, started_at, id);
CREATE INDEX ti_grant_target ON ti_grant (target_sub, target_iss, started_at, id);
CREATE INDEX ti_grant_token ON ti_grant (token_id) WHERE token_id IS NOT NULL;
CREATE INDEX ti_grant_origin_token ON ti_grant (origin_token_id) WHERE origin_token_id IS NOT NULL;
CREATE INDEX ti_grant_session ON ti_grant (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX ti_grant_started ON ti_grant (started_at, id);
CREATE INDEX ti_grant_alive ON ti_grant (started_at, id) WHERE ended_at IS NULL;
CREATE INDEX ti_grant_alive_actor ON ti_grant (actor_sub, actor_iss, started_at, id) WHERE ended_at IS NULL;
CREATE INDEX ti_grant_over ON ti_grant (over_at) WHERE ended_at IS NULL;
CREATE INDEX ti_grant_ended ON ti_grant (ended_at) WHERE ended_at IS NOT NULL;

-- How many there are, in its only row.
CREATE TABLE ti_grant_count (grants INTEGER NOT NULL) STRICT;
INSERT INTO ti_grant_count (grants) VALUES (0);
