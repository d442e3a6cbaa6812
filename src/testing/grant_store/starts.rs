use std::sync::Arc;
use std::time::Duration;

use super::StoreToTest;
use super::outcome::{
    NOON, Outcome, Saw, after, before, ended, found, holds, ids, limit, listed, one, same,
    same_grant, started, stopped,
};
use crate::grant::{
    ActorSession, Filter, Grant, GrantStore, Others, Standing, StartLimit, Started, StoreErrorKind,
};
use crate::identity::Identity;
use crate::terms::{Ask, EndReason, GrantId, Mode, Reason, Strategy, TargetRef};
use crate::testing::TestGrant;

pub(super) async fn what_started_is_found_as_it_was(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let carol = Identity::new("https://staff.example.com", "carol-sub")
        .with_username("carol \u{1f989} \"'; DROP TABLE grants; --")
        .with_groups(["support", ""])
        .with_rank(-3)
        .with_attribute("email", "carol@example.com")
        .with_attribute("level", 2.5);
    let alice = Identity::new("https://issuer.example.com", "alice-sub").enabled_account();
    let reason = Reason::parse("it's a \"case\" \u{1f989}", 500);
    let ask = Ask::user(TargetRef::name(alice.issuer(), "alice"), Strategy::Custom)
        .narrowed_to(["customers"].into())
        .with_reason(reason.map_err(|error| Saw::new(error.to_string()))?)
        .with_mode(Mode::Scoped)
        .with_scopes(["orders/read"]);
    let all = TestGrant::new("", "")
        .actor(carol)
        .target(alice)
        .ask(ask)
        .client_id("client-1")
        .unknown_actor()
        .idle(Duration::from_millis(600_001))
        .session(ActorSession {
            token_id: Some("token-1".into()),
            origin_token_id: Some("origin-1".into()),
            session_id: Some("session-1".into()),
        });
    for grant in [all.build(), TestGrant::new("dave", "alice").build()] {
        let new = match store.start(grant.clone(), one()).await? {
            Started::New(new, replaced) if replaced.is_empty() => new,
            other => return Err(Saw::new(format!("it did not start: {other:?}"))),
        };
        same_grant("what the start answered", &new, &grant)?;
        same_grant("what is found", &found(&store, grant.id()).await?, &grant)?;
        let again = to_test.reopen.as_ref().map(|reopen| reopen());
        if let Some(again) = again {
            same_grant(
                "what another handle finds",
                &found(&again, grant.id()).await?,
                &grant,
            )?;
        }
    }
    Ok(())
}

pub(super) async fn nobody_knows_an_unknown_id(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    started(&store, TestGrant::new("carol", "alice")).await?;
    for byte in [0, 255] {
        let id = GrantId::from_bytes([byte; 32]);
        holds("find knows nothing", store.find(&id).await?.is_none())?;
        store.used(&id, NOON).await?;
        let extended = store.extend(&id, after(60), NOON).await?;
        holds("extend knows nothing", extended.is_none())?;
        let ended = store.end(&id, stopped(NOON)).await?;
        holds("end knows nothing", ended.is_none())?;
        holds("find knows nothing yet", store.find(&id).await?.is_none())?;
    }
    same(
        "how many there are",
        listed(&store, &Filter::default()).await?.len(),
        1,
    )
}

pub(super) async fn times_survive_to_the_nanosecond(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let odd = NOON.saturating_add(Duration::from_nanos(123_456_789));
    let grant = TestGrant::new("carol", "alice")
        .at(odd)
        .lives(Duration::new(60, 1))
        .longest(Duration::new(120, 2))
        .build();
    store
        .start(grant.clone(), limit(1, Others::Stay, odd))
        .await?;
    same_grant("what is found", &found(&store, grant.id()).await?, &grant)?;
    let used = odd.saturating_add(Duration::from_nanos(1));
    store.used(grant.id(), used).await?;
    let seen = found(&store, grant.id()).await?;
    same("when it was used", seen.state().last_used_at, used)?;
    let end = stopped(used.saturating_add(Duration::from_nanos(1)));
    ended(&store, grant.id(), end.clone()).await?;
    let seen = found(&store, grant.id()).await?;
    same("how it ended", seen.state().end.clone(), Some(end))
}

