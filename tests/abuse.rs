//! Ways round the rules that a hostile reader found, each closed.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use support::{AUDIENCE, Desk, ISSUER, get};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::middleware::{Builder, ConfigError};
use tower_impersonate::resolve::{self, Requested, Resolution, Resolve};
use tower_impersonate::terms::{Ask, Strategy, TargetRef};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{Claims, Issuer, StaticKeys, Verified};
use tower_impersonate::{Identity, ImpersonationLayer, Principal, directory, policy};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

fn by_act(desk: &Desk) -> Builder {
    desk.bare()
        .issuer(desk.accepted().trust_act())
        .resolve(resolve::act())
        .policy(policy::vouched_by(ISSUER))
}

#[tokio::test]
async fn what_the_directory_says_is_no_claim_and_no_scope_of_the_token() {
    const PLAIN: &str = "https://plain.example.com";
    let desk = Desk::new();
    let issuer = TestIssuer::offline(PLAIN).with_clock(desk.clock.clone());
    let keys = StaticKeys::jwks(issuer.jwks());
    let eve = Identity::new(PLAIN, "eve")
        .with_groups(["customers"])
        .with_attribute("department", "support")
        .with_scopes(["impersonate"]);
    let alice = Identity::new(PLAIN, "alice").with_groups(["customers"]);
    let users = directory::memory([eve.enabled_account(), alice.enabled_account()]);
    for rule in [
        policy::claim("department", "support"),
        policy::scope("impersonate"),
    ] {
        let layer = desk
            .bare()
            .issuer(Issuer::static_keys(PLAIN, keys.clone()).audiences([AUDIENCE]))
            .directory(users.clone())
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("support").or(rule))
            .build()
            .unwrap();
        let token = issuer.token("eve").audience(AUDIENCE).sign();
        desk.send(&layer, get(&token, AS_ALICE))
            .await
            .assert_refused(403);
    }
}

#[tokio::test]
async fn an_act_token_does_not_bring_back_who_is_disabled_or_gone() {
    let desk = Desk::new();
    let layer = by_act(&desk).build().unwrap();
    for sub in ["dave", "deleted"] {
        let token = desk
            .token(sub, &["customers"])
            .claim("act", json!({ "sub": "carol" }));
        desk.send(&layer, get(&token.sign(), &[]))
            .await
            .assert_refused(403);
    }
}

#[tokio::test]
async fn an_actor_that_is_disabled_impersonates_nobody() {
    let desk = Desk::new();
    let carol = Identity::new(ISSUER, "carol").with_groups(["support"]);
    desk.users.insert(carol.disabled_account());
    desk.as_carol(&desk.layer(), AS_ALICE)
        .await
        .assert_refused(403);
    assert_eq!(desk.denial()["impersonation.deny.rule"], "actor_disabled");
    let token = desk
        .token("alice", &[])
        .claim("act", json!({ "sub": "carol" }))
        .sign();
    let layer = by_act(&desk).build().unwrap();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(403);
}

#[tokio::test]
async fn an_actor_that_the_directory_does_not_know_can_be_kept_out() {
    let desk = Desk::new();
    let token = desk.token("stranger", &["support"]).sign();
    let layer = |rule| desk.undecided().policy(rule).build().unwrap();
    let lenient = layer(policy::in_group("support").and(policy::allow_all()));
    desk.send(&lenient, get(&token, AS_ALICE))
        .await
        .assert_ran_as("alice", Some("stranger"));
    let strict = layer(policy::in_group("support").and(policy::actor_enabled()));
    desk.send(&strict, get(&token, AS_ALICE))
        .await
        .assert_refused(403);
}

