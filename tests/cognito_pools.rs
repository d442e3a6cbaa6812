//! A user pool for each client of a service, and one of its staff: whom a token of which pool may reach, and
//! what tokens of either form of a pool's issuer cannot do.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::expect::keeping;
use support::{Desk, get};
use tower_impersonate::directory::MemoryDirectory;
use tower_impersonate::identity::{Affiliation, Kind};
use tower_impersonate::middleware::Builder;
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::{Identity, Issuer, directory, policy, resolve};

const REGION: &str = "eu-west-1";
const ACME: &str = "eu-west-1_Acme00001";
const GLOBEX: &str = "eu-west-1_Globex001";
const STAFF: &str = "eu-west-1_Staff0001";

/// Both forms of the issuer of a pool, the canonical one first.
fn forms(pool: &str) -> [String; 2] {
    ["cognito-idp", "issuer-cognito-idp"]
        .map(|host| format!("https://{host}.{REGION}.amazonaws.com/{pool}"))
}

/// Two clients of a service, and its staff. Everybody is called the same everywhere: `user-sub`, and in a
/// group `admins` of the pool.
struct Company {
    desk: Desk,
    acme: TestIssuer,
    globex: TestIssuer,
    staff: TestIssuer,
    users: MemoryDirectory,
}

impl Company {
    async fn new() -> Self {
        let desk = Desk::new();
        let pool = async |pool| {
            let issuer = TestIssuer::start_cognito(REGION, pool).await;
            issuer.with_clock(desk.clock.clone())
        };
        let users = directory::memory([]);
        for pool in [ACME, GLOBEX, STAFF] {
            let [issuer, _] = forms(pool);
            for sub in ["user-sub", "admin-sub", "carol-sub"] {
                let person =
                    Identity::new(issuer.as_str(), sub).with_groups([if sub == "user-sub" {
                        "customers"
                    } else {
                        "admins"
                    }]);
                users.insert(person.enabled_account());
            }
        }
        Self {
            acme: pool(ACME).await,
            globex: pool(GLOBEX).await,
            staff: pool(STAFF).await,
            users,
            desk,
        }
    }

    fn bare(&self) -> Builder {
        { self.desk.bare().directory(self.users.clone()) }
            .issuer(self.acme.issuer().tenant("acme"))
            .issuer(self.globex.issuer().tenant("globex"))
            .resolve(resolve::header("impersonate-user"))
    }

    /// The staff may act as everybody, the administrators of a client as its people.
    fn builder(&self) -> Builder {
        let [acme, _] = forms(ACME);
        let [staff, _] = forms(STAFF);
        let of = |issuer: &str| policy::in_group("admins").of(issuer);
        self.bare().issuer(self.staff.issuer().staff()).policy(
            of(&staff)
                .or(of(&acme))
                .except(policy::target_in_group("admins")),
        )
    }
}

/// Somebody's access token of that form of the issuer.
fn token(pool: &TestIssuer, sub: &str, groups: &[&str], form: &str) -> TokenBuilder {
    let token = pool.token(sub).username(sub).claim("iss", form);
    token.groups(groups.iter().copied())
}

#[tokio::test]
async fn an_administrator_of_a_client_reaches_its_people_and_nobody_else() {
    let company = Company::new().await;
    let layer = company.builder().build().unwrap();
    for (pool, id, actor, target, expected) in [
        (&company.acme, ACME, "admin-sub", ACME, 200),
        (&company.acme, ACME, "admin-sub", GLOBEX, 403),
        (&company.acme, ACME, "admin-sub", STAFF, 403),
        // The same group in a pool that was never meant.
        (&company.globex, GLOBEX, "admin-sub", GLOBEX, 403),
        (&company.globex, GLOBEX, "admin-sub", ACME, 403),
        (&company.staff, STAFF, "admin-sub", ACME, 200),
        (&company.staff, STAFF, "admin-sub", GLOBEX, 200),
    ] {
        for form in forms(id) {
            let [issuer, _] = forms(target);
            let sent = token(pool, actor, &["admins"], &form).sign();
            let headers = [
                ("impersonate-user", "user-sub"),
                ("impersonate-issuer", issuer.as_str()),
            ];
            let seen = company.desk.send(&layer, get(&sent, &headers)).await;
            assert_eq!(
                seen.status.as_u16(),
                expected,
                "{form} to {target}: {seen:?}"
            );
            if expected == 200 {
                seen.assert_ran_as("user-sub", Some("admin-sub"));
                assert_eq!(seen.body["iss"], issuer);
            }
        }
    }
}

/// Either form of an issuer names the same person, to the policy, to the directory and in the audit.
#[tokio::test]
async fn both_forms_of_an_issuer_are_one_pool_of_staff() {
    let company = Company::new().await;
    let (builder, principal) = keeping(company.builder());
    let layer = builder.build().unwrap();
    let [canonical, other] = forms(STAFF);
    for form in [&canonical, &other] {
        let sent = token(&company.staff, "carol-sub", &["admins"], form).sign();
        let seen = company.desk.send(&layer, get(&sent, &[])).await;
        seen.assert_ran_as("carol-sub", None);
        assert_eq!(seen.body["iss"], canonical);
        assert_eq!(principal().identity().affiliation(), Affiliation::Staff);
    }
}

