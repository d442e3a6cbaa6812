//! What one acts with: what it gives, what it never gives, and the way back.
//!
//! The rows that are left out are listed at the head of `grants_life.rs`.

#[path = "support/causes.rs"]
mod causes;
#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/shop.rs"]
mod shop;
mod support;

use causes::{end, person};
use desk_api::{Api, OTHER_API};
use http::Method;
use serde_json::{Value, json};
use shop::{Acting, Shop, assert_both, assert_ended, grant, grants, start};
use support::expect::{ACTOR, RULE};
use support::{AUDIENCE, ISSUER};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::GrantLimits;
use tower_impersonate::policy;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{Identity, Mode, directory};

#[tokio::test]
async fn s14_s21_s22_h7_l4_l9_p1_p5_one_acts_as_the_user_and_goes_back() {
    let acting = Acting::usual().await;
    let (api, shop) = (&acting.api, &acting.shop);
    let seen = shop.get(&acting.minted).await;
    seen.assert_ran_as("alice", Some("carol"));
    // The user's own groups, and none of the actor's.
    assert_eq!(seen.body["groups"], json!(["customers", "beta"]));
    assert_eq!(
        (&seen.body["mode"], &seen.body["strategy"]),
        (&json!("full"), &json!("act"))
    );
    assert_eq!(shop.ran(), ["GET /me as alice by carol"]);
    let kept = acting.grant().await;
    assert_eq!(
        (kept.actor().subject(), kept.target().subject()),
        ("carol", "alice")
    );
    // Her own session is what it was, all the while.
    shop.get(&api.carol()).await.assert_ran_as("carol", None);
    let stopped = api.post("/grants/stop", &acting.minted, Value::Null).await;
    assert_eq!((stopped.status.as_u16(), &stopped.body), (204, &json!("")));
    shop.get(&api.carol()).await.assert_ran_as("carol", None);
    acting.assert_over().await;
    acting.assert_ended("stopped").await;
    let names: Vec<_> = api.desk.sink.events();
    let names: Vec<_> = names.iter().map(|event| &event["event.name"]).collect();
    assert_eq!(
        names,
        [
            "impersonation.started",
            "impersonation.request",
            "impersonation.completed",
            "impersonation.ended",
            "impersonation.denied"
        ],
        "and of no login and no logout"
    );
    api.desk.sink.events().iter().for_each(assert_both);

    // With less than the user has, where that is asked for.
    let (scoped, _) = api
        .begin(&api.carol(), json!({ "scopes": ["orders:read"] }))
        .await;
    let seen = shop.get(&scoped).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["mode"], "scoped");
}

#[tokio::test]
async fn s24_s29_h17_p6_nobody_acts_out_of_an_impersonation_or_as_oneself() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let seen = start(api, "Bob", &acting.minted, json!({})).await;
    assert_eq!((seen.status.as_u16(), seen.body.get("data")), (409, None));
    let seen = start(api, "Bob", &acting.minted, json!({ "replace": true })).await;
    assert_eq!(seen.status, 409);
    for event in acting.denials() {
        assert_both(&event);
        assert_eq!(event[RULE], "nested");
    }
    // Whom she may not have does not end what she has.
    let seen = start(api, "Root", &api.carol(), json!({ "replace": true })).await;
    assert_eq!(seen.status, 403);
    assert_eq!(grants(api).await, 1);
    acting.assert_acts().await;
    assert_eq!(
        start(api, "Carol", &api.carol(), json!({})).await.status,
        400
    );
    assert_eq!(acting.denials()[3][RULE], "self");

    // Somebody else instead: who stands behind it is she herself, and the first one is over.
    let seen = start(api, "Bob", &api.carol(), json!({ "replace": true })).await;
    let (second, second_id) = desk_api::issued(&seen);
    acting
        .shop
        .get(&second)
        .await
        .assert_ran_as("bob", Some("carol"));
    acting.assert_over().await;
    acting.assert_ended("replaced").await;
    assert_eq!(grant(api, &second_id).await.actor().subject(), "carol");
    // Back is to oneself, at once.
    assert_eq!(
        api.post("/grants/stop", &second, Value::Null).await.status,
        204
    );
    assert_eq!(
        api.post("/grants/stop", &second, Value::Null).await.status,
        401
    );
    assert_eq!(
        api.post("/grants/stop", &api.carol(), Value::Null)
            .await
            .status,
        409
    );
    assert_ended(api, &second_id, "stopped").await;
}

