//! The layer on a socket before the tokens and the people of Cognito user pools, as ministack runs
//! them.
//!
//! `./tests/run` starts the pools and runs these.

#![cfg(feature = "jwks")]

#[path = "support/counterparts.rs"]
mod counterparts;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use counterparts::{Ministack, Pool, assert_recorded, decoded};
use http::StatusCode;
use over_http::Server;
use serde_json::{Value, json};
use support::Seen;
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::directory::LookupError;
use tower_impersonate::middleware::Builder;
use tower_impersonate::terms::{TargetRef, Who};
use tower_impersonate::testing::RecordingSink;
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, directory, policy, resolve};

/// The user pool of an application: Carol is in its support team, Root an administrator, Alice and
/// Bob are customers, Dave is disabled. Mallory is an administrator of another pool.
struct Desk {
    ministack: Ministack,
    pool: Pool,
    other: Pool,
    sink: RecordingSink,
    /// How often the pool was asked about somebody.
    lookups: Arc<AtomicUsize>,
}

impl Desk {
    fn new() -> Self {
        let ministack = Ministack::new();
        Self {
            pool: ministack.pool("user_pool"),
            other: ministack.pool("other_pool"),
            ministack,
            sink: RecordingSink::new(),
            lookups: Arc::default(),
        }
    }

    fn accepted(&self, pool: &Pool) -> Issuer {
        Issuer::cognito(self.ministack.region(), pool.id())
            .jwks_url(pool.jwks_url())
            .insecure_loopback_http()
    }

    /// Takes tokens of the pool's clients `web` and `bot`.
    fn issuer(&self) -> Issuer {
        let clients = ["web", "bot"].map(|name| self.pool.client(name));
        self.accepted(&self.pool).client_ids(clients)
    }

    /// Lacks a directory.
    fn bare(&self, issuer: Issuer) -> Builder {
        ImpersonationLayer::builder()
            .issuer(issuer)
            .audit(self.sink.clone())
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("support").except(policy::target_in_group("admins")))
    }

    /// Support may act by header as everybody but administrators; people are in memory.
    fn builder(&self, issuer: Issuer) -> Builder {
        let person = |name: &str, groups: &[&str]| {
            Identity::new(self.pool.issuer(), self.pool.sub(name))
                .with_username(name)
                .with_groups(groups.to_vec())
                .enabled_account()
        };
        self.bare(issuer).directory(directory::memory([
            person("alice", &["customers", "beta"]),
            person("bob", &["customers"]),
            person("carol", &["support"]),
            person("root", &["admins"]),
        ]))
    }

    /// The same, but the pool itself is asked about people, by name.
    fn asking_the_pool(&self) -> Builder {
        let (pool, lookups) = (self.pool.clone(), Arc::clone(&self.lookups));
        let header = resolve::header("impersonate-user").names();
        ImpersonationLayer::builder()
            .issuer(self.issuer())
            .audit(self.sink.clone())
            .resolve(header)
            .policy(policy::in_group("support").except(policy::target_in_group("admins")))
            .directory(move |target: &TargetRef| {
                lookups.fetch_add(1, Ordering::SeqCst);
                let (pool, target) = (pool.clone(), target.clone());
                Answer::later(async move { find(&pool, &target).await })
            })
    }

    async fn carol(&self) -> String {
        self.pool.sign_in("web", "carol").await.access
    }

    /// What the header carries to name Alice.
    fn alice(&self) -> String {
        self.pool.sub("alice")
    }

    /// It ran as that user, by that actor, and the audit says so.
    async fn assert_acted(&self, seen: &Seen, actor: &str, target: &str, groups: &[&str]) {
        let target = self.pool.sub(target);
        seen.assert_ran_as(&target, Some(actor));
        assert_eq!(seen.body["groups"], json!(groups));
        let issuer = self.pool.issuer();
        assert_eq!(seen.body["iss"], issuer);
        assert_recorded(&self.sink, "header", (&issuer, actor), (&issuer, &target)).await;
    }

    /// It was refused; the audit says by which rule.
    fn assert_denied(&self, seen: &Seen, rule: &str) {
        seen.assert_refused(403);
        assert_eq!(seen.body["error"], "insufficient_scope");
        let denials = self.sink.named(EventName::Denied);
        let rules: Vec<_> = denials
            .iter()
            .map(|denial| &denial["impersonation.deny.rule"])
            .collect();
        assert_eq!(rules, [rule]);
        assert_eq!(self.sink.events().len(), 1);
        self.sink.clear();
    }
}