/// Federated users and those whose provider is linked: the `sub` of the pool is who they are, whatever the
/// identities say.
#[tokio::test]
async fn users_of_other_providers_are_who_the_pool_says() {
    let company = Company::new().await;
    let (builder, principal) = keeping({
        let [acme, _] = forms(ACME);
        { company.desk.bare().directory(company.users.clone()) }
            .issuer(company.acme.issuer().id_tokens())
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("admins").of(acme))
    });
    let layer = builder.build().unwrap();
    for (provider, kind, user) in [
        ("Okta", "SAML", "carol@corp.example"),
        ("Google", "Google", "104"),
        ("Corp", "OIDC", "user-sub"),
    ] {
        for form in forms(ACME) {
            let identities = json!([{ "userId": user, "providerName": provider, "providerType": kind,
                "issuer": "https://saml.example.com", "primary": "true", "dateCreated": "1700000000000" }]);
            let name = format!("{provider}_{user}");
            let sent = { token(&company.acme, "carol-sub", &["admins"], &form).cognito_id() }
                .username(&name)
                .claim("identities", identities)
                .sign();
            let seen = company.desk.send(&layer, get(&sent, &[])).await;
            seen.assert_ran_as("carol-sub", None);
            assert_eq!(seen.body["username"], name);
            assert_eq!(principal().identity().kind(), Kind::Person);
            let seen_by_handler = principal();
            let linked = seen_by_handler.identity().attribute("identities");
            assert_eq!(linked.unwrap()[0]["userId"], user);
            // It acts by its group in the pool.
            let headers = [("impersonate-user", "user-sub")];
            let seen = company.desk.send(&layer, get(&sent, &headers)).await;
            seen.assert_ran_as("user-sub", Some("carol-sub"));
        }
    }
}

/// Strategies by claim, from a pool that is trusted for them or not; and who has the right, or has not.
#[tokio::test]
async fn a113_a114_a_claim_of_a_pool_counts_by_right_and_trust_in_both_forms() {
    let company = Company::new().await;
    let layer = |issuer: fn(Issuer) -> Issuer| {
        { company.desk.bare().directory(company.users.clone()) }
            .issuer(issuer(company.acme.issuer().tenant("acme")))
            .issuer(
                company
                    .staff
                    .issuer()
                    .staff()
                    .trust_claim("impersonating")
                    .trust_act(),
            )
            .resolve(resolve::claim("impersonating"))
            .resolve(resolve::act())
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("admins").except(policy::target_in_group("admins")))
            .build()
            .unwrap()
    };
    let trusted = layer(|issuer| issuer.trust_claim("impersonating"));
    let untrusted = layer(|issuer| issuer);
    for form in forms(ACME) {
        let claiming = |groups: &[&str]| {
            let token = token(&company.acme, "carol-sub", groups, &form);
            token
                .claim("impersonating", json!({ "sub": "user-sub" }))
                .sign()
        };
        let seen = company
            .desk
            .send(&trusted, get(&claiming(&["admins"]), &[]))
            .await;
        seen.assert_ran_as("user-sub", Some("carol-sub"));
        let seen = company
            .desk
            .send(&trusted, get(&claiming(&["customers"]), &[]))
            .await;
        seen.assert_refused(403);
        let seen = company.desk.send(&trusted, get(&claiming(&[]), &[])).await;
        seen.assert_refused(403);
        let seen = company
            .desk
            .send(&untrusted, get(&claiming(&["admins"]), &[]))
            .await;
        seen.assert_refused(403);
        // `act` from a pool that is not trusted for it, in the other orientation.
        let acted = token(&company.acme, "user-sub", &["admins"], &form);
        let acted = acted.claim("act", json!({ "sub": "carol-sub" })).sign();
        for layer in [&trusted, &untrusted] {
            company
                .desk
                .send(layer, get(&acted, &[]))
                .await
                .assert_refused(403);
        }
        // Both in one token are a bad token.
        let both = token(&company.acme, "carol-sub", &["admins"], &form);
        let both = both.claim("act", json!({ "sub": "carol-sub" }));
        let both = both
            .claim("impersonating", json!({ "sub": "user-sub" }))
            .sign();
        company
            .desk
            .send(&trusted, get(&both, &[]))
            .await
            .assert_refused(401);
    }
}

