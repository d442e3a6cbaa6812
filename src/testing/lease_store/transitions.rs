use super::outcome::{ISSUER, Outcome, after, same, stopped};
use super::{Stores, test_lease};
use crate::cognito::lease::{Begun, Stage};
use crate::grant::End;
use crate::identity::IdentityKey;
use crate::terms::EndReason;

pub(super) async fn what_began_is_as_it_was(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a", "b"]);
    store.taken(&lease, &[]).await?;
    let held = store.other.hold(lease.id(), after(100), after(1)).await?;
    let agreed = |lease: &crate::cognito::lease::Lease| lease.agreed().start().to_json();
    same(
        "what was agreed",
        held.as_ref().map(agreed),
        Some(agreed(&lease)),
    )?;
    same(
        "its stage",
        held.map(|held| held.stage()),
        Some(Stage::Held),
    )
}

pub(super) async fn an_id_is_never_used_twice(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a"]);
    store.begun(&lease, Begun::New).await?;
    same(
        "whether it began",
        store.other.begin(lease.clone(), 9).await.is_ok(),
        false,
    )?;
    store.ended(&lease, after(1)).await?;
    same(
        "whether it began",
        store.other.begin(lease, 9).await.is_ok(),
        false,
    )
}

pub(super) async fn holding_moves_forward_only_and_stops_at_the_latest_moment(
    store: Stores,
) -> Outcome {
    let lease = test_lease("carol", &["a"]);
    store.taken(&lease, &[]).await?;
    for (deadline, wanted) in [(100, 100), (70, 100), (0, 100), (101, 101), (9000, 600)] {
        let held = store
            .one
            .hold(lease.id(), after(deadline), after(10))
            .await?;
        same(
            "its deadline",
            held.map(|held| held.deadline()),
            Some(after(wanted)),
        )?;
    }
    Ok(())
}

pub(super) async fn what_is_over_is_not_held(store: Stores) -> Outcome {
    let (late, ended) = (test_lease("carol", &["a"]), test_lease("dora", &["a"]));
    store.taken(&late, &[]).await?;
    store.taken(&ended, &[]).await?;
    store.ended(&ended, after(1)).await?;
    let unknown = test_lease("erin", &["a"]);
    for (lease, now) in [(&late, 60), (&ended, 2), (&unknown, 2)] {
        let held = store.one.hold(lease.id(), after(500), after(now)).await?;
        same("whether it is held", held.is_some(), false)?;
    }
    let held = store.one.hold(late.id(), after(500), after(59)).await?;
    same("whether it is held in time", held.is_some(), true)
}

pub(super) async fn the_first_end_stays(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a"]);
    store.taken(&lease, &[]).await?;
    let end = End {
        reason: EndReason::Revoked,
        at: after(5),
        by: Some(IdentityKey::new("https://issuer.example.com", "boss")),
    };
    let ended = store.one.end(ISSUER, lease.id(), end.clone()).await?;
    let told = ended.and_then(|lease| lease.agreed().state().end.clone());
    same("its end", told, Some(end))?;
    let again = store
        .other
        .end(ISSUER, lease.id(), stopped(after(6)))
        .await?;
    same("whether it ended again", again.is_some(), false)?;
    let unknown = test_lease("dora", &["a"]);
    same(
        "whether an unknown one ended",
        store.ended(&unknown, after(6)).await?,
        false,
    )
}

pub(super) async fn what_lapsed_is_told_until_it_ends(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a"]);
    store.taken(&lease, &[]).await?;
    for (now, wanted) in [(59, 0), (60, 1), (1000, 1)] {
        same(
            "how many lapsed",
            store.other.lapsed(ISSUER, after(now)).await?.len(),
            wanted,
        )?;
    }
    store.ended(&lease, after(60)).await?;
    same(
        "how many lapsed",
        store.other.lapsed(ISSUER, after(60)).await?.len(),
        0,
    )
}