#[tokio::test]
async fn a_machine_does_not_take_a_role_where_headers_are_not_for_machines() {
    let desk = Desk::new();
    let token = desk.token("robot", &[]).client_id("robot").sign();
    let role = [("impersonate-group", "viewers")];
    let layer = |role: resolve::Role| {
        let policy = policy::machines(["robot"]);
        desk.undecided()
            .resolve(role)
            .policy(policy)
            .build()
            .unwrap()
    };
    let closed = layer(resolve::role(["viewers"]));
    desk.send(&closed, get(&token, &role))
        .await
        .assert_refused(403);
    let open = layer(resolve::role(["viewers"]).machines());
    desk.send(&open, get(&token, &role))
        .await
        .assert_ran_as("robot", Some("robot"));
}

#[tokio::test]
async fn a_role_or_a_narrowing_leaves_no_right_behind_in_attributes_or_scopes() {
    let desk = Desk::new();
    let seen = |principal: &Principal| {
        let identity = principal.identity();
        let groups = identity
            .groups()
            .map(|groups| groups.iter().collect::<Vec<_>>().join(","));
        assert_eq!(groups.as_deref(), Some("customers"));
        assert_eq!(identity.attribute("groups"), None);
        assert_eq!(identity.attribute("scope"), None);
        assert_ne!(identity.text("custom:role"), Some("owner"));
        assert!(
            !identity
                .scopes()
                .is_some_and(|scopes| scopes.contains("admin:write"))
        );
    };
    let role = desk
        .bare()
        .issuer(desk.accepted())
        .resolve(resolve::role(["customers"]))
        .policy(policy::in_group("support"))
        .map_principal(seen)
        .build()
        .unwrap();
    let token = desk
        .token("carol", &["support", "admins"])
        .scope("admin:write")
        .claim("custom:role", "owner");
    let headers = [("impersonate-group", "customers")];
    desk.send(&role, get(&token.sign(), &headers))
        .await
        .assert_ran_as("carol", Some("carol"));

    let layer = by_act(&desk).resolve(resolve::header("impersonate-user"));
    let layer = layer.map_principal(seen).build().unwrap();
    let token = desk
        .token("alice", &["customers", "billing"])
        .claim("act", json!({ "sub": "carol" }));
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-group", "customers"),
    ];
    desk.send(&layer, get(&token.sign(), &headers))
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a_demand_does_not_tell_who_exists() {
    let desk = Desk::new();
    let reason_unless_beta = policy::reason_required().or(policy::target_in_group("beta"));
    let policy = policy::in_group("support").and(reason_unless_beta);
    let layer = desk.undecided().policy(policy).build().unwrap();
    let mut answers = Vec::new();
    for who in ["bob", "nobody", "root", "dave"] {
        let seen = desk.as_carol(&layer, &[("impersonate-user", who)]).await;
        seen.assert_refused(403);
        answers.push(seen.body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_refused_role_or_narrowing_is_recorded_with_its_groups() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted())
        .resolve(resolve::role(["viewers", "admins"]))
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
        .build()
        .unwrap();
    for (group, rule) in [
        ("admins", "not(target_in_group(admins))"),
        ("superuser", "role_not_offered"),
    ] {
        desk.as_carol(&layer, &[("impersonate-group", group)])
            .await
            .assert_refused(403);
        let denial = desk.denial();
        assert_eq!(denial["impersonation.groups"], json!([group]));
        assert_eq!(denial["impersonation.deny.rule"], rule);
        desk.sink.clear();
    }
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-group", "superuser"),
    ];
    desk.as_carol(&desk.layer(), &headers)
        .await
        .assert_refused(403);
    assert_eq!(desk.denial()["impersonation.groups"], json!(["superuser"]));
}

#[tokio::test]
async fn a_flood_of_garbage_does_not_hide_whom_somebody_tried_to_be() {
    let desk = Desk::new();
    let layer = desk.layer();
    for _ in 0..100 {
        desk.send(&layer, get(&desk.alice(), &[("impersonate_user", "x")]))
            .await;
    }
    for number in 0..100 {
        let victim = format!("victim-{number}");
        desk.send(&layer, get(&desk.alice(), &[("impersonate-user", &victim)]))
            .await;
    }
    let denials = desk.events(EventName::Denied);
    let clear = denials
        .iter()
        .filter(|denial| denial.get("impersonation.wanted").is_some());
    assert_eq!((denials.len(), clear.count()), (120, 60));
}

