//! What ends a grant: the next request, and what goes on in open streams and sockets.
//!
//! Rows that stand elsewhere: H19, H20, H22 to H24, L10, P4, P15, P17 and P19 to P21 in `guards.rs`, A18 in `guard_routes.rs`, A1
//! in `manage_routes.rs`, P33 in `audit_chain.rs`, P14 (words that nobody knows) beside the format of the stored grant.
//!
//! Rows that are left out: S20, H11 and P32 (nobody is redirected), S25 (no marker role is made up), S26 (no failure URL),
//! P2 (no remember tokens), P29 (approvals are not built), L8 (a bearer token is not sent by a browser by itself; cookies
//! have `attacks_cookie.rs`), H21 (`smuggling.rs` has the headers of proxies, as A-131).

#[path = "support/causes.rs"]
mod causes;
#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/sinks.rs"]
mod sinks;
mod support;

use std::collections::HashSet;
use std::io::BufReader;
use std::sync::Arc;
use std::time::{Duration, Instant};

use causes::{CAUSES, CONDITIONS, Cause, end, person};
use desk_api::Api;
use serde_json::{Value, json};
use shop::{Acting, Shop, assert_both, closed, ends, until};
use sinks::Folder;
use support::{AUDIENCE, Desk, ISSUER};
use tower_impersonate::audit::{self, EventName, chain};
use tower_impersonate::directory;
use tower_impersonate::grant::GrantLimits;
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::terms::EndReason;

#[tokio::test]
async fn incident_a8_p10_p22_p24_p26_p35_the_next_request_is_refused_and_says_why() {
    for (cause, reason) in CAUSES {
        let acting = cause.world().await;
        acting.assert_acts().await;
        cause.happens(&acting).await;
        let (ran, denied) = (acting.shop.ran(), acting.denials().len());
        let seen = acting.shop.get(&acting.minted).await;
        // Who is gone has no token that counts.
        let decided = CONDITIONS.contains(&cause) && cause != Cause::ActorGone;
        let (status, error) = match decided {
            true => (403, "insufficient_scope"),
            false => (401, "invalid_token"),
        };
        seen.assert_refused(status);
        assert_eq!(seen.body["error"], error, "{cause:?}: {seen:?}");
        assert!(!seen.body.to_string().contains(reason), "{seen:?}");
        let denials = acting.denials();
        assert_eq!(denials.len(), denied + 1, "{cause:?}");
        assert_both(&denials[denied]);
        let told = acting.assert_ended(reason).await;
        assert_both(&told);
        assert_eq!(told["user.id"], "alice", "{cause:?}");

        // It stays over, whatever becomes of them; nothing ever ran as Carol.
        acting
            .api
            .desk
            .users
            .insert(person("alice", &["customers"]));
        acting.api.desk.users.insert(person("carol", &["support"]));
        acting.assert_over().await;
        let rule = &acting.denials()[denied + 1]["impersonation.deny.rule"];
        assert_eq!(*rule, format!("grant_{reason}"), "{cause:?}");
        assert_eq!(acting.shop.ran(), ran, "{cause:?}");
        acting.assert_ended(reason).await;
        // As herself she goes on.
        let own = acting.shop.get(&acting.api.carol()).await;
        own.assert_ran_as("carol", None);
    }
}

#[tokio::test]
async fn incident_a10_what_a_directory_remembers_counts_until_its_bound_and_an_end_at_once() {
    for (cause, reason) in CAUSES {
        let desk = Desk::new();
        let cached = directory::cached(desk.users.clone()).clock(Arc::new(desk.clock.clone()));
        let acting = cause
            .world_at(desk, AUDIENCE, |builder| builder.directory(cached))
            .await;
        acting.assert_acts().await;
        cause.happens(&acting).await;
        if CONDITIONS.contains(&cause) {
            acting.assert_acts().await;
            acting.api.advance(4);
            acting.assert_acts().await;
            acting.api.advance(1);
        }
        let seen = acting.shop.get(&acting.minted).await;
        assert!(!seen.ran && seen.status.is_client_error(), "{cause:?}");
        acting.assert_ended(reason).await;
    }
}