#[tokio::test]
async fn s18_s19_s32_h14_h15_h16_p36_who_may_stop() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    for (who, token, status) in [
        ("nobody", String::new(), 401),
        ("garbage", "garbage".to_owned(), 401),
        ("not acting", api.carol(), 409),
        ("not acting either", api.desk.alice(), 409),
    ] {
        let seen = api.post("/grants/stop", &token, Value::Null).await;
        assert_eq!(seen.status, status, "{who}: {seen:?}");
        acting.assert_acts().await;
    }
    assert_eq!(
        api.post("/grants/stop", &acting.minted, Value::Null)
            .await
            .status,
        204
    );
    acting
        .shop
        .get(&api.carol())
        .await
        .assert_ran_as("carol", None);
    let told = acting.assert_ended("stopped").await;
    assert_eq!(told["impersonation.end.by.sub"], "carol");

    // When it ended by itself there is nothing to stop, and the way back is open.
    let (minted, id) = api.begin(&api.carol(), json!({ "ttl_seconds": 30 })).await;
    api.advance(30);
    assert_eq!(
        api.post("/grants/stop", &minted, Value::Null).await.status,
        401
    );
    acting.shop.get(&minted).await.assert_refused(401);
    acting
        .shop
        .get(&api.carol())
        .await
        .assert_ran_as("carol", None);
    assert_ended(api, &id, "expired").await;
}

/// A person of one issuer and one of another, with the same `sub`.
#[tokio::test]
async fn p3_p30_people_are_told_apart_by_issuer_and_sub() {
    const STAFF: &str = "https://staff.example.com";
    let staff = TestIssuer::offline(STAFF);
    let accepted = staff
        .issuer()
        .audiences([AUDIENCE])
        .groups_claim("groups")
        .staff();
    let people = directory::memory([
        person("1", &["customers"]).with_username("One"),
        Identity::new(STAFF, "1")
            .with_groups(["support"])
            .with_username("Boss")
            .enabled_account(),
    ]);
    let policy = policy::in_group("support")
        .of(STAFF)
        .or(policy::in_group("support").of(ISSUER));
    let api = Api::with(
        |builder| {
            builder
                .replacing()
                .issuer(accepted)
                .directory(people)
                .policy(policy)
        },
        |manage| manage.starts_per_minute(2),
        GrantLimits::default(),
    )
    .await;
    let staff = staff.with_clock(api.desk.clock.clone());
    let boss = staff
        .token("1")
        .audience(AUDIENCE)
        .groups(["support"])
        .sign();
    let (customer, same_name) = (
        api.desk.token("1", &["customers"]).sign(),
        api.desk.token("1", &["support"]).sign(),
    );
    let seen = start(&api, "One", &boss, json!({})).await;
    let (minted, id) = desk_api::issued(&seen);
    let shop = Shop::behind(api.layer.clone()).await;
    let seen = shop.get(&minted).await;
    seen.assert_ran_as("1", Some("1"));
    assert_eq!(seen.body["iss"], ISSUER);
    let kept = grant(&api, &id).await;
    assert_eq!(
        (kept.actor().issuer(), kept.target().issuer()),
        (STAFF, ISSUER)
    );
    let started = &api.desk.events(EventName::Started)[0];
    assert_eq!(started["impersonation.actor.iss"], STAFF);
    assert_eq!(started["impersonation.target.iss"], ISSUER);
    // The customer is not its actor, who alone extends it, and nobody's starts are counted but one's own.
    let extend = format!("/grants/{id}/extend");
    assert_eq!(api.post(&extend, &customer, Value::Null).await.status, 403);
    assert_eq!(api.post(&extend, &boss, Value::Null).await.status, 200);
    for status in [200, 429] {
        assert_eq!(start(&api, "One", &boss, json!({})).await.status, status);
    }
    assert_eq!(
        start(&api, "One", &same_name, json!({})).await.status,
        400,
        "oneself, and not too often"
    );
    assert_eq!(start(&api, "One", &customer, json!({})).await.status, 403);
}

