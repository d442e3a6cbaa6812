//! The rules of the policy, each through the whole layer, with the rule that the record names.

mod support;

use serde_json::json;
use support::{Desk, ISSUER, get};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::middleware::Builder;
use tower_impersonate::policy::{self, Attempt, Policy, Ruling};
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, resolve};

const OTHER: &str = "https://other.example.com";

/// A desk whose issuer belongs to acme, next to another one that belongs to it, too.
struct Two {
    desk: Desk,
    other: TestIssuer,
}

impl Two {
    fn new() -> Self {
        let desk = Desk::new();
        let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
        let tina = Identity::new(OTHER, "tina").with_groups(["customers"]);
        desk.users.insert(tina.enabled_account());
        Self { desk, other }
    }

    fn builder(&self, here: Issuer, there: Issuer) -> Builder {
        let header = resolve::header("impersonate-user");
        self.desk.bare().issuer(here).issuer(there).resolve(header)
    }

    fn layer(&self, policy: impl Policy + 'static) -> ImpersonationLayer {
        let here = self.desk.accepted().tenant("acme").trust_act();
        let there = self.other.issuer().tenant("acme");
        let builder = self.builder(here, there).resolve(resolve::act());
        builder.policy(policy).build().unwrap()
    }

    /// Whether the bearer of this token may act as alice; if not, the rule that says so.
    async fn asks(&self, layer: &ImpersonationLayer, token: TokenBuilder) -> Result<(), String> {
        let headers = [
            ("impersonate-user", "alice"),
            ("impersonate-issuer", ISSUER),
        ];
        self.result(layer, get(&token.sign(), &headers)).await
    }

    /// Whether this actor, named by the token of alice, may act as alice.
    async fn acts(&self, layer: &ImpersonationLayer, actor: &str) -> Result<(), String> {
        let token = self.desk.token("alice", &["customers"]);
        let token = token.claim("act", json!({ "sub": actor })).sign();
        self.result(layer, get(&token, &[])).await
    }

    async fn result(
        &self,
        layer: &ImpersonationLayer,
        request: http::Request<http_body_util::Full<bytes::Bytes>>,
    ) -> Result<(), String> {
        let seen = self.desk.send(layer, request).await;
        if seen.ran {
            self.desk.sink.clear();
            return Ok(());
        }
        seen.assert_refused(403);
        let denial = self.desk.denial();
        self.desk.sink.clear();
        Err(denial["impersonation.deny.rule"]
            .as_str()
            .unwrap()
            .to_owned())
    }

    fn here(&self, groups: &[&str]) -> TokenBuilder {
        self.desk.token("carol", groups)
    }

