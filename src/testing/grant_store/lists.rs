use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::StoreToTest;
use super::outcome::{NOON, Outcome, after, ended, holds, ids, listed, same, started, stopped};
use crate::grant::{ActorSession, Filter, Grant, GrantStore, Page, SessionKey, Standing};
use crate::identity::{Identity, IdentityKey};
use crate::terms::GrantId;
use crate::testing::TestGrant;
use crate::time::Timestamp;

pub(super) async fn newest_start_comes_first(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let mut all = Vec::new();
    for (number, (start, byte)) in [(20, 1), (10, 250), (20, 127), (20, 128), (30, 0)]
        .into_iter()
        .enumerate()
    {
        let grant = TestGrant::new(format!("actor-{number}"), "alice");
        let grant = grant.at(after(start)).id(GrantId::from_bytes([byte; 32]));
        all.push(*started(&store, grant).await?.id());
    }
    let wanted: Vec<_> = [4, 3, 2, 0, 1]
        .into_iter()
        .map(|at: usize| all[at])
        .collect();
    same(
        "the order",
        listed(&store, &Filter::default()).await?,
        wanted,
    )
}

fn key(issuer: &str, sub: &str) -> Option<IdentityKey> {
    Some(IdentityKey::new(format!("https://{issuer}"), sub))
}

fn session(issuer: &str, name: &str) -> Option<SessionKey> {
    Some(SessionKey::new(format!("https://{issuer}"), name))
}

fn in_session(issuer: &str, name: &str) -> Filter {
    Filter {
        session: session(issuer, name),
        ..Filter::default()
    }
}