pub(super) async fn the_same_pair_stays(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let first = started(&store, TestGrant::new("carol", "alice")).await?;
    let again = TestGrant::new("carol", "alice")
        .mode(Mode::ReadOnly)
        .build();
    for per_actor in [1, 100] {
        let limit = limit(per_actor, Others::Stay, after(1));
        match store.start(again.clone(), limit).await? {
            Started::Same(stays) => same_grant("what stays", &stays, &first)?,
            other => return Err(Saw::new(format!("it is not the same: {other:?}"))),
        }
        holds(
            "the other one is not kept",
            store.find(again.id()).await?.is_none(),
        )?;
    }
    Ok(())
}

pub(super) async fn a_person_has_one(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let first = started(&store, TestGrant::new("carol", "alice")).await?;
    let second = TestGrant::new("carol", "bob").build();
    match store.start(second.clone(), one()).await? {
        Started::TooMany(other) => same_grant("the one it has", &other, &first)?,
        other => return Err(Saw::new(format!("it is not too many: {other:?}"))),
    }
    holds(
        "the second is not kept",
        store.find(second.id()).await?.is_none(),
    )?;
    // Somebody else is not in the way, nor is the target.
    started_within(&store, TestGrant::new("dave", "alice").build(), one(), &[]).await?;
    started_within(&store, TestGrant::new("alice", "carol").build(), one(), &[]).await
}

pub(super) async fn a_person_that_replaces_ends_the_other(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let first = started(&store, TestGrant::new("carol", "alice")).await?;
    let other = started(&store, TestGrant::new("dave", "alice")).await?;
    let second = TestGrant::new("carol", "bob").build();
    let replacing = limit(1, Others::Replaced, after(5));
    started_within(&store, second.clone(), replacing, &[*first.id()]).await?;
    let end = found(&store, first.id()).await?.state().end.clone();
    let end = end.ok_or_else(|| Saw::new("the first goes on"))?;
    same("why it ended", end.reason, EndReason::Replaced)?;
    same("when it ended", end.at, after(5))?;
    same("who ended it", end.by.as_ref(), Some(second.actor().key()))?;
    alive(&store, second.id()).await?;
    alive(&store, other.id()).await
}

pub(super) async fn replacing_the_same_pair_ends_it(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let first = started(&store, TestGrant::new("carol", "alice")).await?;
    let elsewhere = started(&store, TestGrant::new("carol", "bob")).await?;
    let again = TestGrant::new("carol", "alice").at(after(1)).build();
    let roomy = limit(100, Others::Replaced, after(1));
    started_within(&store, again.clone(), roomy, &[*first.id()]).await?;
    alive(&store, elsewhere.id()).await?;
    alive(&store, again.id()).await
}

pub(super) async fn a_machine_has_several(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let three = |now| limit(3, Others::Stay, now);
    let mut first = None;
    for number in 0..3 {
        let grant = TestGrant::new("machine", format!("user-{number}")).at(after(number));
        let grant = grant.build();
        first.get_or_insert(*grant.id());
        started_within(&store, grant, three(after(number)), &[]).await?;
    }
    let fourth = TestGrant::new("machine", "user-4").build();
    match store.start(fourth.clone(), three(after(4))).await? {
        Started::TooMany(other) => same("whose it is", other.actor().subject(), "machine")?,
        other => return Err(Saw::new(format!("it is not too many: {other:?}"))),
    }
    let Some(first) = first else { return Ok(()) };
    ended(&store, &first, stopped(after(5))).await?;
    started_within(&store, fourth, three(after(6)), &[]).await
}

pub(super) async fn a_machine_that_replaces_ends_the_oldest(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let mut all = Vec::new();
    // Neither by the order of their starting nor by that of their ids.
    for (number, start) in [30, 10, 40, 20].into_iter().enumerate() {
        let id = GrantId::from_bytes([u8::try_from(number).unwrap_or_default(); 32]);
        let grant = TestGrant::new("machine", format!("user-{number}")).at(after(start));
        all.push(*started(&store, grant.id(id)).await?.id());
    }
    let next = TestGrant::new("machine", "user-9").at(after(50)).build();
    let two = limit(2, Others::Replaced, after(50));
    let oldest = [all[1], all[3], all[0]];
    started_within(&store, next.clone(), two, &oldest).await?;
    alive(&store, &all[2]).await?;
    alive(&store, next.id()).await
}