    fn there(&self, groups: &[&'static str]) -> TokenBuilder {
        self.other.token("carol").groups(groups.iter().copied())
    }
}

fn no(rule: &str) -> Result<(), String> {
    Err(rule.to_owned())
}

#[tokio::test]
async fn in_group_speaks_of_the_actors_own_issuer_and_of_pins_one() {
    let two = Two::new();
    let any = two.layer(policy::in_group("support"));
    let pinned = two.layer(policy::in_group("support").of(ISSUER));
    assert_eq!(two.asks(&any, two.here(&["support"])).await, Ok(()));
    assert_eq!(two.asks(&any, two.there(&["support"])).await, Ok(()));
    assert_eq!(two.asks(&pinned, two.here(&["support"])).await, Ok(()));
    assert_eq!(
        two.asks(&pinned, two.there(&["support"])).await,
        no("in_group(support)")
    );
    for groups in [
        &["Support"][..],
        &["support "],
        &["*"],
        &["suppor", "t"],
        &[],
    ] {
        assert_eq!(
            two.asks(&any, two.here(groups)).await,
            no("in_group(support)")
        );
    }
}

#[tokio::test]
async fn wild_cards_contain_no_right_to_impersonate() {
    let two = Two::new();
    let layer = two.layer(policy::scope("impersonate").or(policy::in_group("support")));
    for scope in [
        "*",
        "* admin",
        "impersonate:*",
        "impersonat*",
        "IMPERSONATE",
        ".*",
    ] {
        let token = two.here(&["*"]).scope(scope);
        assert!(two.asks(&layer, token).await.is_err(), "{scope}");
    }
    let token = two.here(&[]).scope("read impersonate write");
    assert_eq!(two.asks(&layer, token).await, Ok(()));
}

#[tokio::test]
async fn scope_is_that_of_the_actors_own_token_and_unknown_without_one() {
    let two = Two::new();
    let layer = two.layer(policy::scope("impersonate"));
    assert_eq!(
        two.asks(&layer, two.here(&[])).await,
        no("scope(impersonate)")
    );
    for malformed in [json!(["impersonate"]), json!(5), json!(null)] {
        let token = two.here(&[]).claim("scope", malformed);
        assert_eq!(
            two.asks(&layer, token).await,
            no("unknown:scope(impersonate)")
        );
    }
    // The scope in a token with `act` is the target's.
    let token = two.desk.token("alice", &[]).scope("impersonate");
    let token = token.claim("act", json!({ "sub": "carol" })).sign();
    let denied = two.result(&layer, get(&token, &[])).await;
    assert_eq!(denied, no("unknown:scope(impersonate)"));
}

#[tokio::test]
async fn claim_is_exact_and_only_of_the_actors_own_token() {
    let two = Two::new();
    let layer = two.layer(policy::claim("desk", "first-level"));
    let with = |value| two.here(&[]).claim("desk", value);
    assert_eq!(two.asks(&layer, with(json!("first-level"))).await, Ok(()));
    for other in [json!("First-level"), json!(["first-level"]), json!(true)] {
        assert_eq!(two.asks(&layer, with(other)).await, no("claim(desk)"));
    }
    assert_eq!(two.acts(&layer, "carol").await, no("unknown:claim(desk)"));
}

#[tokio::test]
async fn issuer_tenant_and_staff_are_of_the_actor() {
    let two = Two::new();
    let from = two.layer(policy::from_issuer(OTHER));
    assert_eq!(two.asks(&from, two.there(&[])).await, Ok(()));
    assert_eq!(
        two.asks(&from, two.here(&[])).await,
        no("from_issuer(https://other.example.com)")
    );
    let tenant = two.layer(policy::in_tenant("acme"));
    assert_eq!(two.asks(&tenant, two.here(&[])).await, Ok(()));
    let tenant = two.layer(policy::in_tenant("Acme"));
    assert_eq!(
        two.asks(&tenant, two.here(&[])).await,
        no("in_tenant(Acme)")
    );

    let here = two.desk.accepted();
    let builder = two.builder(here, two.other.issuer().staff());
    let staff = builder.policy(policy::staff()).build().unwrap();
    assert_eq!(two.asks(&staff, two.there(&[])).await, Ok(()));
    assert_eq!(two.asks(&staff, two.here(&[])).await, no("staff"));
}

#[tokio::test]
async fn pairs_are_exact_and_directed() {
    let two = Two::new();
    let key = |sub: &str| IdentityKey::new(ISSUER, sub);
    let layer = two.layer(policy::pairs([
        (key("carol"), key("alice")),
        (key("alice"), key("dora")),
        (IdentityKey::new(OTHER, "dora"), key("alice")),
    ]));
    assert_eq!(two.asks(&layer, two.here(&[])).await, Ok(()));
    for actor in ["bob", "dora"] {
        assert_eq!(
            two.asks(&layer, two.desk.token(actor, &[])).await,
            no("pairs")
        );
    }
    let headers = [("impersonate-user", "bob")];
    let denied = two.result(&layer, get(&two.desk.carol(), &headers)).await;
    assert_eq!(denied, no("pairs"));
}

#[tokio::test]
async fn nobody_acts_as_somebody_of_the_same_or_a_higher_rank_or_of_an_unknown_one() {
    let two = Two::new();
    let ranked = |sub: &str, rank: Option<i64>| {
        let person = Identity::new(ISSUER, sub).enabled_account();
        two.desk
            .users
            .insert(rank.map_or(person.clone(), |rank| person.with_rank(rank)));
    };
    let layer = two.layer(policy::rank(Identity::rank));
    for (actor, target, allowed) in [
        (Some(2), Some(1), true),
        (Some(1), Some(1), false),
        (Some(1), Some(2), false),
        (None, Some(1), false),
        (Some(2), None, false),
        (None, None, false),
    ] {
        ranked("carol", actor);
        ranked("alice", target);
        let expected = match (actor, target) {
            _ if allowed => Ok(()),
            (Some(_), Some(_)) => no("rank"),
            _ => no("unknown:rank"),
        };
        assert_eq!(
            two.asks(&layer, two.here(&[])).await,
            expected,
            "{actor:?} {target:?}"
        );
    }
}

#[tokio::test]
async fn an_exception_that_needs_an_unknown_fact_denies() {
    let two = Two::new();
    let layer = two.layer(policy::in_group("support").except(policy::target_in_group("admins")));
    assert_eq!(two.asks(&layer, two.here(&["support"])).await, Ok(()));
    // Nobody knows which groups alice is in.
    two.desk
        .users
        .insert(Identity::new(ISSUER, "alice").enabled_account());
    let denied = two.asks(&layer, two.here(&["support"])).await;
    assert_eq!(denied, no("unknown:target_in_group(admins)"));
    // The other way round: nobody knows which groups the actor is in.
    let not_intern = policy::not(policy::in_group("interns"));
    let layer = two.layer(policy::allow_all().and(not_intern));
    assert_eq!(two.asks(&layer, two.here(&["support"])).await, Ok(()));
    assert_eq!(
        two.asks(&layer, two.here(&["interns"])).await,
        no("not(in_group(interns))")
    );
    assert_eq!(
        two.acts(&layer, "stranger").await,
        no("unknown:in_group(interns)")
    );
}

#[tokio::test]
async fn target_in_group_can_be_pinned_to_an_issuer() {
    let two = Two::new();
    let support = || policy::in_group("support");
    let elsewhere = policy::target_in_group("customers").of(OTHER);
    let layer = two.layer(support().except(elsewhere));
    assert_eq!(two.asks(&layer, two.here(&["support"])).await, Ok(()));
    let headers = [("impersonate-user", "tina"), ("impersonate-issuer", OTHER)];
    let denied = two.result(&layer, get(&two.desk.carol(), &headers)).await;
    assert_eq!(denied, no("not(target_in_group(customers))"));
}

#[tokio::test]
async fn deny_all_is_the_kill_switch_and_allow_all_still_stands_within_the_invariants() {
    let two = Two::new();
    let killed = two.layer(policy::allow_all().and(policy::deny_all()));
    assert_eq!(
        two.asks(&killed, two.here(&["support"])).await,
        no("deny_all")
    );

    let layer = two.layer(policy::allow_all());
    let machine = two.desk.token("nightly", &[]).client_id("nightly");
    assert_eq!(two.asks(&layer, machine).await, no("machine_by_header"));
    for (target, rule) in [("dave", "target_disabled"), ("mallory", "target_not_found")] {
        let headers = [("impersonate-user", target)];
        let denied = two.result(&layer, get(&two.desk.carol(), &headers)).await;
        assert_eq!(denied, no(rule));
    }
    let apart = two.builder(two.desk.accepted(), two.other.issuer());
    let apart = apart.policy(policy::allow_all()).build().unwrap();
    assert_eq!(two.asks(&apart, two.there(&[])).await, no("tenant"));
}

#[tokio::test]
async fn a_rule_of_ones_own_that_knows_nothing_yet_is_asked_again_about_the_pair() {
    let two = Two::new();
    let same_letter = policy::custom(|attempt: &Attempt<'_>| match attempt.target() {
        None => Ruling::unknown("same_letter"),
        Some(target) => {
            let first = |identity: &Identity| identity.subject().chars().next();
            let same = first(target) == first(attempt.actor());
            Ruling::allow_if(same, || "same_letter".into())
        }
    });
    let layer = two.layer(same_letter);
    assert_eq!(two.asks(&layer, two.here(&[])).await, no("same_letter"));
    assert_eq!(two.asks(&layer, two.desk.token("anna", &[])).await, Ok(()));

