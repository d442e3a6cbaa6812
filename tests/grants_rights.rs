//! Who may start, use, extend, stop and end what, and what an impersonation never gives.
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

use std::time::Duration;

use causes::{end, person};
use desk_api::Api;
use serde_json::{Value, json};
use shop::{Shop, grant, grants, start};
use support::Seen;
use support::expect::{ACTOR, RULE, TARGET};
use tower_impersonate::Identity;
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::GrantLimits;
use tower_impersonate::middleware::Builder;
use tower_impersonate::policy::{self, Ruling};

async fn judged_by(policy: impl policy::Policy + 'static) -> Api {
    let policy = |builder: Builder| builder.replacing().policy(policy);
    let often = |manage: tower_impersonate::manage::ManageBuilder| manage.starts_per_minute(1000);
    Api::with(policy, often, GrantLimits::default()).await
}

/// Nothing came of it: the status, no token, no grant, and one more denial by this actor.
async fn assert_not_started(
    api: &Api,
    seen: &Seen,
    status: u16,
    actor: &str,
    denied: usize,
) -> Value {
    assert_eq!(seen.status, status, "{seen:?}");
    assert!(seen.body.get("data").is_none(), "{seen:?}");
    assert_eq!(grants(api).await, 0);
    assert!(api.desk.events(EventName::Started).is_empty());
    let denials = api.desk.events(EventName::Denied);
    assert_eq!(denials.len(), denied + 1, "{denials:?}");
    assert_eq!(denials[denied][ACTOR], actor);
    denials[denied].clone()
}

#[tokio::test]
async fn s9_s10_s11_s12_s15_s31_l6_p34_whom_nobody_may_have_starts_nothing() {
    let api = Api::start().await;
    // What a directory makes of a locked or an expired account: one that is not enabled.
    for (sub, name) in [
        ("locked", "Locked"),
        ("expired", "Expired"),
        ("old", "OldPassword"),
    ] {
        let user = person(sub, &["customers"]).with_username(name);
        api.desk.users.insert(user.disabled_account());
    }
    let mut bodies = Vec::new();
    for (denied, (name, rule)) in [
        ("Nobody", "target_not_found"),
        ("Dave", "target_disabled"),
        ("Locked", "target_disabled"),
        ("Expired", "target_disabled"),
        ("OldPassword", "target_disabled"),
        ("Sam", "target_ambiguous"),
        ("Root", "not(target_in_group(admins))"),
    ]
    .into_iter()
    .enumerate()
    {
        let seen = start(&api, name, &api.carol(), json!({})).await;
        let event = assert_not_started(&api, &seen, 403, "carol", denied).await;
        assert_eq!(event[RULE], rule, "{name}");
        bodies.push(seen.body);
    }
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{bodies:?}");
    assert_eq!(
        start(&api, "Alice", &api.carol(), json!({})).await.status,
        200
    );
}

#[tokio::test]
async fn h8_h10_l4_p9_who_has_no_right_starts_nothing() {
    let api = Api::start().await;
    let shop = Shop::behind(api.layer.clone()).await;
    let eve = api.desk.token("eve", &["customers"]).sign();
    let seen = start(&api, "Bob", &eve, json!({})).await;
    let event = assert_not_started(&api, &seen, 403, "eve", 0).await;
    assert_eq!(event["impersonation.wanted"], "Bob");
    shop.get(&eve).await.assert_ran_as("eve", None);
    // Nobody is asked who it is, and is not told that it may not.
    let seen = start(&api, "Bob", "", json!({})).await;
    assert_eq!(seen.status, 401);
    assert_eq!(
        seen.header("www-authenticate"),
        Some("Bearer realm=\"api\"")
    );
    let seen = start(&api, "Bob", "eyJ.e30.x", json!({})).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["error"]),
        (401, &json!("invalid_token"))
    );
    assert_eq!(
        api.desk.events(EventName::Denied).len(),
        1,
        "garbage fills no audit"
    );
    assert_eq!(grants(&api).await, 0);
}

