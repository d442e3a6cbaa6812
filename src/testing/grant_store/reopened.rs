use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::StoreToTest;
use super::outcome::{
    NOON, Outcome, Saw, after, ended, found, holds, limit, listed, one, same, same_grant, started,
    stopped,
};
use crate::answer::Answer;
use crate::grant::{Filter, Others, Standing, Started};
use crate::testing::TestGrant;

pub(super) async fn another_handle_sees_everything(to_test: StoreToTest) -> Outcome {
    let store = &to_test.store;
    let alive = TestGrant::new("carol", "alice").idle(Duration::from_secs(600));
    let alive = started(store, alive).await?;
    let over = started(store, TestGrant::new("dave", "alice")).await?;
    store.used(alive.id(), after(30)).await?;
    store.extend(alive.id(), after(5000), after(31)).await?;
    ended(store, over.id(), stopped(after(32))).await?;
    let again = to_test.again();
    for id in [alive.id(), over.id()] {
        same_grant(
            "what is found again",
            &found(&again, id).await?,
            &found(store, id).await?,
        )?;
    }
    let all = Filter::default();
    same(
        "what is listed",
        listed(&again, &all).await?,
        listed(store, &all).await?,
    )?;
    match again
        .start(TestGrant::new("carol", "bob").build(), one())
        .await?
    {
        Started::TooMany(_) => Ok(()),
        other => Err(Saw::new(format!("its limit is forgotten: {other:?}"))),
    }
}

pub(super) async fn two_handles_are_one_store(to_test: StoreToTest) -> Outcome {
    let (one, other) = (&to_test.store, &to_test.again());
    for round in 0..20 {
        let (here, there) = match round % 2 {
            0 => (one, other),
            _ => (other, one),
        };
        let grant = TestGrant::new(format!("actor-{round}"), "alice");
        let grant = started(here, grant).await?;
        same_grant(
            "what started there",
            &found(there, grant.id()).await?,
            &grant,
        )?;
        let extended = there.extend(grant.id(), after(5000), NOON).await?;
        let extended = extended.ok_or_else(|| Saw::new("it is not found"))?;
        same_grant(
            "what was extended there",
            &found(here, grant.id()).await?,
            &extended,
        )?;
        let over = ended(there, grant.id(), stopped(after(1))).await?.grant;
        same_grant("what ended there", &found(here, grant.id()).await?, &over)?;
        holds(
            "an end there is an end",
            !ended(here, grant.id(), stopped(NOON)).await?.now,
        )?;
        same("what is forgotten there", there.forget(after(2)).await?, 1)?;
        holds("it is gone", here.find(grant.id()).await?.is_none())?;
    }
    Ok(())
}

/// Whoever waited goes away, in each moment of a transition.
pub(super) async fn a_transition_that_is_dropped_is_whole_or_not_at_all(
    to_test: StoreToTest,
) -> Outcome {
    for polls in 0..12 {
        let store = &to_test.store;
        let actor = format!("actor-{polls}");
        let first = started(store, TestGrant::new(actor.as_str(), "alice")).await?;
        let next = TestGrant::new(actor.as_str(), "bob").build();
        let replacing = limit(1, Others::Replaced, after(1));
        dropped(store.start(next.clone(), replacing), polls).await;
        let again = to_test.again();
        // Whatever is still under way happens before this.
        again.used(first.id(), NOON).await?;
        let filter = Filter {
            actor: Some(first.actor().key().clone()),
            state: Some((Standing::Alive, after(1))),
            ..Filter::default()
        };
        let alive = listed(&again, &filter).await?;
        same("how many are alive", alive.len(), 1)?;
        let began = again.find(next.id()).await?;
        if let Some(began) = &began {
            same_grant("what started", began, &next)?;
        }
        let wanted = began.map_or(*first.id(), |next| *next.id());
        same("which one is alive", alive[0], wanted)?;

        dropped(store.end(&wanted, stopped(after(2))), polls).await;
        again.used(&wanted, NOON).await?;
        let seen = found(&again, &wanted).await?.state().end.clone();
        holds(
            "it ended so or not at all",
            seen.is_none_or(|end| end == stopped(after(2))),
        )?;
        ended(&again, &wanted, stopped(after(2))).await?;
    }
    Ok(())
}

/// Polls it so often, with time for others between, and drops it.
async fn dropped<T>(answer: Answer<T>, polls: usize) {
    let mut answer = pin!(answer);
    for _ in 0..polls {
        let polled = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
        // What works on another thread gets a little further.
        std::thread::yield_now();
    }
}