/// Six grants: by the order of their starts.
async fn six(store: &Arc<dyn GrantStore>) -> Outcome<Vec<GrantId>> {
    let mut all = Vec::new();
    for (number, (actor, target, sessions)) in [
        ("carol", "alice", ["t1", "o1", "s1"]),
        ("carol", "bob", ["t2", "o1", "s1"]),
        ("dave", "alice", ["t3", "o3", "s3"]),
        ("alice", "dave", ["s1", "t3", "o1"]),
        ("erin", "bob", ["", "", ""]),
        ("carol", "alice", ["t6", "o6", "s6"]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = |at: usize| {
            Some(sessions[at])
                .filter(|name| !name.is_empty())
                .map(Into::into)
        };
        // The last one is another carol, and another alice.
        let issuer = if number == 5 {
            "https://b"
        } else {
            "https://a"
        };
        let grant = TestGrant::new("", "")
            .actor(Identity::new(issuer, actor))
            .target(Identity::new(issuer, target))
            .session(ActorSession {
                token_id: name(0),
                origin_token_id: name(1),
                session_id: name(2),
            })
            .at(after(number as u64))
            .lives(Duration::from_secs(if number == 2 { 50 } else { 1000 }));
        all.push(*started(store, grant).await?.id());
    }
    ended(store, &all[1], stopped(after(10))).await?;
    Ok(all)
}

async fn finds(
    store: &Arc<dyn GrantStore>,
    all: &[GrantId],
    filter: Filter,
    wanted: &[usize],
) -> Outcome {
    let saw = listed(store, &filter).await?;
    let number = |id: &GrantId| all.iter().position(|own| own == id);
    let saw: Vec<_> = saw.iter().filter_map(number).collect();
    same(
        &format!("what is listed by {filter:?}"),
        saw,
        wanted.to_vec(),
    )
}

pub(super) async fn every_filter_finds_its_own(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let all = six(&store).await?;
    let any = Filter::default;
    let state = |standing, at| Some((standing, at));
    for (filter, wanted) in [
        (any(), &[5, 4, 3, 2, 1, 0][..]),
        (
            Filter {
                actor: key("a", "carol"),
                ..any()
            },
            &[1, 0],
        ),
        (
            Filter {
                actor: key("b", "carol"),
                ..any()
            },
            &[5],
        ),
        (
            Filter {
                actor: key("a", "bob"),
                ..any()
            },
            &[],
        ),
        (
            Filter {
                actor: key("a", "Carol"),
                ..any()
            },
            &[],
        ),
        (
            Filter {
                target: key("a", "alice"),
                ..any()
            },
            &[2, 0],
        ),
        (
            Filter {
                target: key("b", "alice"),
                ..any()
            },
            &[5],
        ),
        (
            Filter {
                person: key("a", "alice"),
                ..any()
            },
            &[3, 2, 0],
        ),
        (
            Filter {
                person: key("a", "dave"),
                ..any()
            },
            &[3, 2],
        ),
        (
            Filter {
                person: key("a", "nobody"),
                ..any()
            },
            &[],
        ),
        (in_session("a", "t1"), &[0]),
        (in_session("a", "o1"), &[3, 1, 0]),
        (in_session("a", "s1"), &[3, 1, 0]),
        (in_session("b", "o1"), &[]),
        (in_session("b", "s6"), &[5]),
        (in_session("a", "s6"), &[]),
        (in_session("a", ""), &[]),
        (
            Filter {
                state: state(Standing::Alive, after(20)),
                ..any()
            },
            &[5, 4, 3, 2, 0],
        ),
        (
            Filter {
                state: state(Standing::Ended, after(20)),
                ..any()
            },
            &[1],
        ),
        (
            Filter {
                state: state(Standing::Alive, after(52)),
                ..any()
            },
            &[5, 4, 3, 0],
        ),
        (
            Filter {
                state: state(Standing::Ended, after(52)),
                ..any()
            },
            &[2, 1],
        ),
        (
            Filter {
                state: state(Standing::Alive, after(9999)),
                ..any()
            },
            &[],
        ),
    ] {
        finds(&store, &all, filter, wanted).await?;
    }
    Ok(())
}

pub(super) async fn filters_are_combined(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let all = six(&store).await?;
    let carol = Filter {
        actor: key("a", "carol"),
        ..Filter::default()
    };
    let alive = Some((Standing::Alive, after(20)));
    for (filter, wanted) in [
        (
            Filter {
                target: key("a", "bob"),
                ..carol.clone()
            },
            &[1][..],
        ),
        (
            Filter {
                target: key("b", "alice"),
                ..carol.clone()
            },
            &[],
        ),
        (
            Filter {
                person: key("a", "alice"),
                ..carol.clone()
            },
            &[0],
        ),
        (
            Filter {
                session: session("a", "s1"),
                ..carol.clone()
            },
            &[1, 0],
        ),
        (
            Filter {
                session: session("a", "t3"),
                ..carol.clone()
            },
            &[],
        ),
        (
            Filter {
                state: alive,
                ..carol.clone()
            },
            &[0],
        ),
        (
            Filter {
                session: session("a", "o1"),
                person: key("a", "alice"),
                state: alive,
                ..Filter::default()
            },
            &[3, 0],
        ),
        (
            Filter {
                target: key("a", "bob"),
                state: alive,
                ..Filter::default()
            },
            &[4],
        ),
    ] {
        finds(&store, &all, filter, wanted).await?;
    }
    Ok(())
}

/// All pages of that size.
async fn read(store: &Arc<dyn GrantStore>, filter: &Filter, size: usize) -> Outcome<Vec<GrantId>> {
    let (mut all, mut page) = (Vec::new(), Page { after: None, size });
    loop {
        let found: Vec<Grant> = store.list(filter, &page).await?;
        holds(
            "no page is longer than it may be",
            found.len() <= size.min(Page::MAX),
        )?;
        all.extend(ids(&found));
        match found.last() {
            Some(last) => page.after = Some(last.into()),
            None => return Ok(all),
        }
    }
}

/// Those of odd numbers are of carol; many start at one moment.
async fn many(store: &Arc<dyn GrantStore>, count: usize) -> Outcome<Vec<GrantId>> {
    let mut all = Vec::new();
    for number in 0..count {
        let actor = if number % 2 == 1 { "carol" } else { "dave" };
        let grant = TestGrant::new(actor, format!("user-{number}"));
        all.push(
            *started(store, grant.at(after(number as u64 / 50)))
                .await?
                .id(),
        );
    }
    Ok(all)
}

pub(super) async fn pages_have_no_gap_and_nothing_twice(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let all = many(&store, Page::MAX + 50).await?;
    let carol = TestGrant::new("carol", "").build().actor().key().clone();
    let person = TestGrant::new("user-7", "").build().actor().key().clone();
    let none = Filter::default();
    let actor = Filter {
        actor: Some(carol),
        ..Filter::default()
    };
    let person = Filter {
        person: Some(person),
        ..Filter::default()
    };
    let alive = Filter {
        state: Some((Standing::Alive, NOON)),
        ..Filter::default()
    };
    for (filter, count) in [
        (none, all.len()),
        (actor, all.len() / 2),
        (person, 1),
        (alive, all.len()),
    ] {
        let whole = read(&store, &filter, Page::MAX).await?;
        let different: HashSet<_> = whole.iter().collect();
        same(
            "how many there are",
            (whole.len(), different.len()),
            (count, count),
        )?;
        for size in [1, 7, 50, usize::MAX] {
            holds(
                "pages of any size are one list",
                read(&store, &filter, size).await? == whole,
            )?;
        }
    }
    let nothing = Page {
        after: None,
        size: 0,
    };
    let found = store.list(&Filter::default(), &nothing).await?;
    same("a page of no size", found.len(), 0)
}

pub(super) async fn pages_go_on_while_others_start_and_end(to_test: StoreToTest) -> Outcome {
    let store = to_test.store;
    let all = many(&store, 60).await?;
    let late = Timestamp::from_unix_seconds(NOON.unix_seconds() + 1000);
    let alive = Filter {
        state: Some((Standing::Alive, late)),
        ..Filter::default()
    };
    let (mut seen, mut page) = (
        Vec::new(),
        Page {
            after: None,
            size: 7,
        },
    );
    for round in 0.. {
        let found = store.list(&alive, &page).await?;
        let Some(last) = found.last() else { break };
        page.after = Some(last.into());
        seen.extend(ids(&found));
        // What is seen ends, and newer ones start.
        ended(&store, last.id(), stopped(late)).await?;
        let newer = TestGrant::new(format!("newer-{round}"), "alice").at(late);
        started(&store, newer).await?;
    }
    let different: HashSet<_> = seen.iter().collect();
    same("nothing twice", different.len(), seen.len())?;
    let missing = all.iter().filter(|id| !different.contains(id)).count();
    same("no gap", missing, 0)
}
