CREATE INDEX ti_grant_ended_actor ON ti_grant (actor_sub, actor_iss, started_at, id) WHERE ended_at IS NOT NULL;