    let undecided = policy::custom(|_: &Attempt<'_>| Ruling::unknown("undecided"));
    let layer = two.layer(undecided);
    assert_eq!(
        two.asks(&layer, two.here(&[])).await,
        no("unknown:undecided")
    );
}

#[tokio::test]
async fn an_attempt_tells_the_rule_what_is_asked_for() {
    let two = Two::new();
    let ours = policy::custom(|attempt: &Attempt<'_>| {
        let asked = attempt
            .wanted()
            .is_some_and(|wanted| wanted.issuer() == ISSUER)
            && attempt
                .reason()
                .is_some_and(|reason| reason.as_str() == "because")
            && attempt.has_own_token()
            && attempt.voucher() == ISSUER
            && attempt.strategy().as_str() == "header"
            && attempt.role().is_none()
            && attempt.roles().is_none();
        Ruling::allow_if(asked, || "ours".into())
    });
    let layer = two.layer(ours);
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-reason", "because"),
    ];
    assert_eq!(
        two.result(&layer, get(&two.desk.carol(), &headers)).await,
        Ok(())
    );
    assert_eq!(two.asks(&layer, two.here(&[])).await, no("ours"));
}

#[tokio::test]
async fn what_the_token_says_of_the_actor_is_not_overruled_by_the_directory() {
    let two = Two::new();
    // The directory still has carol in the support team, her token no longer.
    let layer = two.layer(policy::in_group("support"));
    assert_eq!(
        two.asks(&layer, two.here(&["customers"])).await,
        no("in_group(support)")
    );
    // Where the token tells no groups, the directory is asked.
    let token = two.here(&[]).claim("groups", "support");
    assert_eq!(two.asks(&layer, token).await, Ok(()));
    let token = two.desk.token("bob", &[]).claim("groups", "support");
    assert_eq!(two.asks(&layer, token).await, no("in_group(support)"));
}
