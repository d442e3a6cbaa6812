//! Tokens of one's own, from the permission to the service that lets them in.

mod support;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use support::{AUDIENCE, Desk, ISSUER, get};
use tower_impersonate::audit::{DenialLimit, Recorded, Trail};
use tower_impersonate::gate::{Gate, Tenants};
use tower_impersonate::grant::{self, GrantStore, Grants, Others, StartLimit, Started};
use tower_impersonate::identity::Names;
use tower_impersonate::mint::{MintErrorKind, MintRequest, Minted, Minter, Rotation, SigningKey};
use tower_impersonate::terms::{Ask, GrantId, Mode, Strategy, TargetRef};
use tower_impersonate::testing::TestGrant;
use tower_impersonate::time::{Clock, Timestamp};
use tower_impersonate::token::{Algorithm, Authenticator};
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, policy, resolve};

const MINTER: &str = "https://desk.example.com";
const OTHER: &str = "https://other.example.com";

const SCOPES: [&str; 2] = ["orders:read", "orders:list"];

fn minter() -> Minter {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    minter_with(key, &[AUDIENCE])
}

fn minter_with(key: SigningKey, audiences: &[&str]) -> Minter {
    let builder = Minter::builder(MINTER).key(key);
    let builder = builder.audiences(audiences.to_vec());
    let builder = builder.own_audience(audiences[0]);
    builder.scopes(SCOPES).build().unwrap()
}

fn as_alice() -> Ask {
    Ask::user(TargetRef::subject(ISSUER, "alice"), Strategy::Custom)
}

/// What the endpoint does before it mints: verify, decide, record.
async fn recorded(desk: &Desk, accepted: &[Issuer], token: &str, ask: Ask) -> Recorded {
    let now = desk.clock.now();
    let issuers = accepted.iter().cloned();
    let authenticator = Authenticator::builder()
        .issuers(issuers)
        .clock(std::sync::Arc::new(desk.clock.clone()))
        .build()
        .unwrap();
    let claims = authenticator.authenticate(token, now).await.unwrap();
    let actor = match claims.get("act") {
        Some(act) if claims.trusts_act() => {
            let key = tower_impersonate::identity::IdentityKey::new(
                act["iss"].as_str().unwrap(),
                act["sub"].as_str().unwrap(),
            );
            claims.acting(key).unwrap()
        }
        _ => claims.caller(),
    };
    let tenants = authenticator.issuers().map(|facts| {
        let tenant = facts.tenant().map(Into::into);
        (facts.issuer().into(), tenant)
    });
    let store = grant::memory();
    let grants = Grants::new(store.clone());
    if let Some(id) = ask.grant() {
        let grant = TestGrant::new("carol", "alice").id(*id).ask(ask.clone());
        let limit = StartLimit {
            per_actor: 1,
            others: Others::Stay,
            keep_ended: 1_000,
            now,
        };
        let started = store.start(grant.at(now).build(), limit).await;
        assert!(matches!(started, Ok(Started::New(..))));
    }
    let gate = Gate::new(
        std::sync::Arc::new(policy::allow_all().or(policy::machines(["robot"]))),
        Some(std::sync::Arc::new(desk.users.clone())),
        tenants.collect::<Tenants>(),
    );
    let gate = gate.with_grants((&grants).into());
    let permit = std::sync::Arc::new(gate)
        .admit(actor, ask, now)
        .await
        .unwrap();
    let clock = std::sync::Arc::new(desk.clock.clone());
    let sink = std::sync::Arc::new(desk.sink.clone());
    let trail = Trail::new(sink, clock, DenialLimit::default());
    let (parts, ()) = http::Request::post("/alice/impersonate")
        .body(())
        .unwrap()
        .into_parts();
    let open = trail.open(permit, &parts, now);
    open.write().await.unwrap()
}

async fn by_carol(desk: &Desk, ask: Ask) -> Recorded {
    let carol = desk
        .token("carol", &["support"])
        .expires_in(Duration::from_secs(3600));
    recorded(desk, &[desk.accepted()], &carol.sign(), ask).await
}