#[tokio::test]
async fn l1_l2_l5_p7_p8_p9_the_policy_sees_the_pair() {
    let super_or_staff = || {
        let staff = policy::in_group("support").except(policy::target_in_group("support"));
        policy::in_group("admins").or(staff.except(policy::target_in_group("admins")))
    };
    let shorter = || {
        policy::custom(|attempt| {
            let Some(target) = attempt.target() else {
                return Ruling::unknown("shorter");
            };
            let is = target.subject().len() < attempt.actor().subject().len();
            Ruling::allow_if(is, || {
                "names that are shorter: the rule of the house".into()
            })
        })
    };
    let rank = || policy::in_group("support").and(policy::rank(Identity::rank));
    type Made = Box<dyn Fn() -> policy::Rule>;
    type Row<'a> = (&'a str, Made, &'a str, &'a [&'a str], &'a str, bool);
    let people = [
        person("lee", &["support"])
            .with_username("Lee")
            .with_rank(1),
        person("mia", &["support"])
            .with_username("Mia")
            .with_rank(2),
        person("max", &["support"])
            .with_username("Max")
            .with_rank(2),
        person("customer", &["customers"])
            .with_username("Customer")
            .with_rank(0),
        person("root", &["admins"])
            .with_username("Root")
            .with_rank(3),
    ];
    let rows: [Row<'_>; 13] = [
        (
            "L1 regular",
            Box::new(super_or_staff),
            "customer",
            &["customers"],
            "Lee",
            false,
        ),
        (
            "L1 staff on regular",
            Box::new(super_or_staff),
            "mia",
            &["support"],
            "Customer",
            true,
        ),
        (
            "L1 staff on staff",
            Box::new(super_or_staff),
            "mia",
            &["support"],
            "Lee",
            false,
        ),
        (
            "L1 super on staff",
            Box::new(super_or_staff),
            "root",
            &["admins"],
            "Lee",
            true,
        ),
        (
            "L2 longer",
            Box::new(shorter),
            "lee",
            &[],
            "Customer",
            false,
        ),
        (
            "L2 shorter",
            Box::new(shorter),
            "customer",
            &[],
            "Lee",
            true,
        ),
        (
            "P7 higher",
            Box::new(rank),
            "mia",
            &["support"],
            "Root",
            false,
        ),
        (
            "P7 equal",
            Box::new(rank),
            "mia",
            &["support"],
            "Max",
            false,
        ),
        ("P7 lower", Box::new(rank), "mia", &["support"], "Lee", true),
        (
            "P7 unknown",
            Box::new(rank),
            "mia",
            &["support"],
            "Alice",
            false,
        ),
        (
            "P8 nobody may",
            Box::new(policy::deny_all),
            "mia",
            &["support"],
            "Customer",
            false,
        ),
        (
            "P9 may not be had",
            Box::new(desk_api::usual_policy),
            "mia",
            &["support"],
            "Root",
            false,
        ),
        (
            "P9 may be had",
            Box::new(desk_api::usual_policy),
            "mia",
            &["support"],
            "Customer",
            true,
        ),
    ];
    for (row, made, actor, groups, name, allowed) in rows {
        let api = judged_by(made()).await;
        for person in &people {
            api.desk.users.insert(person.clone());
        }
        let token = api.desk.token(actor, groups).sign();
        let seen = start(&api, name, &token, json!({})).await;
        if allowed {
            assert_eq!(seen.status, 200, "{row}: {seen:?}");
            let started = &api.desk.events(EventName::Started)[0];
            assert_eq!(
                (&started[ACTOR], &started[TARGET]),
                (&json!(actor), &json!(name.to_lowercase()))
            );
            continue;
        }
        let event = assert_not_started(&api, &seen, 403, actor, 0).await;
        // Why stands in the audit, and only there.
        let rule = event[RULE].as_str().unwrap();
        assert!(
            !rule.is_empty() && !seen.body.to_string().contains(rule),
            "{row}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn l11_l12_p28_p34_reason_and_fresh_login() {
    let api = Api::start().await;
    for (order, kept) in [
        (json!({ "reason": " why " }), Some("why")),
        (json!({}), None),
    ] {
        let (_, id) = api.begin(&api.carol(), order).await;
        let reason = grant(&api, &id)
            .await
            .ask()
            .reason()
            .map(|reason| reason.as_str().to_owned());
        assert_eq!(reason.as_deref(), kept);
        let started = api.desk.events(EventName::Started);
        assert_eq!(
            started.last().unwrap()["impersonation.reason"].as_str(),
            kept
        );
        assert_eq!(end(&api, &id, &api.carol()).await, 204);
    }
    let fresh = policy::fresh_login(Duration::from_secs(600));
    let policy = policy::in_group("support")
        .and(policy::reason_required())
        .and(fresh);
    let api = judged_by(policy).await;
    let login = |at: Option<u64>| {
        let token = api.desk.token("carol", &["support"]);
        match at {
            Some(at) => token.claim("auth_time", at).sign(),
            None => token.sign(),
        }
    };
    let (fresh, stale, absent) = (
        login(Some(1_700_000_000)),
        login(Some(1_699_999_399)),
        login(None),
    );
    let long = "x".repeat(501);
    for (token, order, status, error) in [
        (&fresh, json!({}), 400, "invalid_request"),
        (&fresh, json!({ "reason": "" }), 400, ""),
        (&fresh, json!({ "reason": " \t\u{a0}" }), 400, ""),
        (&fresh, json!({ "reason": long }), 400, ""),
        (
            &stale,
            json!({ "reason": "r" }),
            401,
            "insufficient_user_authentication",
        ),
        (
            &absent,
            json!({ "reason": "r" }),
            401,
            "insufficient_user_authentication",
        ),
    ] {
        let seen = start(&api, "Alice", token, order.clone()).await;
        assert_eq!(seen.status, status, "{order}: {seen:?}");
        let told = seen.body["error"].as_str().unwrap_or_default();
        assert!(error.is_empty() || told == error, "{order}: {seen:?}");
        assert_eq!(grants(&api).await, 0, "{order}");
    }
    let seen = start(&api, "Alice", &fresh, json!({ "reason": "r" })).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(
        api.desk.events(EventName::Started)[0]["impersonation.reason"],
        "r"
    );
}

#[tokio::test]
async fn p28_a_rule_that_panics_or_does_not_know_admits_nobody() {
    let unknown = || policy::custom(|_| Ruling::unknown("no idea"));
    let panics = || policy::custom(|_| panic!("a rule that panics"));
    for (rule, status) in [(unknown(), 403), (panics(), 503)] {
        let api = judged_by(rule).await;
        let seen = start(&api, "Alice", &api.carol(), json!({})).await;
        assert_eq!(seen.status, status, "{seen:?}");
        assert_eq!(grants(&api).await, 0);
        assert!(api.desk.events(EventName::Started).is_empty());
        let shop = Shop::behind(api.layer.clone()).await;
        shop.get(&api.carol()).await.assert_ran_as("carol", None);
    }
}
