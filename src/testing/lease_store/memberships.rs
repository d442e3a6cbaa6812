use super::outcome::{ISSUER, Outcome, after, membership, names, none_owed, same};
use super::pools::of;
use super::{Stores, test_lease};
use crate::cognito::lease::{Begun, Standing};

pub(super) async fn what_was_there_before_is_not_lent(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a", "b", "c"]);
    let lent = store.taken(&lease, &["b", "other"]).await?;
    same("what is lent", lent, names(&["a", "c"]))?;
    let wanted = [
        ("a", Standing::Lent),
        ("b", Standing::Own),
        ("c", Standing::Lent),
    ];
    let wanted = wanted.map(|(group, standing)| (group.to_owned(), standing));
    same(
        "how it stands",
        store.loans(&lease, after(1)).await?,
        wanted.to_vec(),
    )?;
    store.ended(&lease, after(2)).await?;
    let owed = vec![membership(&lease, "a"), membership(&lease, "c")];
    same("what is owed", store.owed().await?, owed)
}

/// A second lease sees the group of the first one in the pool, and must not take it for the person's own.
pub(super) async fn what_is_noted_stays_while_leases_count(store: Stores) -> Outcome {
    let (one, two) = (
        test_lease("carol", &["a", "b"]),
        test_lease("carol", &["a", "b"]),
    );
    same(
        "what is lent",
        store.taken(&one, &["b"]).await?,
        names(&["a"]),
    )?;
    same(
        "what is lent",
        store.taken(&two, &["a", "b"]).await?,
        names(&["a"]),
    )?;
    store.ended(&one, after(1)).await?;
    none_owed(&*store.other).await?;
    store.ended(&two, after(2)).await?;
    same(
        "what is owed",
        store.owed().await?,
        vec![membership(&two, "a")],
    )?;
    // What was known of the other group goes with the last lease.
    let three = test_lease("carol", &["b"]);
    same(
        "what is lent",
        store.taken(&three, &[]).await?,
        names(&["b"]),
    )
}

pub(super) async fn the_last_lease_owes(store: Stores) -> Outcome {
    let leases = [(); 3].map(|()| test_lease("carol", &["a"]));
    for lease in &leases {
        store.taken(lease, &[]).await?;
    }
    for lease in &leases {
        none_owed(&*store.other).await?;
        store.ended(lease, after(1)).await?;
    }
    same(
        "what is owed",
        store.owed().await?,
        vec![membership(&leases[0], "a")],
    )
}

pub(super) async fn an_end_without_a_note_owes_nothing(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a"]);
    store.begun(&lease, Begun::New).await?;
    store.ended(&lease, after(1)).await?;
    none_owed(&*store.other).await?;
    let late = store
        .one
        .note(lease.id(), &Vec::<String>::new().into())
        .await?;
    same("what is lent", late, None)?;
    none_owed(&*store.other).await
}

pub(super) async fn what_is_owed_keeps_leases_out(store: Stores) -> Outcome {
    let (one, two) = (
        test_lease("carol", &["a"]),
        test_lease("carol", &["b", "a"]),
    );
    store.taken(&one, &[]).await?;
    store.ended(&one, after(1)).await?;
    store.begun(&two, Begun::Busy).await?;
    store.begun(&test_lease("dora", &["a"]), Begun::New).await?;
    // Nothing of the lease that did not begin is left, not even for the group that is free.
    same(
        "how many stand",
        store.loans(&two, after(1)).await?.len(),
        1,
    )?;
    store.one.settle(&membership(&one, "a"), after(2)).await?;
    store.begun(&two, Begun::New).await?;
    same(
        "how many stand",
        store.loans(&two, after(2)).await?.len(),
        2,
    )
}

pub(super) async fn only_what_is_owed_is_settled(store: Stores) -> Outcome {
    let lease = test_lease("carol", &["a"]);
    store.taken(&lease, &[]).await?;
    let a = membership(&lease, "a");
    store.other.settle(&a, after(1)).await?;
    let lent = vec![("a".to_owned(), Standing::Lent)];
    same("how it stands", store.loans(&lease, after(1)).await?, lent)?;
    store.ended(&lease, after(2)).await?;
    store.other.settle(&a, after(3)).await?;
    none_owed(&*store.one).await?;
    store.one.settle(&a, after(9)).await?;
    let loans = store.one.loans(lease.member(), after(9)).await?;
    let settled: Vec<_> = loans.iter().map(|loan| loan.settled_at).collect();
    same("when it was settled", settled, vec![Some(after(3))])
}

pub(super) async fn people_and_issuers_are_told_apart(store: Stores) -> Outcome {
    let (here, there) = (
        of("https://a.example", "carol"),
        of("https://b.example", "carol"),
    );
    let dora = of("https://a.example", "dora");
    for lease in [&here, &there, &dora] {
        same(
            "what is lent",
            store.taken(lease, &[]).await?,
            names(&["a"]),
        )?;
    }
    store.ended(&here, after(1)).await?;
    let owed = store.other.owed("https://a.example").await?;
    same("what is owed", owed, vec![membership(&here, "a")])?;
    for (lease, standing) in [
        (&here, Standing::Owed),
        (&there, Standing::Lent),
        (&dora, Standing::Lent),
    ] {
        let wanted = vec![("a".to_owned(), standing)];
        same("how it stands", store.loans(lease, after(2)).await?, wanted)?;
    }
    Ok(())
}

pub(super) async fn a_loan_is_over_at_its_deadline(store: Stores) -> Outcome {
    let (one, two) = (test_lease("carol", &["a"]), test_lease("carol", &["a"]));
    store.taken(&one, &[]).await?;
    store.taken(&two, &[]).await?;
    store.one.hold(two.id(), after(100), after(1)).await?;
    for (now, standing) in [
        (60, Standing::Lent),
        (99, Standing::Lent),
        (100, Standing::Owed),
    ] {
        let wanted = vec![("a".to_owned(), standing)];
        same(
            "how it stands",
            store.loans(&one, after(now)).await?,
            wanted,
        )?;
    }
    // Until somebody ended them they count.
    none_owed(&*store.other).await
}

pub(super) async fn what_is_settled_is_forgotten_later(store: Stores) -> Outcome {
    let (old, alive) = (test_lease("carol", &["a"]), test_lease("carol", &["b"]));
    store.taken(&old, &[]).await?;
    store.taken(&alive, &[]).await?;
    store.ended(&old, after(1)).await?;
    // What is owed is not forgotten.
    store.one.forget(ISSUER, after(1_000_000)).await?;
    same(
        "what is owed",
        store.owed().await?,
        vec![membership(&old, "a")],
    )?;
    store.one.settle(&membership(&old, "a"), after(5)).await?;
    store.one.forget(ISSUER, after(5)).await?;
    same(
        "how many stand",
        store.loans(&old, after(6)).await?.len(),
        2,
    )?;
    store.one.forget(ISSUER, after(6)).await?;
    let wanted = vec![("b".to_owned(), Standing::Lent)];
    same("how it stands", store.loans(&old, after(6)).await?, wanted)?;
    // Its id, too.
    store.begun(&old, Begun::New).await
}