/// A service that lets the minter's tokens in.
fn service(desk: &Desk, minter: &Minter) -> ImpersonationLayer {
    desk.bare()
        .issuer(desk.accepted())
        .issuer(minter.issuer())
        .resolve(resolve::act())
        .policy(policy::vouched_by(MINTER))
        .build()
        .unwrap()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn payload(minted: &Minted) -> Value {
    part(minted.token.expose(), 1)
}

#[tokio::test]
async fn a_minted_token_makes_the_target_the_principal_and_names_the_actor() {
    let desk = Desk::new();
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
        let minter = minter_with(SigningKey::generate(algorithm).unwrap(), &[AUDIENCE]);
        let record = by_carol(&desk, as_alice()).await;
        let minted = minter
            .mint(&record, &MintRequest::new(desk.clock.now()))
            .unwrap();
        desk.sink.clear();
        let seen = desk
            .send(&service(&desk, &minter), get(minted.token.expose(), &[]))
            .await;
        seen.assert_ran_as("alice", Some("carol"));
        assert_eq!(seen.body["iss"], ISSUER, "her key is the one at her issuer");
        assert_eq!(seen.body["groups"], json!(["customers", "beta"]));
        assert_eq!(seen.body["username"], "Alice");
        assert_eq!(seen.body["strategy"], "act");
        let event = &desk.sink.events()[0];
        assert_eq!(event["impersonation.actor.iss"], ISSUER);
        assert_eq!(event["impersonation.target.iss"], ISSUER);
        desk.assert_recorded("carol", Some("alice"));
    }
}

#[tokio::test]
async fn the_claims_are_these_and_no_others() {
    let desk = Desk::new();
    let minter = minter();
    let now = desk.clock.now();
    let plain = by_carol(&desk, as_alice()).await;
    let minted = minter.mint(&plain, &MintRequest::new(now)).unwrap();
    let jwks: Value = serde_json::from_slice(&minter.jwks()).unwrap();
    let kid = &jwks["keys"][0]["kid"];
    assert_eq!(
        part(minted.token.expose(), 0),
        json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid })
    );
    let expected = json!({
        "iss": MINTER, "sub": "alice", "aud": AUDIENCE,
        "iat": now.unix_seconds(), "exp": now.unix_seconds() + 900,
        "jti": minted.token_id, "client_id": "test-client",
        "act": { "sub": "carol", "iss": ISSUER },
        "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": "alice" },
        "mode": "full", "groups": ["customers", "beta"], "preferred_username": "Alice",
    });
    assert_eq!(payload(&minted), expected);
    assert_eq!(minted.expires_in, Duration::from_secs(900));
    assert_eq!(minted.expires_at.unix_seconds(), now.unix_seconds() + 900);
    assert_eq!((minted.audience.as_str(), &minted.scope), (AUDIENCE, &None));

    let grant = GrantId::from_bytes([7; 32]);
    let ask = as_alice()
        .with_mode(Mode::ReadOnly)
        .with_scopes(["orders:read", "orders:list"])
        .narrowed_to(["beta"].into())
        .under(grant);
    let minted = minter
        .mint(&by_carol(&desk, ask).await, &MintRequest::new(now))
        .unwrap();
    let mut expected = expected;
    expected["jti"] = minted.token_id.as_str().into();
    expected["mode"] = "read_only".into();
    expected["scope"] = "orders:read orders:list".into();
    expected["groups"] = json!(["beta"]);
    expected["grant_id"] = grant.to_string().into();
    assert_eq!(payload(&minted), expected);
    assert_eq!(minted.scope.as_deref(), Some("orders:read orders:list"));
}

