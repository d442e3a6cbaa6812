use super::outcome::{ISSUER, Outcome, after, membership, names, same, stopped};
use super::{Stores, test_lease};
use crate::cognito::lease::{Begun, Lease, Stage};
use crate::identity::Identity;
use crate::terms::GrantId;
use crate::testing::TestGrant;

/// A lease of one group to a person of that issuer.
pub(super) fn of(issuer: &str, subject: &str) -> Lease {
    let lease = test_lease("carol", &["a"]);
    let agreed = TestGrant::new("carol", "alice")
        .actor(Identity::new(issuer, subject))
        .ask(lease.agreed().ask().clone())
        .lives(std::time::Duration::from_secs(60));
    Lease::new(agreed.build(), Stage::Taking)
}

fn ids(leases: &[Lease]) -> Vec<GrantId> {
    leases.iter().map(|lease| *lease.id()).collect()
}

/// One pool cannot take back, and must not settle or forget, what another one owes.
pub(super) async fn nothing_is_said_of_another_pools_leases(store: Stores) -> Outcome {
    let (here, there) = (of(ISSUER, "carol"), of("https://b.example", "carol"));
    for lease in [&here, &there] {
        store.taken(lease, &[]).await?;
        let issuer = lease.member().issuer();
        let lapsed = store.other.lapsed(issuer, after(60)).await?;
        same("what lapsed", ids(&lapsed), vec![*lease.id()])?;
        let counting = store.other.counting(issuer, None).await?;
        same("what counts", ids(&counting), vec![*lease.id()])?;
    }
    let foreign = store.one.end(ISSUER, there.id(), stopped(after(1))).await?;
    same("whether it ended", foreign.is_some(), false)?;
    for lease in [&here, &there] {
        store.ended(lease, after(1)).await?;
        let owed = store.other.owed(lease.member().issuer()).await?;
        same("what is owed", owed, vec![membership(lease, "a")])?;
        store.one.settle(&membership(lease, "a"), after(2)).await?;
    }
    store.one.forget(ISSUER, after(100)).await?;
    for (lease, known) in [(&here, false), (&there, true)] {
        let found = store.other.find(lease.id()).await?;
        same("whether it is known", found.is_some(), known)?;
        let loans = store.other.loans(lease.member(), after(100)).await?;
        same("whether its group is", !loans.is_empty(), known)?;
    }
    Ok(())
}

pub(super) async fn what_counts_is_told_by_its_id(store: Stores) -> Outcome {
    let mut leases = [(); 3].map(|()| test_lease("carol", &["a"]));
    leases.sort_unstable_by_key(|lease| *lease.id().as_bytes());
    for lease in &leases {
        store.taken(lease, &[]).await?;
    }
    let ended = test_lease("dora", &["a"]);
    store.taken(&ended, &[]).await?;
    store.ended(&ended, after(1)).await?;
    let all = ids(&leases);
    let counting = store.other.counting(ISSUER, None).await?;
    same("what counts", ids(&counting), all.clone())?;
    let behind = store.other.counting(ISSUER, Some(&all[0])).await?;
    same("what counts behind it", ids(&behind), all[1..].to_vec())?;
    let found = store.other.find(ended.id()).await?;
    let over = found.is_some_and(|lease| lease.agreed().state().end.is_some());
    same("whether it is over", over, true)?;
    let unknown = store.other.find(test_lease("erin", &["a"]).id()).await?;
    same("whether it is known", unknown.is_some(), false)
}

pub(super) async fn the_last_end_is_told(store: Stores) -> Outcome {
    let (one, two) = (
        test_lease("carol", &["a"]),
        test_lease("carol", &["a", "b"]),
    );
    let a = membership(&one, "a");
    store.taken(&one, &[]).await?;
    store.taken(&two, &[]).await?;
    let last = store.other.last(&a).await?;
    same("whether one ended", last.is_some(), false)?;
    for (lease, at) in [(&two, 1), (&one, 2)] {
        store.ended(lease, after(at)).await?;
        let last = store.other.last(&a).await?;
        same(
            "the last one",
            last.map(|last| *last.id()),
            Some(*lease.id()),
        )?;
    }
    let b = store.other.last(&membership(&two, "b")).await?;
    same("the last one", b.map(|last| *last.id()), Some(*two.id()))
}

/// Who was adding the group may still be at it.
pub(super) async fn what_was_never_held_is_settled_a_minute_later(store: Stores) -> Outcome {
    let (one, two) = (test_lease("carol", &["a"]), test_lease("carol", &["a"]));
    store.half_taken(&one, &[]).await?;
    store.ended(&one, after(5)).await?;
    let a = membership(&one, "a");
    for (at, owed) in [(5, true), (64, true), (65, false)] {
        store.one.settle(&a, after(at)).await?;
        same("whether it is owed", !store.owed().await?.is_empty(), owed)?;
    }
    // The control.
    store.taken(&two, &[]).await?;
    store.ended(&two, after(70)).await?;
    store.one.settle(&a, after(70)).await?;
    same("what is owed", store.owed().await?, Vec::new())
}

pub(super) async fn a_person_has_so_many_leases_and_no_more(store: Stores) -> Outcome {
    let [one, two, three] = [(); 3].map(|()| test_lease("carol", &["a"]));
    store.taken(&one, &[]).await?;
    store.taken(&two, &[]).await?;
    same(
        "what came of it",
        store.other.begin(three.clone(), 2).await?,
        Begun::TooMany,
    )?;
    for other in [test_lease("dora", &["a"]), of("https://b.example", "carol")] {
        same(
            "what came of another",
            store.other.begin(other, 1).await?,
            Begun::New,
        )?;
    }
    // Nothing is left of the one that did not begin; and what is over is not counted.
    store.one.end(ISSUER, one.id(), stopped(after(1))).await?;
    same(
        "what came of it",
        store.other.begin(three.clone(), 2).await?,
        Begun::New,
    )?;
    let noted = store
        .one
        .note(three.id(), &Vec::<String>::new().into())
        .await?;
    same("what is lent", noted, names(&["a"]))
}