#[tokio::test]
async fn a115_a116_no_attribute_and_no_id_token_of_either_form_impersonates() {
    let company = Company::new().await;
    let layer = { company.desk.bare().directory(company.users.clone()) }
        .issuer(company.acme.issuer().trust_claim("impersonating"))
        .resolve(resolve::claim("impersonating").or_string())
        .policy(policy::in_group("admins"))
        .build()
        .unwrap();
    for form in forms(ACME) {
        let carol = || token(&company.acme, "carol-sub", &["admins"], &form);
        for name in [
            "custom:impersonating",
            "dev:custom:impersonating",
            "cognito:impersonating",
            "profile",
        ] {
            for value in [json!("user-sub"), json!({ "sub": "user-sub" })] {
                let sent = carol().claim(name, &value).sign();
                let seen = company.desk.send(&layer, get(&sent, &[])).await;
                seen.assert_ran_as("carol-sub", None);
            }
        }
        // What a trigger of version 1 wrote stands in the ID token alone.
        let id = carol()
            .cognito_id()
            .claim("impersonating", "user-sub")
            .sign();
        company
            .desk
            .send(&layer, get(&id, &[]))
            .await
            .assert_refused(401);
        let access = carol().claim("impersonating", "user-sub").sign();
        let seen = company.desk.send(&layer, get(&access, &[])).await;
        seen.assert_ran_as("user-sub", Some("carol-sub"));
    }
}

#[tokio::test]
async fn a131_headers_of_gateways_name_nobody_beside_a_token_of_either_form() {
    let company = Company::new().await;
    let layer = company.builder().build().unwrap();
    for form in forms(ACME) {
        let user = token(&company.acme, "user-sub", &["customers"], &form).sign();
        let admin = token(&company.acme, "admin-sub", &["admins"], &form).sign();
        for name in [
            "x-amzn-oidc-data",
            "x-amzn-oidc-identity",
            "x-amzn-oidc-accesstoken",
            "x-user-id",
        ] {
            for value in ["admin-sub", admin.as_str()] {
                let seen = company
                    .desk
                    .send(&layer, get(&user, &[(name, value)]))
                    .await;
                seen.assert_ran_as("user-sub", None);
                let mut alone = get("", &[(name, value)]);
                alone.headers_mut().remove("authorization");
                company.desk.send(&layer, alone).await.assert_refused(401);
            }
        }
    }
}

/// An app client as an actor: by its id at its own pool, where policy and strategy say so.
#[tokio::test]
async fn a132_an_app_client_of_either_form_acts_where_it_is_named() {
    let company = Company::new().await;
    let [acme, _] = forms(ACME);
    let [globex, _] = forms(GLOBEX);
    let layer = |machines: Value, header| {
        let rule = match machines.as_str() {
            Some(issuer) => policy::machines(["nightly"]).of(issuer),
            None => policy::machines(["other"]),
        };
        { company.desk.bare().directory(company.users.clone()) }
            .issuer(company.acme.issuer().tenant("acme").client_ids(["nightly"]))
            .issuer(
                company
                    .globex
                    .issuer()
                    .tenant("globex")
                    .client_ids(["nightly"]),
            )
            .resolve(header)
            .policy(rule.or(policy::in_group("admins")))
            .build()
            .unwrap()
    };
    let header = || resolve::header("impersonate-user");
    let named = layer(json!(acme), header().machines());
    let unnamed = [
        layer(Value::Null, header().machines()),
        layer(json!(globex), header().machines()),
        layer(json!(acme), header()),
    ];
    for form in forms(ACME) {
        let machine = || {
            let token = company.acme.token("nightly").claim("iss", &form);
            token.client_id("nightly").without("username")
        };
        let headers = [("impersonate-user", "user-sub")];
        let seen = company
            .desk
            .send(&named, get(&machine().sign(), &headers))
            .await;
        seen.assert_ran_as("user-sub", Some("nightly"));
        // Neither a scope nor a group of its own makes it one that may.
        let mighty = machine()
            .claim("scope", "admin desk-api/admin")
            .groups(["admins"])
            .sign();
        for layer in &unnamed {
            company
                .desk
                .send(layer, get(&mighty, &headers))
                .await
                .assert_refused(403);
        }
        // Another pool's app client of the same id is another one.
        let token = company
            .globex
            .token("nightly")
            .client_id("nightly")
            .without("username");
        company
            .desk
            .send(&named, get(&token.sign(), &headers))
            .await
            .assert_refused(403);
    }
}

/// What a refresh leaves out is not there any more: nothing of the token before is remembered.
#[tokio::test]
async fn incident_a16_a_refreshed_token_without_the_claim_is_its_bearers_own() {
    let company = Company::new().await;
    let layer = { company.desk.bare().directory(company.users.clone()) }
        .issuer(company.acme.issuer().trust_claim("impersonating"))
        .resolve(resolve::claim("impersonating"))
        .policy(policy::in_group("admins"))
        .build()
        .unwrap();
    let layer = Arc::new(layer);
    for form in forms(ACME) {
        let of_the_sign_in = || {
            let token = token(&company.acme, "carol-sub", &["admins"], &form);
            token
                .claim("origin_jti", "one-sign-in")
                .expires_in(Duration::from_secs(3600))
        };
        let first = of_the_sign_in()
            .claim("impersonating", json!({ "sub": "user-sub" }))
            .sign();
        let refreshed = of_the_sign_in().claim("jti", "refreshed").sign();
        for _ in 0..2 {
            let seen = company.desk.send(&layer, get(&first, &[])).await;
            seen.assert_ran_as("user-sub", Some("carol-sub"));
            let seen = company.desk.send(&layer, get(&refreshed, &[])).await;
            seen.assert_ran_as("carol-sub", None);
        }
    }
}