#[tokio::test]
async fn what_is_unknown_of_the_target_is_left_out() {
    let desk = Desk::new();
    desk.users
        .insert(Identity::new(ISSUER, "mute").enabled_account());
    let ask = Ask::user(TargetRef::subject(ISSUER, "mute"), Strategy::Custom);
    let minted = minter()
        .mint(
            &by_carol(&desk, ask).await,
            &MintRequest::new(desk.clock.now()),
        )
        .unwrap();
    let payload = payload(&minted);
    for absent in ["groups", "preferred_username", "scope", "grant_id"] {
        assert_eq!(payload.get(absent), None, "{absent}");
    }
    // Known to be in none is another thing.
    desk.users.insert(
        Identity::new(ISSUER, "lone")
            .with_groups(Names::default())
            .enabled_account(),
    );
    let ask = Ask::user(TargetRef::subject(ISSUER, "lone"), Strategy::Custom);
    let minted = minter()
        .mint(
            &by_carol(&desk, ask).await,
            &MintRequest::new(desk.clock.now()),
        )
        .unwrap();
    assert_eq!(self::payload(&minted)["groups"], json!([]));
}

#[tokio::test]
async fn rfc8707_one_audience_for_each_token() {
    let desk = Desk::new();
    let record = by_carol(&desk, as_alice()).await;
    let one = minter();
    let two = minter_with(
        SigningKey::generate(Algorithm::EdDSA).unwrap(),
        &[AUDIENCE, "billing-api"],
    );
    for (minter, asked, expected) in [
        (&one, None, Ok(AUDIENCE)),
        (&one, Some(AUDIENCE), Ok(AUDIENCE)),
        (
            &one,
            Some("billing-api"),
            Err(MintErrorKind::UnknownAudience),
        ),
        (&two, None, Err(MintErrorKind::AudienceRequired)),
        (&two, Some("billing-api"), Ok("billing-api")),
        (
            &two,
            Some("Billing-API"),
            Err(MintErrorKind::UnknownAudience),
        ),
        (
            &two,
            Some("billing-api "),
            Err(MintErrorKind::UnknownAudience),
        ),
        (&two, Some(""), Err(MintErrorKind::UnknownAudience)),
        (
            &two,
            Some("desk-api billing-api"),
            Err(MintErrorKind::UnknownAudience),
        ),
    ] {
        let request = MintRequest::new(desk.clock.now());
        let request = match asked {
            Some(audience) => request.audience(audience),
            None => request,
        };
        let minted = minter.mint(&record, &request).map_err(|error| error.kind());
        let audience = minted.map(|minted| payload(&minted)["aud"].clone());
        assert_eq!(audience, expected.map(Value::from), "{asked:?}");
    }
    // And the other service does not take it.
    let request = MintRequest::new(desk.clock.now()).audience("billing-api");
    let minted = two.mint(&record, &request).unwrap();
    let own = service(
        &desk,
        &minter_with(SigningKey::generate(Algorithm::EdDSA).unwrap(), &[AUDIENCE]),
    );
    desk.send(&own, get(minted.token.expose(), &[]))
        .await
        .assert_refused(401);
}

#[tokio::test]
async fn no_token_outlives_the_grant_or_the_actors_own_token() {
    let desk = Desk::new();
    let minter = minter();
    let now = desk.clock.now();
    let later = |seconds| now.saturating_add(Duration::from_secs(seconds));
    let short = desk
        .token("carol", &["support"])
        .expires_in(Duration::from_secs(60));
    let short = recorded(&desk, &[desk.accepted()], &short.sign(), as_alice()).await;
    let long = desk
        .token("carol", &["support"])
        .expires_in(Duration::from_secs(9000));
    let long = recorded(&desk, &[desk.accepted()], &long.sign(), as_alice()).await;
    for (record, not_after, left) in [
        (&long, None, Some(900)),
        (&long, Some(later(30)), Some(30)),
        (&long, Some(later(8000)), Some(900)),
        (&short, None, Some(60)),
        (&short, Some(later(30)), Some(30)),
        (&short, Some(later(90)), Some(60)),
        (&short, Some(now), None),
        (&long, Some(Timestamp::from_unix_seconds(0)), None),
    ] {
        let request = MintRequest::new(now);
        let request = match not_after {
            Some(moment) => request.not_after(moment),
            None => request,
        };
        let minted = minter.mint(record, &request);
        let times = minted.as_ref().map(|minted| minted.expires_in.as_secs());
        let expected = left.ok_or(MintErrorKind::Expired);
        assert_eq!(
            times.map_err(|error| error.kind()),
            expected,
            "{not_after:?}"
        );
    }
    let layer = service(&desk, &minter);
    let minted = minter.mint(&short, &MintRequest::new(now)).unwrap();
    let request = || get(minted.token.expose(), &[]);
    desk.send(&layer, request())
        .await
        .assert_ran_as("alice", Some("carol"));
    // The leeway of a layer comes on top.
    desk.clock.advance(Duration::from_secs(60 + 60));
    desk.send(&layer, request()).await.assert_refused(401);
}

