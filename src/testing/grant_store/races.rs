use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use super::StoreToTest;
use super::outcome::{
    NOON, Outcome, after, ended, found, holds, limit, listed, one, same, started, stopped,
};
use crate::grant::{Filter, GrantStore, Others, Standing, Started};
use crate::testing::TestGrant;

const ROUNDS: usize = 20;
const RACERS: usize = 8;

/// Runs them all at once, half of them on another handle.
async fn race<T, F>(
    to_test: &StoreToTest,
    count: usize,
    run: impl Fn(Arc<dyn GrantStore>, usize) -> F,
) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let racers: Vec<JoinHandle<T>> = (0..count)
        .map(|number| {
            let store = match number % 2 {
                0 => Arc::clone(&to_test.store),
                _ => to_test.again(),
            };
            let (barrier, run) = (Arc::clone(&barrier), run(store, number));
            tokio::spawn(async move {
                barrier.wait().await;
                run.await
            })
        })
        .collect();
    let mut all = Vec::new();
    for racer in racers {
        all.push(racer.await?);
    }
    Ok(all)
}

pub(super) async fn one_of_many_starts_wins(to_test: StoreToTest) -> Outcome {
    for round in 0..ROUNDS {
        let actor = format!("actor-{round}");
        let starts = race(&to_test, RACERS, |store, number| {
            let target = format!("user-{}", number % 3);
            let grant = TestGrant::new(actor.as_str(), target).build();
            async move { store.start(grant, one()).await }
        });
        let mut new = Vec::new();
        for start in starts.await? {
            if let Started::New(grant, _) = start? {
                new.push(grant);
            }
        }
        same("how many started", new.len(), 1)?;
        let filter = Filter {
            actor: Some(new[0].actor().key().clone()),
            ..Filter::default()
        };
        same(
            "how many there are",
            listed(&to_test.store, &filter).await?.len(),
            1,
        )?;
    }
    Ok(())
}

pub(super) async fn one_of_many_ends_wins(to_test: StoreToTest) -> Outcome {
    for round in 0..ROUNDS {
        let grant = TestGrant::new(format!("actor-{round}"), "alice");
        let grant = started(&to_test.store, grant).await?;
        let id = *grant.id();
        let ends = race(&to_test, RACERS, |store, number| async move {
            let end = stopped(after(number as u64));
            ended(&store, &id, end.clone())
                .await
                .map(|ended| (ended, end))
        });
        let (mut first, mut all) = (Vec::new(), Vec::new());
        for end in ends.await? {
            let (ended, end) = end?;
            all.push(ended.grant.state().end.clone());
            first.extend(ended.now.then_some(end));
        }
        same("how many ended it", first.len(), 1)?;
        let stays = found(&to_test.store, &id).await?.state().end.clone();
        same("the end that stays", stays.as_ref(), first.first())?;
        holds("all are told of it", all.iter().all(|end| *end == stays))?;
    }
    Ok(())
}

pub(super) async fn a_start_against_ends_keeps_the_limit(to_test: StoreToTest) -> Outcome {
    for round in 0..ROUNDS {
        let actor = format!("actor-{round}");
        let first = started(&to_test.store, TestGrant::new(actor.as_str(), "alice")).await?;
        let id = *first.id();
        let racing = race(&to_test, RACERS, |store, number| {
            let grant = TestGrant::new(actor.as_str(), format!("user-{number}")).build();
            async move {
                if number == 0 {
                    return ended(&store, &id, stopped(NOON))
                        .await
                        .map(|ended| ended.now);
                }
                let replacing = limit(1, Others::Replaced, NOON);
                Ok(
                    matches!(store.start(grant, replacing).await?, Started::New(_, gone)
                    if gone.iter().any(|gone| *gone.id() == id)),
                )
            }
        });
        let mut ends = 0;
        for ended in racing.await? {
            ends += usize::from(ended?);
        }
        same("how often the first one ended", ends, 1)?;
        let filter = Filter {
            actor: Some(first.actor().key().clone()),
            state: Some((Standing::Alive, NOON)),
            ..Filter::default()
        };
        same(
            "how many are alive",
            listed(&to_test.store, &filter).await?.len(),
            1,
        )?;
    }
    Ok(())
}

pub(super) async fn an_extension_against_an_end_wakes_nothing(to_test: StoreToTest) -> Outcome {
    for round in 0..ROUNDS {
        let grant = TestGrant::new(format!("actor-{round}"), "alice");
        let grant = started(&to_test.store, grant.lives(Duration::from_secs(100))).await?;
        let id = *grant.id();
        let racing = race(&to_test, RACERS, |store, number| async move {
            if number == 0 {
                return ended(&store, &id, stopped(after(1))).await.map(drop);
            }
            let deadline = after(100 + number as u64);
            store
                .extend(&id, deadline, NOON)
                .await
                .map(drop)
                .map_err(Into::into)
        });
        for done in racing.await? {
            done?;
        }
        let seen = found(&to_test.store, &id).await?;
        same(
            "how it ended",
            seen.state().end.clone(),
            Some(stopped(after(1))),
        )?;
        let late = to_test.store.extend(&id, after(500), NOON).await?;
        let moved = late.is_some_and(|late| late.deadline() > seen.deadline());
        holds("what ended is not extended", !moved)?;
    }
    Ok(())
}

pub(super) async fn a_use_against_an_end_wakes_nothing(to_test: StoreToTest) -> Outcome {
    for round in 0..ROUNDS {
        let grant = TestGrant::new(format!("actor-{round}"), "alice");
        let grant = started(&to_test.store, grant.idle(Duration::from_secs(100))).await?;
        let id = *grant.id();
        let racing = race(&to_test, RACERS, |store, number| async move {
            if number == 0 {
                return ended(&store, &id, stopped(after(1))).await.map(drop);
            }
            store
                .used(&id, after(number as u64))
                .await
                .map_err(Into::into)
        });
        for done in racing.await? {
            done?;
        }
        let seen = found(&to_test.store, &id).await?;
        same(
            "how it ended",
            seen.state().end.clone(),
            Some(stopped(after(1))),
        )?;
        let used = seen.state().last_used_at;
        let known = used == NOON || (1..RACERS as u64).any(|at| used == after(at));
        holds("it was used when somebody said so", known)?;
    }
    Ok(())
}

/// What ends and is forgotten takes nothing along that starts meanwhile.
pub(super) async fn sweeps_against_starts_lose_nothing(to_test: StoreToTest) -> Outcome {
    for round in 0..ROUNDS {
        let old = TestGrant::new(format!("old-{round}"), "alice");
        let old = started(&to_test.store, old).await?;
        ended(&to_test.store, old.id(), stopped(after(1))).await?;
        let racing = race(&to_test, RACERS, |store, number| {
            let grant = TestGrant::new(format!("actor-{round}-{number}"), "alice").build();
            async move {
                if number < 2 {
                    return store.forget(after(2)).await.map(|gone| (gone, None));
                }
                let id = *grant.id();
                store.start(grant, one()).await.map(|_| (0, Some(id)))
            }
        });
        let mut forgotten = 0;
        for done in racing.await? {
            let (gone, id) = done?;
            forgotten += gone;
            if let Some(id) = id {
                found(&to_test.store, &id).await.map(drop)?;
            }
        }
        same("how many were forgotten", forgotten, 1)?;
        holds("it is gone", to_test.store.find(old.id()).await?.is_none())?;
    }
    Ok(())
}