async fn serve(builder: Builder) -> Server {
    Server::start(builder.build().unwrap()).await
}

async fn act(server: &Server, token: &str, user: &str) -> Seen {
    server.get(token, &[("impersonate-user", user)]).await
}

#[track_caller]
fn assert_invalid(seen: &Seen) {
    seen.assert_refused(401);
    assert_eq!(
        seen.header("www-authenticate"),
        Some(r#"Bearer realm="api", error="invalid_token""#)
    );
}

/// A directory over the administration of the user pool.
async fn find(pool: &Pool, target: &TargetRef) -> Result<Identity, LookupError> {
    let (Who::Subject(who) | Who::Name(who)) = target.who() else {
        return Err(LookupError::not_found());
    };
    let user = pool.admin("AdminGetUser", who).await;
    match (user.status, user.body["__type"].as_str()) {
        (StatusCode::OK, _) => {}
        (_, Some("UserNotFoundException")) => return Err(LookupError::not_found()),
        _ => return Err(LookupError::unavailable("the pool does not answer")),
    }
    let attributes = user.body["UserAttributes"].as_array().unwrap();
    let attribute = |name: &str| {
        let found = attributes.iter().find(|found| found["Name"] == name)?;
        found["Value"].as_str()
    };
    let groups = pool.admin("AdminListGroupsForUser", who).await.body;
    let groups: Vec<&str> = groups["Groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|group| group["GroupName"].as_str())
        .collect();
    let person = Identity::new(pool.issuer(), attribute("sub").unwrap())
        .with_username(user.body["Username"].as_str().unwrap())
        .with_groups(groups)
        .with_attribute("email", attribute("email").unwrap());
    Ok(if user.body["Enabled"] == Value::Bool(true) {
        person.enabled_account()
    } else {
        person.disabled_account()
    })
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn access_and_id_tokens_of_a_person_authenticate_and_impersonate() {
    let desk = Desk::new();
    let server = serve(desk.builder(desk.issuer().id_tokens())).await;
    let carol = desk.pool.sign_in("web", "carol").await;
    let kids = [&carol.access, &carol.id].map(|token| decoded(token).0["kid"].clone());
    assert_ne!(kids[0], kids[1], "each kind has a key of its own");
    for (token, usage, kid) in [
        (carol.access, "access", &kids[0]),
        (carol.id, "id", &kids[1]),
    ] {
        assert_eq!(decoded(&token).1["token_use"], usage);
        assert!(
            kid.as_str().unwrap().ends_with('='),
            "base64 with padding: {kid}"
        );

        let sub = desk.pool.sub("carol");
        let seen = server.get(&token, &[]).await;
        seen.assert_ran_as(&sub, None);
        assert_eq!(seen.body["username"], "carol");
        assert_eq!(seen.body["groups"], json!(["support"]));
        assert!(desk.sink.events().is_empty());

        let seen = act(&server, &token, &desk.alice()).await;
        desk.assert_acted(&seen, &sub, "alice", &["customers", "beta"])
            .await;
        assert_eq!(seen.body["username"], "alice");
    }
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn k02_without_the_right_nobody_is_impersonated() {
    let desk = Desk::new();
    let server = serve(desk.builder(desk.issuer())).await;
    let alice = desk.pool.sign_in("web", "alice").await.access;
    server
        .get(&alice, &[])
        .await
        .assert_ran_as(&desk.alice(), None);
    let seen = act(&server, &alice, &desk.pool.sub("bob")).await;
    desk.assert_denied(&seen, "in_group(support)");
    let seen = act(&server, &desk.carol().await, &desk.pool.sub("root")).await;
    desk.assert_denied(&seen, "not(target_in_group(admins))");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn machines_act_only_where_header_and_policy_name_them() {
    let desk = Desk::new();
    let bot = desk.pool.machine().await;
    let sub = desk.pool.client("bot");
    assert_eq!(decoded(&bot).1["sub"], *sub);

    let server = serve(desk.builder(desk.issuer())).await;
    server.get(&bot, &[]).await.assert_ran_as(&sub, None);
    let seen = act(&server, &bot, &desk.alice()).await;
    desk.assert_denied(&seen, "machine_by_header");

    let header = resolve::header("run-as").machines();
    let named = desk.builder(desk.issuer()).resolve(header);
    let named = serve(named.replacing().policy(policy::machines([sub.as_str()]))).await;
    let alice = desk.alice();
    let seen = named.get(&bot, &[("run-as", &alice)]).await;
    desk.assert_acted(&seen, &sub, "alice", &["customers", "beta"])
        .await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a33_a_token_of_another_pool_is_refused() {
    let desk = Desk::new();
    let mallory = desk.other.sign_in("web", "mallory").await.access;
    let server = serve(desk.builder(desk.issuer())).await;
    assert_invalid(&server.get(&mallory, &[]).await);
    assert_invalid(&act(&server, &mallory, &desk.alice()).await);

    // The pool of the token with the keys of the other one: its kids are unknown there.
    let crossed = Issuer::cognito(desk.ministack.region(), desk.other.id())
        .client_ids([desk.other.client("web")])
        .jwks_url(desk.pool.jwks_url())
        .insecure_loopback_http();
    assert_invalid(&serve(desk.builder(crossed)).await.get(&mallory, &[]).await);
    assert!(desk.sink.events().is_empty());
}

/// A group is the group of one pool, and people are the people of one tenant.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn an_administrator_of_one_pool_is_nobody_in_another() {
    let desk = Desk::new();
    let mallory = desk.other.sign_in("web", "mallory").await.access;
    let issuer = desk.pool.issuer();
    let both = || {
        let other = desk
            .accepted(&desk.other)
            .client_ids([desk.other.client("web")]);
        desk.builder(desk.issuer()).issuer(other)
    };
    let alice = desk.alice();
    let headers = [
        ("impersonate-user", alice.as_str()),
        ("impersonate-issuer", issuer.as_str()),
    ];

    let anywhere = serve(both().replacing().policy(policy::in_group("admins"))).await;
    let seen = anywhere.get(&mallory, &[]).await;
    seen.assert_ran_as(&desk.other.sub("mallory"), None);
    assert_eq!(seen.body["groups"], json!(["admins"]));
    let seen = anywhere.get(&mallory, &headers).await;
    seen.assert_refused(403);
    let pinned = serve(
        both()
            .replacing()
            .policy(policy::in_group("admins").of(issuer.as_str())),
    )
    .await;
    pinned.get(&mallory, &headers).await.assert_refused(403);
    let denied = desk.sink.named(EventName::Denied);
    assert_eq!((denied.len(), desk.sink.events().len()), (2, 2));
    assert_eq!(denied[1]["impersonation.deny.rule"], "in_group(admins)");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a44_a_token_of_another_client_is_refused() {
    let desk = Desk::new();
    let server = serve(desk.builder(desk.issuer().id_tokens())).await;
    let carol = desk.pool.sign_in("console", "carol").await;
    for token in [carol.access, carol.id] {
        assert_invalid(&act(&server, &token, &desk.alice()).await);
    }
    assert!(desk.sink.events().is_empty());
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a42_an_id_token_where_access_tokens_are_expected_is_refused() {
    let desk = Desk::new();
    let server = serve(desk.builder(desk.issuer())).await;
    let carol = desk.pool.sign_in("web", "carol").await;
    assert_invalid(&act(&server, &carol.id, &desk.alice()).await);
    let seen = act(&server, &carol.access, &desk.alice()).await;
    let sub = desk.pool.sub("carol");
    desk.assert_acted(&seen, &sub, "alice", &["customers", "beta"])
        .await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn who_takes_a_role_stays_who_it_is() {
    let desk = Desk::new();
    let rule = policy::in_group("admins").and(policy::takes_group(["support"]));
    let role = desk
        .bare(desk.issuer())
        .resolve(resolve::role(["support", "beta"]));
    let server = serve(
        role.replacing()
            .policy(rule)
            .directory(directory::memory([])),
    )
    .await;
    let root = desk.pool.sign_in("web", "root").await.access;
    let sub = desk.pool.sub("root");

    let seen = server.get(&root, &[("impersonate-group", "support")]).await;
    assert_eq!((seen.status, seen.ran), (StatusCode::OK, true), "{seen:?}");
    assert_eq!(seen.body["sub"], sub);
    assert_eq!(seen.body["groups"], json!(["support"]));
    assert_eq!(seen.body["strategy"], "role");
    desk.sink.wait_for(EventName::Completed, 1).await;
    let events = desk.sink.events();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event["impersonation.actor.sub"], sub);
        assert_eq!(event["impersonation.target.sub"], Value::Null);
        assert_eq!(event["impersonation.groups"], json!(["support"]));
        assert_eq!(event["user.id"], sub);
    }
    desk.sink.clear();

    let seen = server.get(&root, &[("impersonate-group", "beta")]).await;
    desk.assert_denied(&seen, "takes_group");
    let seen = server.get(&root, &[("impersonate-group", "admins")]).await;
    desk.assert_denied(&seen, "role_not_offered");
    let carol = desk.carol().await;
    let seen = server
        .get(&carol, &[("impersonate-group", "support")])
        .await;
    desk.assert_denied(&seen, "in_group(admins)");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn the_pool_itself_says_who_the_target_is() {
    let desk = Desk::new();
    let server = serve(desk.asking_the_pool()).await;
    let (carol, sub) = (desk.carol().await, desk.pool.sub("carol"));

    let seen = act(&server, &carol, "bob").await;
    desk.assert_acted(&seen, &sub, "bob", &[]).await;
    assert_eq!(seen.body["username"], "bob");
    assert_eq!(seen.body["email"], "bob@example.com");
    assert_eq!(
        desk.lookups.load(Ordering::SeqCst),
        2,
        "the actor and the target"
    );

    // The pool's groups: Root is an administrator, and whoever may do so acts with Root's groups.
    let seen = act(&server, &carol, "root").await;
    desk.assert_denied(&seen, "not(target_in_group(admins))");
    let no_exception = desk
        .asking_the_pool()
        .replacing()
        .policy(policy::in_group("support"));
    let seen = act(&serve(no_exception).await, &carol, "root").await;
    desk.assert_acted(&seen, &sub, "root", &["admins"]).await;

    let alice = desk.pool.sign_in("web", "alice").await.access;
    let before = desk.lookups.load(Ordering::SeqCst);
    let seen = act(&server, &alice, "bob").await;
    desk.assert_denied(&seen, "in_group(support)");
    assert_eq!(
        desk.lookups.load(Ordering::SeqCst),
        before,
        "no look-up without the right"
    );
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn disabled_and_unknown_people_are_refused_alike() {
    let desk = Desk::new();
    let server = serve(desk.asking_the_pool()).await;
    let carol = desk.carol().await;
    let disabled = act(&server, &carol, "dave").await;
    desk.assert_denied(&disabled, "target_disabled");
    let unknown = act(&server, &carol, "nobody").await;
    desk.assert_denied(&unknown, "target_not_found");
    let administrator = act(&server, &carol, "root").await;
    desk.assert_denied(&administrator, "not(target_in_group(admins))");
    for other in [unknown, administrator] {
        assert_eq!(disabled.body, other.body);
        let told = |seen: &Seen| {
            let mut headers = seen.headers.clone();
            headers.remove("date");
            headers
        };
        assert_eq!(told(&disabled), told(&other));
    }
}