#[tokio::test]
async fn k14_who_is_impersonated_gets_no_token_for_somebody_else() {
    let desk = Desk::new();
    let minter = minter();
    let now = desk.clock.now();
    let accepted = [
        desk.accepted().trust_act().trust_claim("impersonating"),
        minter.issuer(),
    ];
    let as_bob = || Ask::user(TargetRef::subject(ISSUER, "bob"), Strategy::Custom);
    let nested = |record: &Recorded| {
        let minted = minter.mint(record, &MintRequest::new(now));
        minted.map(|_| ()).map_err(|error| error.kind())
    };
    // Another issuer vouches for an actor who is behind Alice.
    let token = desk
        .token("alice", &["customers"])
        .claim("act", json!({ "sub": "carol", "iss": ISSUER }));
    let record = recorded(&desk, &accepted, &token.sign(), as_bob()).await;
    assert_eq!(nested(&record), Err(MintErrorKind::Nested));
    // The bearer of such a token, taken for the actor.
    for claim in ["act", "impersonating"] {
        let token = desk
            .token("alice", &[])
            .claim(claim, json!({ "sub": "carol" }));
        let blind = [desk.accepted()];
        let record = recorded(&desk, &blind, &token.sign(), as_bob()).await;
        assert_eq!(nested(&record), Err(MintErrorKind::Nested), "{claim}");
    }
    // A token minted here may be exchanged: the actor is the same, and never two.
    let record = by_carol(&desk, as_alice()).await;
    let first = minter.mint(&record, &MintRequest::new(now)).unwrap();
    let record = recorded(&desk, &accepted, first.token.expose(), as_alice()).await;
    let second = minter.mint(&record, &MintRequest::new(now)).unwrap();
    assert_eq!(
        payload(&second)["act"],
        json!({ "sub": "carol", "iss": ISSUER })
    );
    assert_ne!(first.token_id, second.token_id);
}

#[tokio::test]
async fn a_role_and_malformed_scopes_get_none() {
    let desk = Desk::new();
    let minter = minter();
    let now = desk.clock.now();
    let role = by_carol(&desk, Ask::role(["viewers"].into())).await;
    let error = minter.mint(&role, &MintRequest::new(now)).err();
    assert_eq!(error.map(|error| error.kind()), Some(MintErrorKind::Role));
    for (scopes, good) in [
        (vec!["orders:read"], true),
        (vec![], true),
        (vec!["a", ""], false),
        (vec!["orders:read", "admin"], false),
        (vec!["orders:read admin"], false),
        (vec!["a\"b"], false),
        (vec!["a\\b"], false),
        (vec!["a\u{e9}"], false),
        (vec!["a\n"], false),
    ] {
        let ask = as_alice().with_scopes(scopes.clone());
        let minted = minter.mint(&by_carol(&desk, ask).await, &MintRequest::new(now));
        let kind = minted.err().map(|error| error.kind());
        assert_eq!(kind, (!good).then_some(MintErrorKind::Scope), "{scopes:?}");
    }
}