/// From what happened to the end of a stream that ticks, of a silent one, and of a socket.
async fn measure(cause: Cause, reason: &str) -> [Duration; 3] {
    let acting = cause.world().await;
    let shop = &acting.shop;
    let ticking = shop.open("/ticks", &acting.minted).await;
    let silent = shop.open("/silent", &acting.minted).await;
    let socket = shop.socket(&acting.minted).await;
    let mut own = shop.open("/ticks", &acting.api.carol()).await;
    let since = Instant::now();
    cause.happens(&acting).await;
    let (ticking, silent, (socket, said)) =
        tokio::join!(ticking.cut(since), silent.cut(since), closed(socket, since));
    assert_eq!(said, "over\n", "{cause:?}");
    own.goes_on().await;
    acting.assert_ended(reason).await;
    let sink = &acting.api.desk.sink;
    until("all are completed", || {
        sink.named(EventName::Completed).len() == 3
    })
    .await;
    let completed = sink.named(EventName::Completed);
    let failed = completed
        .iter()
        .filter(|event| event["impersonation.outcome"] == "failure");
    assert_eq!(failed.count(), 2, "{cause:?}: {completed:?}");
    completed.iter().for_each(assert_both);
    [ticking, silent, socket]
}

/// Begun right before it happens, a look at what goes on is as far away as it can be. Whoever holds the machine
/// up for longer than the bound leaves may do so twice.
#[tokio::test]
async fn incident_a8_a20_streams_and_sockets_end_within_a_second() {
    for (cause, reason) in CAUSES {
        let mut taken = Vec::new();
        for _ in 0..3 {
            let [ticking, silent, socket] = measure(cause, reason).await;
            println!(
                "{cause:?}: stream {ticking:.0?}, silent stream {silent:.0?}, socket {socket:.0?}"
            );
            let longest = ticking.max(silent).max(socket);
            taken.push(longest);
            if longest <= Duration::from_secs(1) {
                break;
            }
        }
        assert!(
            taken.last().unwrap() <= &Duration::from_secs(1),
            "{cause:?}: {taken:?}"
        );
    }
}

#[tokio::test]
async fn incident_a17_two_admins_on_two_targets_leave_each_other_alone() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let dora = api.desk.token("dora", &["support"]).sign();
    let order = json!({ "audience": AUDIENCE });
    let seen = api.post("/Bob/impersonate", &dora, order).await;
    let (other, other_id) = desk_api::issued(&seen);
    let mut going = acting.shop.open("/ticks", &other).await;
    let seen = acting.shop.get(&other).await;
    seen.assert_ran_as("bob", Some("dora"));
    acting.assert_acts().await;
    assert_eq!(end(api, &acting.id, &api.security()).await, 204);
    acting.assert_over().await;
    acting.assert_ended("revoked").await;
    going.goes_on().await;
    let seen = acting.shop.get(&other).await;
    seen.assert_ran_as("bob", Some("dora"));
    assert!(shop::ends(api, &other_id).is_empty());
}

#[tokio::test]
async fn p23_the_first_end_stays_and_is_told_once() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    assert_eq!(end(api, &acting.id, &api.security()).await, 204);
    for token in [&api.security(), &api.carol(), &api.desk.alice()] {
        assert_eq!(end(api, &acting.id, token).await, 204);
    }
    let stopped = api.post("/grants/stop", &acting.minted, Value::Null).await;
    assert_eq!(stopped.status, 401);
    let alice = IdentityKey::new(ISSUER, "alice");
    let ending = api.grants.end_grants(&alice, EndReason::TargetGone);
    assert_eq!(ending.await.unwrap(), 0);
    api.advance(7200);
    api.grants.sweep().await.unwrap();
    let told = acting.assert_ended("revoked").await;
    assert_eq!(told["event.name"], "impersonation.revoked");
    assert_eq!(told["impersonation.end.by.sub"], "erin");
    assert_both(&told);
}