pub(super) async fn what_is_over_does_not_count(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let short = TestGrant::new("carol", "alice").lives(Duration::from_secs(10));
    started(&store, short).await?;
    let idle = TestGrant::new("dave", "alice").idle(Duration::from_secs(10));
    started(&store, idle).await?;
    for (actor, target) in [("carol", "bob"), ("dave", "alice")] {
        let next = TestGrant::new(actor, target).at(after(10)).build();
        let just_before = limit(1, Others::Stay, after(9));
        let early = store.start(next.clone(), just_before).await?;
        holds(
            "it counts as long as it is alive",
            !matches!(early, Started::New(..)),
        )?;
        started_within(&store, next, limit(1, Others::Stay, after(10)), &[]).await?;
    }
    Ok(())
}

pub(super) async fn an_id_is_never_used_twice(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = started(&store, TestGrant::new("carol", "alice")).await?;
    ended(&store, grant.id(), stopped(after(1))).await?;
    let twin = TestGrant::new("dave", "bob").id(*grant.id()).build();
    let twice = store.start(twin, one()).await;
    holds("the same id is an error", twice.is_err())?;
    let stays = found(&store, grant.id()).await?;
    same("whose it is", stays.actor().subject(), "carol")?;
    holds("it stays ended", !stays.is_alive_at(after(1)))
}

pub(super) async fn actors_are_told_apart_by_issuer(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let mut all = Vec::new();
    for (iss, sub) in [
        ("https://a", "x"),
        ("https://b", "x"),
        ("https://ax", ""),
        ("", "https://ax"),
    ] {
        let grant = TestGrant::new("", "alice")
            .actor(Identity::new(iss, sub))
            .build();
        started_within(&store, grant.clone(), one(), &[]).await?;
        all.push(grant);
    }
    for grant in &all {
        let filter = Filter {
            actor: Some(grant.actor().key().clone()),
            ..Filter::default()
        };
        same(
            "those of one actor",
            listed(&store, &filter).await?,
            vec![*grant.id()],
        )?;
    }
    Ok(())
}

pub(super) async fn a_start_that_does_not_happen_changes_nothing(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = started(&store, TestGrant::new("carol", "alice")).await?;
    let twin = TestGrant::new("carol", "bob").id(*grant.id()).build();
    let replacing = limit(1, Others::Replaced, after(1));
    holds(
        "the same id is an error",
        store.start(twin, replacing).await.is_err(),
    )?;
    same_grant(
        "the one that it would have replaced",
        &found(&store, grant.id()).await?,
        &grant,
    )
}

pub(super) async fn a_clock_that_goes_back_starts_too(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let later = started(&store, TestGrant::new("carol", "alice").at(after(100))).await?;
    let earlier = TestGrant::new("carol", "bob").at(before(100)).build();
    let replacing = limit(1, Others::Replaced, before(100));
    started_within(&store, earlier.clone(), replacing, &[*later.id()]).await?;
    let order = [*later.id(), *earlier.id()];
    same(
        "newest first",
        listed(&store, &Filter::default()).await?,
        order.to_vec(),
    )
}

pub(super) async fn no_more_than_the_bound(to_test: StoreToTest) -> Outcome {
    let (store, Some(most)) = (to_test.store, to_test.holds) else {
        return Ok(());
    };
    let mut first = None;
    for number in 0..most {
        let grant = TestGrant::new(format!("actor-{number}"), "alice");
        first.get_or_insert(*started(&store, grant).await?.id());
    }
    let full = |kind| same("which error it is", kind, Some(StoreErrorKind::Full));
    let one_more = TestGrant::new("actor-0", "bob").build();
    let replacing = limit(1, Others::Replaced, NOON);
    let refused = store.start(one_more.clone(), replacing).await;
    full(refused.err().map(|error| error.kind()))?;
    let Some(first) = first else { return Ok(()) };
    alive(&store, &first).await?;
    // What ended makes room, once.
    ended(&store, &first, stopped(after(1))).await?;
    started_within(&store, one_more, one(), &[]).await?;
    let gone = store.find(&first).await?;
    holds("what ended is forgotten", gone.is_none())?;
    let next = store
        .start(TestGrant::new("carol", "bob").build(), one())
        .await;
    full(next.err().map(|error| error.kind()))
}