#[tokio::test]
async fn a_token_that_nobody_would_take_is_not_made() {
    let desk = Desk::new();
    let minter = minter();
    let member = |sub: &str, groups: Vec<String>| {
        desk.users.insert(
            Identity::new(ISSUER, sub)
                .with_groups(groups)
                .enabled_account(),
        );
        Ask::user(TargetRef::subject(ISSUER, sub), Strategy::Custom)
    };
    for (ask, good) in [
        (member("few", vec!["g".repeat(80); 60]), true),
        (member("long", vec!["g".repeat(80); 80]), false),
        (member("many", vec!["g".to_owned(); 1001]), false),
    ] {
        let record = by_carol(&desk, ask).await;
        let minted = minter.mint(&record, &MintRequest::new(desk.clock.now()));
        match minted {
            Ok(minted) => {
                assert!(good);
                let layer = service(&desk, &minter);
                desk.send(&layer, get(minted.token.expose(), &[]))
                    .await
                    .assert_ran_as("few", Some("carol"));
            }
            Err(error) => assert_eq!((error.kind(), good), (MintErrorKind::TooLarge, false)),
        }
    }
}

#[tokio::test]
async fn an_app_client_gets_a_token_of_its_own_and_acts_as_a_machine() {
    let desk = Desk::new();
    let minter = minter();
    let now = desk.clock.now();
    let minted = minter
        .mint_client("reports", Some("orders:read"), None, now)
        .unwrap();
    assert_eq!(
        payload(&minted),
        json!({
            "iss": MINTER, "sub": "reports", "aud": AUDIENCE, "client_id": "reports",
            "iat": now.unix_seconds(), "exp": now.unix_seconds() + 900,
            "jti": minted.token_id, "scope": "orders:read",
        })
    );
    let layer = service(&desk, &minter);
    let seen = desk.send(&layer, get(minted.token.expose(), &[])).await;
    seen.assert_ran_as("reports", None);
    assert_eq!(seen.body["iss"], MINTER);
    for (client, scope, audience, kind) in [
        ("", None, None, MintErrorKind::Client),
        (" ", None, None, MintErrorKind::Client),
        ("reports", Some("a  b"), None, MintErrorKind::Scope),
        (
            "reports",
            None,
            Some("elsewhere"),
            MintErrorKind::UnknownAudience,
        ),
    ] {
        let error = minter.mint_client(client, scope, audience, now).err();
        assert_eq!(error.map(|error| error.kind()), Some(kind), "{client:?}");
    }
    // One of another issuer that acts as Alice is a machine there, too.
    let robot = desk.token("robot", &[]).client_id("robot").sign();
    let record = recorded(&desk, &[desk.accepted()], &robot, as_alice()).await;
    let minted = minter.mint(&record, &MintRequest::new(now)).unwrap();
    assert_eq!(payload(&minted)["client_id"], "robot");
    desk.sink.clear();
    desk.send(&layer, get(minted.token.expose(), &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("robot", None, "machine");
}

#[tokio::test]
async fn only_whom_the_service_trusts_for_it_speaks_of_others() {
    let desk = Desk::new();
    let minter = minter();
    let record = by_carol(&desk, as_alice()).await;
    let minted = minter
        .mint(&record, &MintRequest::new(desk.clock.now()))
        .unwrap();
    let token = minted.token.expose();
    let jwks = String::from_utf8(minter.jwks().to_vec()).unwrap();
    let keys = || tower_impersonate::token::StaticKeys::jwks(jwks.as_str());
    let bare = || {
        Issuer::static_keys(MINTER, keys())
            .audiences([AUDIENCE])
            .at_jwt()
    };
    for (issuer, status) in [
        (bare().trust_act().trust_sub_id(), 200),
        (bare().trust_act(), 401),
        (bare().trust_sub_id(), 403),
    ] {
        let layer = desk
            .bare()
            .issuer(desk.accepted().trust_act())
            .issuer(issuer)
            .resolve(resolve::act())
            .policy(policy::vouched_by(MINTER))
            .build()
            .unwrap();
        let seen = desk.send(&layer, get(token, &[])).await;
        assert_eq!(seen.status.as_u16(), status, "{seen:?}");
    }
    // A target whose issuer the service does not know is out of reach.
    let elsewhere = desk
        .bare()
        .issuer(tower_impersonate::testing::TestIssuer::offline(OTHER).issuer())
        .issuer(minter.issuer())
        .resolve(resolve::act())
        .policy(policy::vouched_by(MINTER))
        .build()
        .unwrap();
    desk.send(&elsewhere, get(token, &[]))
        .await
        .assert_refused(403);
}

#[tokio::test]
async fn an_id_token_or_a_plain_jwt_of_the_same_key_is_none_of_its_tokens() {
    let desk = Desk::new();
    let minter = minter();
    let record = by_carol(&desk, as_alice()).await;
    let minted = minter
        .mint(&record, &MintRequest::new(desk.clock.now()))
        .unwrap();
    let mut header = part(minted.token.expose(), 0);
    header["typ"] = "JWT".into();
    let rest = minted.token.expose().split_once('.').unwrap().1;
    let retyped = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
    desk.send(&service(&desk, &minter), get(&retyped, &[]))
        .await
        .assert_refused(401);
}

#[tokio::test]
async fn a_rollover_never_signs_with_a_key_that_nobody_could_have_fetched() {
    let desk = Desk::new();
    let minter = minter();
    let record = by_carol(&desk, as_alice()).await;
    let mint = || {
        let minted = minter.mint(&record, &MintRequest::new(desk.clock.now()));
        minted.unwrap().token.expose().to_owned()
    };
    let kids = || -> Vec<String> {
        let jwks: Value = serde_json::from_slice(&minter.jwks()).unwrap();
        let keys = jwks["keys"].as_array().unwrap();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    // Built before every rotation, as a service is.
    let layer = service(&desk, &minter);
    let passes = async |token: &str| desk.send(&layer, get(token, &[])).await.status.as_u16();
    let signed_by = |token: &str| part(token, 0)["kid"].as_str().unwrap().to_owned();
    let mut signed = vec![mint()];
    let mut published = kids();
    assert_eq!(published.len(), 1);
    for step in 1..=3 {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let rotation = minter.rotate(key.clone()).unwrap();
        let expected = if step == 1 {
            Rotation::Announced
        } else {
            Rotation::Advanced
        };
        assert_eq!(rotation, expected);
        let token = mint();
        assert!(
            published.contains(&signed_by(&token)),
            "it was published before"
        );
        published = kids();
        assert!(published.contains(&key.kid().to_owned()));
        signed.push(token);
        for (index, token) in signed.iter().enumerate() {
            let known = published.contains(&signed_by(token));
            let status = if known { 200 } else { 401 };
            assert_eq!(passes(token).await, status, "step {step}, token {index}");
        }
    }
    assert_eq!(passes(&signed[0]).await, 401, "two keys ago");
    // The same key again changes nothing.
    let before = minter.jwks();
    let again = SigningKey::generate(Algorithm::EdDSA).unwrap();
    minter.rotate(again.clone()).unwrap();
    assert!(minter.rotate(again).is_err());
    assert_ne!(before, minter.jwks());
}

#[tokio::test]
async fn threads_mint_while_keys_are_rotated_and_every_token_passes() {
    let desk = Desk::new();
    let minter = minter();
    let record = by_carol(&desk, as_alice()).await;
    let now = desk.clock.now();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..50)
                        .map(|_| minter.mint(&record, &MintRequest::new(now)).unwrap())
                        .map(|minted| minted.token.expose().to_owned())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        minter
            .rotate(SigningKey::generate(Algorithm::ES256).unwrap())
            .unwrap();
        minter
            .rotate(SigningKey::generate(Algorithm::EdDSA).unwrap())
            .unwrap();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let layer = service(&desk, &minter);
    let mut ids = std::collections::BTreeSet::new();
    for token in tokens {
        ids.insert(part(&token, 1)["jti"].as_str().unwrap().to_owned());
        let seen = desk.send(&layer, get(&token, &[])).await;
        assert_eq!(seen.status, 200);
    }
    assert_eq!(ids.len(), 200, "every id is another one");
}
