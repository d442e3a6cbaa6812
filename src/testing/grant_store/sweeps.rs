use std::collections::HashSet;
use std::time::Duration;

use super::StoreToTest;
use super::outcome::{
    Outcome, Saw, after, ended, found, holds, ids, listed, same, started, stopped,
};
use crate::grant::{Filter, Page};
use crate::testing::TestGrant;

pub(super) async fn what_lapsed_is_told_until_it_is_ended(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let lives =
        |actor: &str, seconds| TestGrant::new(actor, "alice").lives(Duration::from_secs(seconds));
    let short = started(&store, lives("carol", 10)).await?;
    let idle = started(&store, lives("dave", 100).idle(Duration::from_secs(20))).await?;
    let used = started(&store, lives("erin", 100).idle(Duration::from_secs(20))).await?;
    let gone = started(&store, lives("frank", 10)).await?;
    let extended = started(&store, lives("grace", 10)).await?;
    started(&store, lives("heidi", 100)).await?;
    ended(&store, gone.id(), stopped(after(1))).await?;
    store.used(used.id(), after(15)).await?;
    store.extend(extended.id(), after(60), after(5)).await?;
    for (at, wanted) in [(9, vec![]), (10, vec![&short]), (20, vec![&short, &idle])] {
        for _ in 0..2 {
            let lapsed: HashSet<_> = ids(&store.lapsed(after(at)).await?).into_iter().collect();
            let wanted = wanted.iter().map(|grant| *grant.id()).collect();
            same(&format!("what lapsed after {at} s"), lapsed, wanted)?;
        }
    }
    let lapsed = store.lapsed(after(34)).await?;
    same("how many lapsed", lapsed.len(), 2)?;
    for grant in &lapsed {
        let end = grant.end_at(after(34));
        let end = end.ok_or_else(|| Saw::new("what lapsed is alive"))?;
        holds("it is ended", ended(&store, grant.id(), end).await?.now)?;
    }
    same("how many are left", store.lapsed(after(34)).await?.len(), 0)?;
    let next = ids(&store.lapsed(after(35)).await?);
    same("what lapses next", next, vec![*used.id()])?;
    let next: HashSet<_> = ids(&store.lapsed(after(60)).await?).into_iter().collect();
    same(
        "what lapses then",
        next,
        [*used.id(), *extended.id()].into(),
    )
}

pub(super) async fn lapsed_comes_in_portions(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let count = Page::MAX + 20;
    for number in 0..count {
        let grant = TestGrant::new(format!("actor-{number}"), "alice");
        started(&store, grant.lives(Duration::from_secs(10))).await?;
    }
    let (mut swept, mut rounds) = (HashSet::new(), 0);
    loop {
        let lapsed = store.lapsed(after(10)).await?;
        if lapsed.is_empty() {
            break;
        }
        holds("no portion is too large", lapsed.len() <= Page::MAX)?;
        rounds += 1;
        holds("it comes to an end", rounds <= count)?;
        for grant in &lapsed {
            ended(&store, grant.id(), stopped(after(10))).await?;
            swept.insert(*grant.id());
        }
    }
    same("how many lapsed", swept.len(), count)
}

pub(super) async fn what_ended_long_ago_is_forgotten(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let mut all = Vec::new();
    for (number, end) in [10, 20, 20, 30].into_iter().enumerate() {
        let grant = TestGrant::new("carol", format!("user-{number}"));
        let grant = started(&store, grant).await?;
        ended(&store, grant.id(), stopped(after(end))).await?;
        all.push(*grant.id());
    }
    same("nothing yet", store.forget(after(10)).await?, 0)?;
    same("how many are forgotten", store.forget(after(20)).await?, 1)?;
    holds("it is not found", store.find(&all[0]).await?.is_none())?;
    let unknown = store.end(&all[0], stopped(after(40))).await?;
    holds("it cannot be ended", unknown.is_none())?;
    same(
        "how many are left",
        listed(&store, &Filter::default()).await?.len(),
        3,
    )?;
    same("how many are forgotten", store.forget(after(21)).await?, 2)?;
    same(
        "what is left",
        listed(&store, &Filter::default()).await?,
        vec![all[3]],
    )?;
    same(
        "nothing is left to forget",
        store.forget(after(21)).await?,
        0,
    )?;
    let actor = found(&store, &all[3]).await?.actor().key().clone();
    let filter = Filter {
        person: Some(actor),
        ..Filter::default()
    };
    same(
        "what the actor has",
        listed(&store, &filter).await?,
        vec![all[3]],
    )
}

pub(super) async fn what_nobody_ended_is_not_forgotten(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let grant = TestGrant::new("carol", "alice").lives(Duration::from_secs(10));
    let grant = started(&store, grant).await?;
    same(
        "how many are forgotten",
        store.forget(after(1_000_000)).await?,
        0,
    )?;
    found(&store, grant.id()).await.map(drop)?;
    same("how many lapsed", store.lapsed(after(10)).await?.len(), 1)
}