#[tokio::test]
async fn a_trusted_claim_that_nothing_reads_does_not_pass_as_nothing() {
    let desk = Desk::new();
    let accepted = || desk.accepted().trust_claim("view_as").trust_claim("viewAs");
    let layer = desk
        .bare()
        .issuer(accepted())
        .resolve(resolve::claim("viewAs"))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let token = desk
        .token("carol", &["support"])
        .claim("view_as", json!({ "sub": "alice" }));
    desk.send(&layer, get(&token.sign(), &[]))
        .await
        .assert_refused(403);
    assert_eq!(desk.denial()["impersonation.deny.rule"], "unread_claim");

    let mistyped = desk.builder().resolve(resolve::claim("viewAs")).build();
    assert!(matches!(mistyped, Err(ConfigError::Strategy { .. })));
}

#[tokio::test]
async fn the_order_of_strategies_decides_nothing() {
    let desk = Desk::new();
    let token = desk
        .token("carol", &["support"])
        .claim("view_as", json!({ "sub": "alice" }))
        .sign();
    let base = || {
        desk.bare()
            .issuer(desk.accepted().trust_claim("view_as"))
            .policy(policy::in_group("support"))
    };
    let header = || resolve::header("impersonate-user");
    for builder in [
        base().resolve(header()).resolve(ByOwnHeader),
        base().resolve(ByOwnHeader).resolve(header()),
    ] {
        let headers = [("impersonate-user", "alice"), ("view-as", "alice")];
        let seen = desk
            .send(&builder.build().unwrap(), get(&token, &headers))
            .await;
        seen.assert_ran_as("alice", Some("carol"));
    }
}

#[tokio::test]
async fn two_claims_in_one_token_are_not_a_choice() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_claim("view_as"))
        .resolve(resolve::claim("view_as"))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let token = desk
        .token("carol", &["support"])
        .claim("view_as", json!({ "sub": "alice" }))
        .claim("impersonating", json!({ "sub": "bob" }));
    desk.send(&layer, get(&token.sign(), &[]))
        .await
        .assert_refused(403);
}

struct ByOwnHeader;

impl Resolve for ByOwnHeader {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        let Some(sub) = parts
            .headers
            .get("view-as")
            .and_then(|value| value.to_str().ok())
        else {
            return Answer::now(Resolution::NotRequested);
        };
        let target = TargetRef::subject(claims.issuer(), sub);
        // The label is not the application's to choose.
        let ask = Ask::user(target, Strategy::Claim).narrowed_to(["customers"].into());
        Answer::now(Requested::new(claims.caller(), ask).into())
    }
}

#[tokio::test]
async fn a_strategy_of_ones_own_needs_a_directory_and_bears_its_own_name() {
    let desk = Desk::new();
    let without = ImpersonationLayer::builder()
        .audit(desk.sink.clone())
        .issuer(desk.accepted())
        .resolve(ByOwnHeader)
        .policy(policy::in_group("support"));
    assert!(matches!(without.build(), Err(ConfigError::NoDirectory)));

    let layer = desk.builder().resolve(ByOwnHeader).build().unwrap();
    let seen = desk.as_carol(&layer, &[("view-as", "alice")]).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["strategy"], "custom");
}

#[tokio::test]
async fn headers_narrow_further_and_never_widen() {
    let desk = Desk::new();
    let layer = desk.builder().resolve(ByOwnHeader).build().unwrap();
    let headers = [
        ("view-as", "alice"),
        ("impersonate-user", "alice"),
        ("impersonate-group", "beta"),
        ("impersonate-group", "customers"),
    ];
    let seen = desk.as_carol(&layer, &headers).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["groups"], json!(["customers"]));
}

