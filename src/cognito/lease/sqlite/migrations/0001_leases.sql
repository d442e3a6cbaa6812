-- Moments are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE ti_lease (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    member_sub   TEXT    NOT NULL,
    member_iss   TEXT    NOT NULL,
    held         INTEGER NOT NULL CHECK (held IN (0, 1)),
    deadline     INTEGER NOT NULL,
    ended_at     INTEGER,
    end_reason   TEXT,
    ended_by_sub TEXT,
    ended_by_iss TEXT,
    agreed       TEXT    NOT NULL, -- the start, as JSON
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CHECK ((ended_by_sub IS NULL) = (ended_by_iss IS NULL))
) STRICT;

CREATE INDEX ti_lease_over ON ti_lease (deadline) WHERE ended_at IS NULL;
CREATE INDEX ti_lease_ended ON ti_lease (ended_at) WHERE ended_at IS NOT NULL;

-- The groups of a lease, with what is needed to see at once which leases count on a membership.
CREATE TABLE ti_lease_group (
    member_sub TEXT    NOT NULL,
    member_iss TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    lease      BLOB    NOT NULL REFERENCES ti_lease (id),
    counts     INTEGER NOT NULL CHECK (counts IN (0, 1)),
    PRIMARY KEY (member_sub, member_iss, name, lease)
) STRICT, WITHOUT ROWID;

CREATE INDEX ti_lease_group_lease ON ti_lease_group (lease);

CREATE TABLE ti_membership (
    member_sub TEXT    NOT NULL,
    member_iss TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    lent       INTEGER CHECK (lent IN (0, 1)), -- unknown until the pool was asked
    settled_at INTEGER,
    PRIMARY KEY (member_sub, member_iss, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX ti_membership_lent ON ti_membership (lent) WHERE lent = 1;