#[tokio::test]
async fn p11_every_start_has_names_of_its_own() {
    let api = Api::start().await;
    let (mut ids, mut tokens) = (HashSet::new(), HashSet::new());
    for _ in 0..5 {
        let (minted, id) = api.begin(&api.carol(), json!({})).await;
        let (again, same) = api.begin(&api.carol(), json!({})).await;
        assert_eq!(id, same);
        assert!(tokens.insert(minted) && tokens.insert(again) && ids.insert(id.clone()));
        assert_eq!(end(&api, &id, &api.carol()).await, 204);
    }
    let names: HashSet<_> = tokens
        .iter()
        .map(|token| claims(token)["jti"].to_string())
        .collect();
    assert_eq!((ids.len(), names.len()), (5, 10));
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn p31_an_extension_does_not_outrun_an_end_and_the_chain_verifies() {
    let folder = Folder::new();
    let limits = GrantLimits::default().longest(Duration::from_secs(7200));
    let chained = audit::chained(folder.file());
    let api = Api::with(
        |builder| builder.replacing().audit(chained),
        |manage| manage,
        limits,
    )
    .await;
    let shop = Shop::behind(api.layer.clone()).await;
    let (mut moved, rounds) = (0, 10);
    for _ in 0..rounds {
        let (minted, id) = api.begin(&api.carol(), json!({})).await;
        let before = shop::grant(&api, &id).await.deadline();
        let path = format!("/grants/{id}/extend");
        let (carol, erin) = (api.carol(), api.security());
        let longer = json!({ "ttl_seconds": 1_000_000 });
        let (extended, ended) =
            tokio::join!(api.post(&path, &carol, longer), end(&api, &id, &erin));
        assert_eq!(ended, 204);
        assert!(
            [200, 409].contains(&extended.status.as_u16()),
            "{extended:?}"
        );
        let kept = shop::grant(&api, &id).await;
        let latest = before.saturating_add(Duration::from_secs(3600));
        assert!([before, latest].contains(&kept.deadline()));
        moved += u32::from(kept.deadline() == latest);
        shop.get(&minted).await.assert_refused(401);
        let again = api.post(&path, &carol, Value::Null).await;
        assert_eq!(again.status, 409, "{again:?}");
        let end = kept.state().end.as_ref().unwrap();
        assert_eq!(end.reason, EndReason::Revoked);
    }
    println!("{moved} of {rounds} were extended before they ended");
    drop((shop, api));
    let intact = || {
        let file = std::fs::File::open(folder.file()).unwrap();
        chain::verify([BufReader::new(file)]).unwrap().is_intact()
    };
    // Until the thread of the sink is through.
    until("the chain verifies", intact).await;
    let told = sinks::lines(&folder.file());
    let named = |name: &str| {
        told.iter()
            .filter(|event| event["event.name"] == name)
            .count()
    };
    assert_eq!(
        (
            named("impersonation.started"),
            named("impersonation.revoked")
        ),
        (rounds, rounds)
    );
    assert!(named("impersonation.extended") >= moved as usize);
}

#[tokio::test]
async fn p34_two_admins_may_act_as_one_user_each_by_a_grant_of_its_own() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let dora = api.desk.token("dora", &["support"]).sign();
    let order = json!({ "audience": AUDIENCE });
    let seen = api.post("/Alice/impersonate", &dora, order).await;
    let (other, other_id) = desk_api::issued(&seen);
    assert_ne!(other_id, acting.id);
    acting
        .shop
        .get(&other)
        .await
        .assert_ran_as("alice", Some("dora"));
    assert_eq!(
        api.post("/grants/stop", &acting.minted, Value::Null)
            .await
            .status,
        204
    );
    acting.assert_over().await;
    acting
        .shop
        .get(&other)
        .await
        .assert_ran_as("alice", Some("dora"));
    assert!(ends(api, &other_id).is_empty());
}