#[tokio::test]
async fn a40_duplicates_inside_the_string_form_of_the_claim() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_claim("impersonating"))
        .resolve(resolve::claim("impersonating").or_string())
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let twice = r#"{"sub":"alice","sub":"bob"}"#;
    let token = desk
        .token("carol", &["support"])
        .claim("impersonating", twice)
        .sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(401);
}

#[tokio::test]
async fn no_cache_is_told_otherwise_than_no_store() {
    let desk = Desk::new();
    let service = desk
        .layer()
        .layer(service_fn(|_: Request<Full<Bytes>>| async move {
            let mut response = Response::new(Full::<Bytes>::from("alice's orders"));
            for name in [
                "cache-control",
                "cdn-cache-control",
                "x-cdn-cache-control",
                "surrogate-control",
            ] {
                response
                    .headers_mut()
                    .insert(name, "public, max-age=600".parse().unwrap());
            }
            response
                .headers_mut()
                .insert("expires", "Thu, 01 Jan 2099 00:00:00 GMT".parse().unwrap());
            Ok::<_, std::convert::Infallible>(response)
        }));
    let response = service.oneshot(get(&desk.carol(), AS_ALICE)).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    for name in [
        "cdn-cache-control",
        "x-cdn-cache-control",
        "surrogate-control",
        "expires",
    ] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn nobody_of_another_tenant_is_looked_up() {
    const OTHER: &str = "https://other.example.com";
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER);
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let users = desk.users.clone();
    let directory = move |target: &TargetRef| {
        count.fetch_add(1, Ordering::SeqCst);
        tower_impersonate::directory::Directory::find(&users, target)
    };
    let layer = desk
        .builder()
        .issuer(other.issuer())
        .directory(directory)
        .build()
        .unwrap();
    for headers in [
        [
            ("impersonate-user", "victim"),
            ("impersonate-issuer", OTHER),
        ],
        [
            ("impersonate-user", "victim"),
            ("impersonate-issuer", "https://nowhere.example.com"),
        ],
    ] {
        desk.as_carol(&layer, &headers).await.assert_refused(403);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a121_a122_what_is_malformed_is_401_whether_or_not_anybody_would_believe_it() {
    let desk = Desk::new();
    let layer = desk.layer();
    for name in ["act", "impersonating"] {
        for value in [
            json!(null),
            json!(5),
            json!([]),
            json!({}),
            json!({ "sub": "" }),
        ] {
            let token = desk
                .token("carol", &["support"])
                .claim(name, value.clone())
                .sign();
            let seen = desk.send(&layer, get(&token, &[])).await;
            assert_eq!(seen.status, 401, "{name} {value}");
        }
    }
}

#[test]
fn a_limit_on_denials_is_a_limit_and_no_switch() {
    use tower_impersonate::audit::DenialLimit;
    let desk = Desk::new();
    for limit in [
        DenialLimit::new(0, Duration::from_secs(60)),
        DenialLimit::new(u32::MAX, Duration::from_secs(60)),
        DenialLimit::new(60, Duration::ZERO),
    ] {
        let built = desk.builder().denial_limit(limit).build();
        assert!(
            matches!(built, Err(ConfigError::OutOfBounds { .. })),
            "{limit:?}"
        );
    }
}

#[tokio::test]
async fn groups_that_an_exchanged_token_leaves_out_are_the_directorys() {
    let desk = Desk::new();
    let vouched = policy::vouched_by(ISSUER).except(policy::target_in_group("admins"));
    let layer = by_act(&desk).replacing().policy(vouched).build().unwrap();
    let token = |sub: &str| {
        let token = desk.token(sub, &[]).without("groups");
        token.claim("act", json!({ "sub": "carol" })).sign()
    };
    desk.send(&layer, get(&token("root"), &[]))
        .await
        .assert_refused(403);
    let seen = desk.send(&layer, get(&token("alice"), &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["groups"], json!(["customers", "beta"]));
}

#[tokio::test]
async fn a_directory_that_finds_somebody_else_looks_as_if_it_found_nobody() {
    let desk = Desk::new();
    let users = desk.users.clone();
    // As a database that compares without regard to case.
    let careless = move |target: &TargetRef| match target.who() {
        tower_impersonate::terms::Who::Subject(sub) => {
            let target = TargetRef::subject(target.issuer(), sub.to_lowercase());
            tower_impersonate::directory::Directory::find(&users, &target)
        }
        _ => unreachable!("nobody is asked for by name"),
    };
    let layer = desk.builder().directory(careless).build().unwrap();
    let seen = desk
        .as_carol(&layer, &[("impersonate-user", "ALICE")])
        .await;
    let nobody = desk
        .as_carol(&layer, &[("impersonate-user", "NOBODY")])
        .await;
    seen.assert_refused(403);
    nobody.assert_refused(403);
    assert_eq!(seen.body, nobody.body);
    assert_eq!(desk.events(EventName::Denied).len(), 2);
}

#[tokio::test]
async fn a_grant_behind_a_claim_of_any_name_or_form_is_401() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_claim("view_as"))
        .resolve(resolve::claim("view_as").or_string())
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    for value in [
        json!({ "sub": "alice", "grant_id": "g1" }),
        json!(r#"{"sub":"alice","grant_id":"g1"}"#),
    ] {
        let token = desk.token("carol", &["support"]).claim("view_as", value);
        desk.send(&layer, get(&token.sign(), &[]))
            .await
            .assert_refused(401);
    }
}

#[tokio::test]
async fn a_rule_about_a_claim_that_is_a_fact_knows_nothing_and_so_denies() {
    let desk = Desk::new();
    for name in ["scope", "groups"] {
        let policy = policy::in_group("support").except(policy::claim(name, "limited"));
        let layer = desk.undecided().policy(policy).build().unwrap();
        desk.as_carol(&layer, AS_ALICE).await.assert_refused(403);
    }
}

#[tokio::test]
async fn a_strategy_of_ones_own_names_no_actor_that_the_token_does_not() {
    let desk = Desk::new();
    let invented = resolve::custom(|claims: &Verified<Claims>, _: &Parts| {
        let root = tower_impersonate::identity::IdentityKey::new(ISSUER, "root");
        assert!(claims.acting(root).is_none());
        Resolution::NotRequested
    });
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act())
        .resolve(invented)
        .resolve(resolve::act())
        .policy(policy::vouched_by(ISSUER))
        .build()
        .unwrap();
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", None);
    let token = desk
        .token("alice", &[])
        .claim("act", json!({ "sub": "carol" }))
        .sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a_group_header_beside_a_role_of_ones_own_is_not_passed_over() {
    let desk = Desk::new();
    let own_role = resolve::custom(|claims: &Verified<Claims>, _: &Parts| -> Resolution {
        Requested::new(claims.caller(), Ask::role(["a"].into())).into()
    });
    let layer = desk
        .bare()
        .issuer(desk.accepted())
        .resolve(own_role)
        .resolve(resolve::role(["b"]))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", Some("carol"));
    desk.as_carol(&layer, &[("impersonate-group", "b")])
        .await
        .assert_refused(409);
}

#[test]
fn a_policy_that_names_an_issuer_nobody_configured_is_refused() {
    let desk = Desk::new();
    let trailing = format!("{ISSUER}/");
    for rule in [
        policy::allow_all().except(policy::target_in_group("admins").of(trailing.as_str())),
        policy::vouched_by(trailing.as_str()),
        policy::from_issuer(trailing.as_str()).or(policy::staff()),
    ] {
        let built = desk.undecided().policy(rule).build();
        assert!(
            matches!(built, Err(ConfigError::UnknownIssuer { issuer, .. }) if issuer == trailing)
        );
    }
}
