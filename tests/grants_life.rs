//! What ends a grant: the next request, and what goes on in open streams and sockets.
//!
//! Rows that stand elsewhere: H19 to H24, L10, P4, P15, P17, P20 and P21 in `guards.rs`, A18 in `guard_routes.rs`, P33 in
//! `audit_chain.rs`, P14 (words that nobody knows) beside the format of the stored grant.
//!
//! Rows that are left out: S20, H11 and P32 (nobody is redirected), S25 (no marker role is made up), S26 (no failure URL),
//! P2 (no remember tokens), P29 (approvals are not built), L8 (a bearer token is not sent by a browser by itself; cookies
//! are protected by their origins, in `browser`), H21 (`smuggling.rs` has the headers of proxies, as A-131).

#[path = "support/causes.rs"]
mod causes;
#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use causes::{CAUSES, CONDITIONS, Cause, end, person};
use serde_json::json;
use shop::{Acting, assert_both, closed, until};
use support::{AUDIENCE, Desk};
use tower_impersonate::audit::EventName;
use tower_impersonate::directory;

#[tokio::test]
async fn incident_a8_p10_p22_p24_p35_the_next_request_is_refused_and_says_why() {
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