/// The actor may read, revoke and start; what it acts with may none of it.
#[tokio::test]
async fn incident_a6_what_one_acts_with_never_gives_ones_own_rights() {
    let both = ["support", "security"];
    let api = Api::start().await;
    let carol = api.desk.token("carol", &both).sign();
    let dora = api.desk.token("dora", &["support"]).sign();
    let seen = start(&api, "Bob", &dora, json!({})).await;
    let (other, other_id) = desk_api::issued(&seen);
    for mode in ["full", "read_only"] {
        let order = json!({ "mode": mode, "replace": true });
        let (minted, id) = api.begin(&carol, order).await;
        let mut refused = 0;
        for (method, path, status) in [
            (Method::GET, "/grants".to_owned(), 403),
            (Method::GET, format!("/grants/{id}"), 403),
            (Method::GET, format!("/grants/{other_id}"), 403),
            (Method::DELETE, format!("/grants/{id}"), 403),
            (Method::DELETE, format!("/grants/{other_id}"), 403),
            (Method::POST, format!("/grants/{other_id}/extend"), 403),
            (Method::POST, "/Bob/impersonate".to_owned(), 409),
            (Method::POST, "/users/Bob/impersonate".to_owned(), 409),
        ] {
            let before = api.desk.events(EventName::Denied).len();
            let seen = api.call(method.clone(), &path, &minted, Value::Null).await;
            assert_eq!(seen.status, status, "{mode} {method} {path}: {seen:?}");
            let denied = api.desk.events(EventName::Denied);
            assert_eq!(denied.len(), before + 1, "{mode} {method} {path}");
            assert_both(&denied[before]);
            refused += 1;
        }
        assert_eq!(refused, 8);
        // By herself she may.
        assert_eq!(api.get("/grants", &carol).await.status, 200);
        assert_eq!(
            api.get(&format!("/grants/{other_id}"), &carol).await.status,
            200
        );
    }
    assert_eq!(api.get("/me", &other).await.status, 200, "nothing ended it");
    assert_eq!(end(&api, &other_id, &carol).await, 204);
}

#[tokio::test]
async fn incident_a7_h18_an_expired_credential_is_no_way_into_a_grant_that_lives() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let carol = api.carol();
    // Nothing that is handed out outlives what she came with.
    let seen = start(api, "Alice", &carol, json!({})).await;
    assert_eq!(seen.body["data"]["attributes"]["expires_in"], 300);
    api.advance(361);
    let id = &acting.id;
    for (method, path) in [
        (Method::POST, "/Alice/impersonate".to_owned()),
        (Method::POST, format!("/grants/{id}/extend")),
        (Method::DELETE, format!("/grants/{id}")),
        (Method::GET, format!("/grants/{id}")),
        (Method::POST, "/grants/stop".to_owned()),
    ] {
        for token in [&carol, &acting.minted] {
            let seen = api.call(method.clone(), &path, token, Value::Null).await;
            assert_eq!(seen.status, 401, "{method} {path}: {seen:?}");
        }
    }
    acting.shop.get(&acting.minted).await.assert_refused(401);
    acting.shop.get(&carol).await.assert_refused(401);
    assert!(acting.grant().await.state().end.is_none(), "it lives on");
    assert_eq!(end(api, id, &api.carol()).await, 204);
    acting.assert_ended("stopped").await;
}

