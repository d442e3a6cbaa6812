use std::time::Duration;

use super::StoreToTest;
use super::outcome::{
    NOON, Outcome, Saw, after, before, ended, found, holds, same, same_grant, started, stopped,
};
use crate::grant::{End, Grant};
use crate::identity::IdentityKey;
use crate::terms::EndReason;
use crate::testing::TestGrant;

pub(super) async fn use_moves_forward_only(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let idle = TestGrant::new("carol", "alice").idle(Duration::from_secs(100));
    let grant = started(&store, idle).await?;
    for (at, wanted) in [(50, 50), (20, 50), (50, 50), (120, 120)] {
        store.used(grant.id(), after(at)).await?;
        let seen = found(&store, grant.id()).await?;
        same("when it was used", seen.state().last_used_at, after(wanted))?;
    }
    store.used(grant.id(), before(10)).await?;
    let seen = found(&store, grant.id()).await?;
    same("when it was used", seen.state().last_used_at, after(120))?;
    same("its deadline", seen.deadline(), grant.deadline())?;
    let alive = (seen.is_alive_at(after(219)), seen.is_alive_at(after(220)));
    same("whether it lives on", alive, (true, false))
}

pub(super) async fn use_wakes_nothing_that_is_over(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let idle = TestGrant::new("carol", "alice").idle(Duration::from_secs(100));
    let idle = started(&store, idle).await?;
    let short = TestGrant::new("dave", "alice").lives(Duration::from_secs(100));
    let short = started(&store, short).await?;
    let stopped_one = started(&store, TestGrant::new("erin", "alice")).await?;
    let over = ended(&store, stopped_one.id(), stopped(after(50)))
        .await?
        .grant;
    for (grant, was) in [(&idle, &idle), (&short, &short), (&stopped_one, &over)] {
        store.used(grant.id(), after(100)).await?;
        same_grant("what was over", &found(&store, grant.id()).await?, was)?;
    }
    let lapsed = store.lapsed(after(100)).await?.len();
    same("how many lapsed", lapsed, 2)
}

pub(super) async fn an_extension_moves_forward_only(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = TestGrant::new("carol", "alice").lives(Duration::from_secs(100));
    let grant = started(&store, grant).await?;
    for (deadline, wanted) in [(150, 150), (120, 150), (0, 150), (151, 151)] {
        let extended = store.extend(grant.id(), after(deadline), after(10)).await?;
        let extended = extended.ok_or_else(|| Saw::new("it is not found"))?;
        same(
            "the deadline that is answered",
            extended.deadline(),
            after(wanted),
        )?;
        same_grant(
            "what is found",
            &found(&store, grant.id()).await?,
            &extended,
        )?;
    }
    let seen = found(&store, grant.id()).await?;
    same("when it was used", seen.state().last_used_at, NOON)?;
    same("how many lapsed", store.lapsed(after(150)).await?.len(), 0)?;
    same("how many lapsed", store.lapsed(after(151)).await?.len(), 1)
}

pub(super) async fn an_extension_stops_at_the_latest_moment(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = TestGrant::new("carol", "alice")
        .lives(Duration::from_secs(100))
        .longest(Duration::from_secs(300));
    let grant = started(&store, grant).await?;
    for deadline in [after(301), after(1_000_000_000)] {
        let extended = store.extend(grant.id(), deadline, after(10)).await?;
        let deadline = extended.map(|grant| grant.deadline());
        same("the deadline", deadline, Some(after(300)))?;
    }
    same(
        "its deadline",
        found(&store, grant.id()).await?.deadline(),
        after(300),
    )
}

pub(super) async fn nothing_that_is_over_is_extended(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let short = |actor: &str| TestGrant::new(actor, "alice").lives(Duration::from_secs(100));
    let late = started(&store, short("carol")).await?;
    let idle = started(&store, short("dave").idle(Duration::from_secs(50))).await?;
    let gone = started(&store, short("erin")).await?;
    let gone = ended(&store, gone.id(), stopped(after(1))).await?.grant;
    for (was, now) in [
        (&late, after(100)),
        (&idle, after(50)),
        (&gone, after(1)),
        (&gone, NOON),
    ] {
        let answer = store.extend(was.id(), after(500), now).await?;
        let answer = answer.ok_or_else(|| Saw::new("it is not found"))?;
        same_grant("what is answered", &answer, was)?;
        same_grant("what is found", &found(&store, was.id()).await?, was)?;
    }
    // The clock went back: at this moment it is alive.
    let answer = store.extend(late.id(), after(200), after(99)).await?;
    same(
        "the deadline",
        answer.map(|grant| grant.deadline()),
        Some(after(200)),
    )
}

pub(super) async fn the_first_end_stays(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = started(&store, TestGrant::new("carol", "alice")).await?;
    let first = End {
        reason: EndReason::Revoked,
        at: after(5),
        by: Some(IdentityKey::new("https://issuer.example.com", "boss")),
    };
    let one = ended(&store, grant.id(), first.clone()).await?;
    holds("the first end is the one", one.now)?;
    same(
        "the end that is answered",
        one.grant.state().end.clone(),
        Some(first.clone()),
    )?;
    for second in [stopped(after(6)), stopped(after(1)), first.clone()] {
        let two = ended(&store, grant.id(), second).await?;
        holds("no other end is the one", !two.now)?;
        same_grant("what is answered", &two.grant, &one.grant)?;
        same_grant(
            "what is found",
            &found(&store, grant.id()).await?,
            &one.grant,
        )?;
    }
    Ok(())
}

pub(super) async fn every_reason_is_kept(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    for reason in EndReason::ALL {
        let grant = started(&store, TestGrant::new("carol", reason.as_str())).await?;
        let end = End {
            reason,
            ..stopped(after(1))
        };
        ended(&store, grant.id(), end.clone()).await?;
        let seen = found(&store, grant.id()).await?;
        same("how it ended", seen.state().end.clone(), Some(end))?;
    }
    Ok(())
}

pub(super) async fn an_end_before_the_start_is_an_end(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = started(&store, TestGrant::new("carol", "alice")).await?;
    let end = stopped(before(1_000));
    ended(&store, grant.id(), end.clone()).await?;
    let seen = found(&store, grant.id()).await?;
    same("how it ended", seen.state().end.clone(), Some(end))?;
    // Whatever the clock says.
    let alive = |now| Grant::is_alive_at(&seen, now);
    holds("it is over", !alive(before(2_000)) && !alive(NOON))
}

pub(super) async fn what_lapsed_can_be_ended(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = TestGrant::new("carol", "alice").lives(Duration::from_secs(100));
    let grant = started(&store, grant).await?;
    let end = End {
        reason: EndReason::Expired,
        ..stopped(after(100))
    };
    holds(
        "it is the end",
        ended(&store, grant.id(), end.clone()).await?.now,
    )?;
    let seen = found(&store, grant.id()).await?;
    same("how it ended", seen.state().end.clone(), Some(end))
}
