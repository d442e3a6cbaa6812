-- Moments are nanoseconds since 1970-01-01T00:00:00Z.
CREATE TABLE ti_sign_in_code (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    grant_id   BLOB    NOT NULL CHECK (length(grant_id) = 32),
    actor_sub  TEXT    NOT NULL,
    actor_iss  TEXT    NOT NULL,
    target_sub TEXT    NOT NULL,
    target_iss TEXT    NOT NULL,
    username   TEXT,
    client     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    keep_until INTEGER NOT NULL,
    challenge  BLOB    CHECK (length(challenge) = 32),
    taken_at   INTEGER,
    CHECK ((challenge IS NULL) = (taken_at IS NULL))
) STRICT;

CREATE INDEX ti_sign_in_code_keep ON ti_sign_in_code (keep_until);