#[tokio::test]
async fn incident_a9_nothing_renews_itself() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let exchange = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", &*acting.minted),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", OTHER_API),
    ];
    let plain = api.plain.expose();
    let seen = api.form("/oauth2/token", "plain", plain, &exchange).await;
    assert_eq!(
        (seen.status.as_u16(), seen.body.get("refresh_token")),
        (200, None)
    );
    for token in [&acting.minted, &acting.id] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &**token)];
        let seen = api.form("/oauth2/token", "plain", plain, &form).await;
        assert_eq!(seen.body["error"], "unsupported_grant_type");
    }
    // Another token is given under the grant that lives, and none under one that does not.
    assert_eq!(end(api, &acting.id, &api.security()).await, 204);
    let seen = api.form("/oauth2/token", "plain", plain, &exchange).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["error"]),
        (400, &json!("invalid_request"))
    );
    let seen = start(api, "Alice", &api.carol(), json!({})).await;
    assert_ne!(
        desk_api::issued(&seen).1,
        acting.id,
        "a grant of its own, decided anew"
    );
    acting.assert_ended("revoked").await;
}

#[tokio::test]
async fn incident_a19_another_admin_cannot_end_my_grant_without_the_right() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let dora = api.desk.token("dora", &["support"]).sign();
    for (method, path) in [
        (Method::DELETE, format!("/grants/{}", acting.id)),
        (Method::POST, format!("/grants/{}/extend", acting.id)),
        (Method::GET, format!("/grants/{}", acting.id)),
    ] {
        let before = acting.denials().len();
        let seen = api.call(method, &path, &dora, Value::Null).await;
        assert_eq!(seen.status, 403, "{path}: {seen:?}");
        assert_eq!(acting.denials()[before][ACTOR], "dora");
    }
    // Her token, and a header that would make it Carol's.
    let seen = acting
        .shop
        .call(Method::GET, "/me", &dora, &[("grant-id", &acting.id)])
        .await;
    seen.assert_ran_as("dora", None);
    acting.assert_acts().await;
    // Whoever holds what Carol acts with is told to be Carol.
    let request = &api.desk.events(EventName::Request)[0];
    assert_both(request);
    assert_eq!(end(api, &acting.id, &api.security()).await, 204);
    let told = acting.assert_ended("revoked").await;
    assert_eq!(told["impersonation.end.by.sub"], "erin");
}

#[tokio::test]
async fn p16_p18_p31_read_only_stays_read_only_and_leaving_and_extending_stay_open() {
    let api = Api::start().await;
    let acting = Acting::begun(api, json!({ "mode": "read_only" })).await;
    let (api, shop) = (&acting.api, &acting.shop);
    let wide = [
        ("impersonate-mode", "full"),
        ("mode", "full"),
        ("x-mode", "full"),
    ];
    for (path, method) in [("/write", Method::POST), ("/write?mode=full", Method::PUT)] {
        let seen = shop.call(method, path, &acting.minted, &wide).await;
        seen.assert_refused(403);
        let denied = acting.denials().pop().unwrap();
        assert_both(&denied);
        assert_eq!(denied[RULE], "read_only");
    }
    let seen = shop
        .call(Method::GET, "/me?mode=full", &acting.minted, &wide)
        .await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["mode"], "read_only");
    // Not by another start, and not by an extension.
    let seen = start(api, "Alice", &api.carol(), json!({ "mode": "full" })).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["grant"]),
        (409, &json!(acting.id))
    );
    let path = format!("/grants/{}/extend", acting.id);
    let seen = api
        .post(&path, &acting.minted, json!({ "mode": "full" }))
        .await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["field"]),
        (400, &json!("mode"))
    );
    let seen = api
        .post(&path, &acting.minted, json!({ "ttl_seconds": 5400 }))
        .await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["mode"]),
        (200, &json!("read_only"))
    );
    assert_eq!(acting.grant().await.mode(), Mode::ReadOnly);
    assert_eq!(
        api.post("/grants/stop", &acting.minted, Value::Null)
            .await
            .status,
        204
    );
    acting.assert_over().await;
    acting.assert_ended("stopped").await;
}