pub(super) async fn what_ended_first_makes_room(to_test: StoreToTest) -> Outcome {
    let (store, Some(most)) = (to_test.store, to_test.holds) else {
        return Ok(());
    };
    let mut all = Vec::new();
    for number in 0..most {
        let grant = TestGrant::new(format!("actor-{number}"), "alice");
        all.push(*started(&store, grant).await?.id());
    }
    // The last one to start ends first.
    let ends = [all[most - 1], all[5], all[40]];
    for (number, id) in ends.iter().enumerate() {
        ended(&store, id, stopped(after(number as u64 + 1))).await?;
    }
    for (number, id) in ends.iter().enumerate() {
        let grant = TestGrant::new(format!("late-{number}"), "alice").build();
        started_within(&store, grant, one(), &[]).await?;
        let gone = store.find(id).await?.is_none();
        holds("what ended first is forgotten first", gone)?;
        for later in &ends[number + 1..] {
            found(&store, later).await?;
        }
    }
    let forgotten = store.forget(after(1_000_000)).await?;
    same("how many that ended are left", forgotten, 0)?;
    for id in all.iter().filter(|id| !ends.contains(id)) {
        found(&store, id).await?;
    }
    Ok(())
}

pub(super) async fn an_actor_keeps_so_many_that_ended(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let others = started(&store, TestGrant::new("dave", "alice")).await?;
    ended(&store, others.id(), stopped(after(1))).await?;
    let twin = TestGrant::new("", "alice").actor(Identity::new("https://b", "carol"));
    let twin = started(&store, twin).await?;
    ended(&store, twin.id(), stopped(after(1))).await?;
    let mut all: Vec<GrantId> = Vec::new();
    for number in 0..7 {
        let grant = TestGrant::new("carol", format!("user-{number}")).at(after(number));
        let grant = grant.build();
        let replacing = StartLimit {
            keep_ended: 3,
            ..limit(1, Others::Replaced, after(number))
        };
        let replaced: Vec<_> = all.last().copied().into_iter().collect();
        started_within(&store, grant.clone(), replacing, &replaced).await?;
        all.push(*grant.id());
        let filter = Filter {
            actor: Some(grant.actor().key().clone()),
            ..Filter::default()
        };
        // One is alive.
        let kept = all.iter().rev().take(4).copied().collect();
        same("what is kept", listed(&store, &filter).await?, kept)?;
    }
    // What does not start forgets nothing.
    let stays = StartLimit {
        keep_ended: 0,
        ..limit(1, Others::Stay, after(10))
    };
    let refused = store.start(TestGrant::new("carol", "bob").build(), stays);
    let refused = matches!(refused.await?, Started::TooMany(_));
    holds("it does not start", refused)?;
    for id in [others.id(), twin.id(), &all[3], &all[6]] {
        found(&store, id).await?;
    }
    Ok(())
}

async fn started_within(
    store: &Arc<dyn GrantStore>,
    grant: Grant,
    limit: StartLimit,
    replaced: &[GrantId],
) -> Outcome {
    match store.start(grant.clone(), limit).await? {
        Started::New(new, gone) => {
            same_grant("what the start answered", &new, &grant)?;
            same("what it replaced", ids(&gone), replaced.to_vec())?;
            holds(
                "what it replaced is over",
                gone.iter().all(|grant| grant.state().end.is_some()),
            )?;
            same_grant("what is found", &found(store, grant.id()).await?, &grant)
        }
        other => Err(Saw::new(format!("it did not start: {other:?}"))),
    }
}

async fn alive(store: &Arc<dyn GrantStore>, id: &GrantId) -> Outcome {
    let grant = found(store, id).await?;
    holds("it is alive", grant.state().end.is_none())?;
    let filter = Filter {
        actor: Some(grant.actor().key().clone()),
        state: Some((Standing::Alive, grant.started_at())),
        ..Filter::default()
    };
    holds(
        "it is listed as alive",
        listed(store, &filter).await?.contains(id),
    )
}
