use super::outcome::{ISSUER, Outcome, after, membership, none_owed, same, stopped};
use super::{Stores, test_lease};
use crate::cognito::lease::{Begun, Lease};

const MANY: usize = 16;

pub(super) async fn of_many_leases_one_owes(store: Stores) -> Outcome {
    let leases: Vec<Lease> = (0..MANY).map(|_| test_lease("carol", &["a"])).collect();
    for lease in &leases {
        store.taken(lease, &[]).await?;
    }
    let ends = leases.iter().enumerate().map(|(number, lease)| {
        let (store, id) = (store.clone(), *lease.id());
        tokio::spawn(async move {
            let handle = [&store.one, &store.other][number % 2];
            handle
                .end(ISSUER, &id, stopped(after(1)))
                .await
                .map(|ended| ended.is_some())
        })
    });
    let mut ended = 0;
    for end in ends.collect::<Vec<_>>() {
        ended += usize::from(end.await??);
    }
    same("how many ended", ended, MANY)?;
    same(
        "what is owed",
        store.owed().await?,
        vec![membership(&leases[0], "a")],
    )
}

/// Whatever each of them saw, what the first one noted stays.
pub(super) async fn notes_agree(store: Stores) -> Outcome {
    let leases: Vec<Lease> = (0..MANY).map(|_| test_lease("carol", &["a"])).collect();
    for lease in &leases {
        store.begun(lease, Begun::New).await?;
    }
    let notes = leases.iter().enumerate().map(|(number, lease)| {
        let (store, id) = (store.clone(), *lease.id());
        tokio::spawn(async move {
            let handle = [&store.one, &store.other][number % 2];
            let had: Vec<&str> = if number % 3 == 0 {
                vec!["a"]
            } else {
                Vec::new()
            };
            handle.note(&id, &had.into()).await
        })
    });
    let mut lent = Vec::new();
    for note in notes.collect::<Vec<_>>() {
        lent.push(note.await??.map(|lent| lent.len()));
    }
    lent.dedup();
    same("how many different answers there are", lent.len(), 1)
}

/// One ends while another one begins: either the membership goes on, or the other one is kept out.
pub(super) async fn a_beginning_against_an_end_loses_nothing(store: Stores) -> Outcome {
    for _ in 0..MANY {
        let (one, two) = (test_lease("carol", &["a"]), test_lease("carol", &["a"]));
        store.taken(&one, &[]).await?;
        let (first, second) = (store.one.clone(), store.other.clone());
        let (id, beginning) = (*one.id(), two.clone());
        let ending = tokio::spawn(async move { first.end(ISSUER, &id, stopped(after(1))).await });
        let begun = tokio::spawn(async move { second.begin(beginning, MANY).await });
        ending.await??;
        match begun.await?? {
            Begun::New => {
                none_owed(&*store.one).await?;
                store.ended(&two, after(2)).await?;
            }
            Begun::Busy | Begun::TooMany => {}
        }
        same(
            "what is owed",
            store.owed().await?,
            vec![membership(&one, "a")],
        )?;
        store.one.settle(&membership(&one, "a"), after(100)).await?;
    }
    Ok(())
}
