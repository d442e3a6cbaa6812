//! Attacks on `POST /{username}/impersonate` and on the routes beside it, over HTTP.
//!
//! Where the token could mean more than it says: see `attacks_oauth`. What the store does: `attacks_store`.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use desk_api::{Api, MINTER, OTHER_API, issued};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use support::expect::RULE;
use support::{AUDIENCE, Desk, ISSUER, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{self, Filter, GrantLimits, Grants, Page};
use tower_impersonate::manage::Credential;
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::policy;
use tower_impersonate::testing::RecordingSink;
use tower_impersonate::time::Clock;
use tower_impersonate::token::{Algorithm, StaticKeys};
use tower_impersonate::{Identity, Issuer};

fn order() -> Value {
    json!({ "audience": AUDIENCE })
}

fn with(extra: &Value) -> Value {
    let mut order = order();
    let extra = extra.as_object().unwrap().clone();
    order.as_object_mut().unwrap().extend(extra);
    order
}

async fn start(api: &Api, token: &str, name: &str, body: Value) -> Seen {
    api.post(&format!("/{name}/impersonate"), token, body).await
}

fn dora(api: &Api) -> String {
    api.desk.token("dora", &["support"]).sign()
}

async fn often() -> Api {
    let many = |manage: tower_impersonate::manage::ManageBuilder| manage.starts_per_minute(1000);
    Api::with(|builder| builder, many, GrantLimits::default()).await
}

/// Everything that a client can tell but the time of day.
fn told(seen: &Seen) -> (u16, Vec<(String, String)>, Value) {
    let (status, mut headers, body) = seen.answer();
    headers.retain(|(name, _)| name != "date");
    (status, headers, body)
}

async fn grants(api: &Api) -> usize {
    let listed = api.grants.list(&Filter::default(), &Page::first());
    listed.await.unwrap().len()
}

/// Nothing began: neither a grant nor a record of one.
async fn assert_nothing_started(api: &Api) {
    assert_eq!(grants(api).await, 0);
    assert_eq!(api.desk.events(EventName::Started), Vec::<Value>::new());
    assert_eq!(api.desk.events(EventName::Issued), Vec::<Value>::new());
}

#[tokio::test]
async fn a133_other_methods_start_nothing_and_no_header_names_another_one() {
    let api = often().await;
    let overrides = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    for method in [
        "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
    ] {
        for header in [None].into_iter().chain(overrides.map(Some)) {
            let mut request = Request::builder()
                .method(method)
                .uri(format!("{}/Alice/impersonate", api.url))
                .header("authorization", format!("Bearer {}", api.carol()))
                .header("content-type", "application/json");
            if let Some(header) = header {
                request = request.header(header, "POST");
            }
            let body = Full::from(order().to_string());
            let seen = api.send(request.body(body).unwrap()).await;
            assert_eq!(seen.status, 405, "{method} {header:?}: {seen:?}");
            assert_eq!(seen.header("allow"), Some("POST"), "{method}");
        }
    }
    assert_nothing_started(&api).await;
    // And a POST is what it is.
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    for header in overrides {
        let request = Request::post(format!("{}/grants/{id}", api.url))
            .header("authorization", format!("Bearer {}", api.carol()))
            .header(header, "DELETE");
        let seen = api.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(seen.status, 405);
        let request = Request::post(format!("{}/Alice/impersonate", api.url))
            .header("authorization", format!("Bearer {}", api.carol()))
            .header("content-type", "application/json")
            .header(header, "GET");
        let body = Full::from(order().to_string());
        let seen = api.send(request.body(body).unwrap()).await;
        assert_eq!(issued(&seen).1, id);
    }
    let path = "/Alice/impersonate?_method=GET";
    let seen = api.post(path, &api.carol(), order()).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["field"]),
        (400, &json!("_method"))
    );
    let path = format!("/grants/{id}");
    assert_eq!(api.get(&path, &api.carol()).await.body["state"], "active");
}

#[tokio::test]
async fn a135_a_username_is_decoded_once_and_looked_up_as_it_is() {
    let api = often().await;
    let refused = {
        let seen = start(&api, &api.carol(), "Nobody", order()).await;
        seen.assert_refused(403);
        told(&seen)
    };
    let long = "a".repeat(10_000);
    for (name, status) in [
        ("..", 403),
        ("%2e%2e", 403),
        ("%2E%2E%2FAlice", 403),
        ("Alice%2F", 403),
        ("Bob%2F..%2FAlice", 403),
        ("Alice;x", 403),
        ("Alice%3Bx=1", 403),
        ("Alice%20", 403),
        ("%20Alice", 403),
        ("alice", 403),
        ("ALICE", 403),
        ("%2541lice", 403),
        ("alice@example.com", 403),
        ("Alice+x", 403),
        ("Alice*", 403),
        // A letter of another alphabet, one that is composed, one of full width, one that cannot be seen.
        ("%D0%90lice", 403),
        ("Alice%CC%81", 403),
        ("%EF%BC%A1lice", 403),
        ("Alice%E2%80%8B", 403),
        ("Alice%00", 400),
        ("%00", 400),
        ("Alice%0A", 400),
        ("%7F", 400),
        ("%C2%85", 400),
        ("%ff", 400),
        ("%c0%af", 400),
        (&long, 400),
        ("", 400),
    ] {
        let seen = start(&api, &api.carol(), name, order()).await;
        seen.assert_refused(status);
        if status == 403 {
            assert_eq!(told(&seen), refused, "{name}");
        }
    }
    for path in ["/Alice/../Bob/impersonate", "/users/Alice/Bob/impersonate"] {
        let seen = api.post(path, &api.carol(), order()).await;
        assert_eq!(seen.status, 404, "{path}");
    }
    assert_nothing_started(&api).await;
    // The control: one decoding of the very name.
    let seen = start(&api, &api.carol(), "%41%6cice", order()).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.body["data"]["id"], "Alice");
}

#[tokio::test]
async fn a136_who_exists_shows_in_nothing() {
    let desk = Desk::new();
    let (counting, asked) = desk.counting();
    let grants = Grants::new(grant::memory());
    let api = Api::at(
        desk,
        grants,
        |builder| builder.directory(counting),
        |manage| manage.starts_per_minute(1000),
    )
    .await;
    let other = |name: &str| format!("{name}-of-nowhere");
    for (token, lookups) in [
        (api.carol(), "the same"),
        (api.desk.token("mallory", &["customers"]).sign(), "none"),
    ] {
        let mut first = None;
        for name in ["Nobody", "Dave", "Sam", "Root", &other("Alice")] {
            let before = asked.load(Ordering::SeqCst);
            let seen = start(&api, &token, name, order()).await;
            seen.assert_refused(403);
            let lookups = asked.load(Ordering::SeqCst) - before;
            let same = (told(&seen), lookups);
            assert_eq!(&same, first.get_or_insert_with(|| same.clone()), "{name}");
        }
        let (_, asked) = first.unwrap();
        assert_eq!(asked == 0, lookups == "none", "{asked}");
    }
    // One who does exist looks no different to whoever may not.
    let mallory = api.desk.token("mallory", &["customers"]).sign();
    let [nobody, alice] = [
        start(&api, &mallory, "Nobody", order()).await,
        start(&api, &mallory, "Alice", order()).await,
    ];
    assert_eq!(told(&nobody), told(&alice));
    assert_nothing_started(&api).await;
    assert!(api.desk.events(EventName::Denied).len() >= 12);
    assert_eq!(
        start(&api, &api.carol(), "Alice", order()).await.status,
        200
    );
}

#[tokio::test]
async fn a137_what_a_body_may_say_is_a_closed_list() {
    let rule = policy::in_group("support").and(policy::reason_required());
    let api = Api::with(
        |builder| builder.replacing().policy(rule),
        |manage| manage.starts_per_minute(1000),
        GrantLimits::default(),
    )
    .await;
    let megabyte = json!({ "reason": "x".repeat(1_000_000) });
    for (body, status, field) in [
        (with(&megabyte), 413, None),
        (with(&json!({})), 400, None),
        (with(&json!({ "reason": " \t " })), 400, Some("reason")),
    ] {
        let seen = start(&api, &api.carol(), "Alice", body).await;
        seen.assert_refused(status);
        assert_eq!(seen.body["field"].as_str(), field);
    }
    for name in [
        "sub",
        "exp",
        "iat",
        "nbf",
        "iss",
        "aud",
        "act",
        "scope",
        "groups",
        "grant_id",
        "grant",
        "jti",
        "client_id",
        "actor",
        "user",
        "username",
        "target",
        "deadline",
        "latest",
        "tenant",
        "rank",
        "admin",
        "__proto__",
        "constructor",
        "Reason",
        "reason ",
    ] {
        let mut body = with(&json!({ "reason": "because" }));
        body[name] = json!("admin");
        let seen = start(&api, &api.carol(), "Alice", body).await;
        seen.assert_refused(400);
        assert_eq!(seen.body["field"], name);
    }
    assert_nothing_started(&api).await;
    let body = with(&json!({ "reason": "because" }));
    assert_eq!(start(&api, &api.carol(), "Alice", body).await.status, 200);
}

#[tokio::test]
async fn a138_a_lifetime_is_a_whole_number_of_seconds_and_clamped() {
    let api = often().await;
    for ttl in [
        "0", "-1", "-0", "1.5", "0.1", "\"60\"", "\"\"", "true", "null", "[60]", "{}", "NaN",
        "Infinity", "1e999", "0x3c", "060", "6_0", "-1e30", "1e-9",
    ] {
        let body = format!("{{\"audience\":\"{AUDIENCE}\",\"ttl_seconds\":{ttl}}}");
        let request = Request::post(format!("{}/Alice/impersonate", api.url))
            .header("authorization", format!("Bearer {}", api.carol()))
            .header("content-type", "application/json");
        let seen = api.send(request.body(Full::from(body)).unwrap()).await;
        assert_eq!(seen.status, 400, "{ttl}: {seen:?}");
    }
    assert_nothing_started(&api).await;
    for (ttl, lives) in [("1", 1), ("999999", 3600), ("18446744073709551615", 3600)] {
        let api = often().await;
        let ttl: Value = ttl.parse().unwrap();
        let seen = start(
            &api,
            &api.carol(),
            "Alice",
            with(&json!({ "ttl_seconds": ttl })),
        )
        .await;
        let expires_in = &seen.body["data"]["attributes"]["expires_in"];
        // No more than what is left of the actor's own token.
        assert_eq!(*expires_in, json!(lives.min(300)), "{seen:?}");
        let listed = api
            .grants
            .list(&Filter::default(), &Page::first())
            .await
            .unwrap();
        let lived = listed[0]
            .deadline()
            .saturating_since(listed[0].started_at());
        assert_eq!(lived.as_secs(), lives);
    }
}

#[tokio::test]
async fn a140_who_starts_too_often_waits_and_nobody_else_does() {
    let api = Api::with(
        |builder| builder,
        |manage| manage.starts_per_minute(5),
        GrantLimits::default(),
    )
    .await;
    let mut statuses = Vec::new();
    for n in 0..50 {
        // By whatever token of whichever session, for whomever.
        let token = api
            .desk
            .token("carol", &["support"])
            .claim("jti", format!("j{n}"));
        let name = ["Alice", "Nobody"][n % 2];
        let seen = start(&api, &token.sign(), name, order()).await;
        statuses.push(seen.status.as_u16());
        if seen.status == 429 {
            assert_eq!(seen.header("retry-after"), Some("60"));
            assert_eq!(seen.header("cache-control"), Some("no-store"));
            assert!(seen.body.get("data").is_none());
        }
    }
    assert_eq!(statuses[..5], [200, 403, 200, 403, 200]);
    assert!(
        statuses[5..].iter().all(|status| *status == 429),
        "{statuses:?}"
    );
    assert_eq!(grants(&api).await, 1, "the store holds one");
    assert_eq!(start(&api, &dora(&api), "Bob", order()).await.status, 200);
    api.advance(59);
    assert_eq!(
        start(&api, &api.carol(), "Alice", order()).await.status,
        429
    );
    api.advance(1);
    assert_eq!(
        start(&api, &api.carol(), "Alice", order()).await.status,
        200
    );
}

#[tokio::test]
async fn a141_s4_a_login_that_is_too_old_is_asked_for_anew() {
    let rule = policy::in_group("support").and(policy::fresh_login(Duration::from_secs(600)));
    let desk = Desk::new();
    let (counting, asked) = desk.counting();
    let api = Api::at(
        desk,
        Grants::new(grant::memory()),
        |builder| builder.replacing().policy(rule).directory(counting),
        |manage| manage,
    )
    .await;
    let now = api.desk.clock.now().unix_seconds();
    let carol = || api.desk.token("carol", &["support"]);
    for (what, token) in [
        ("old", carol().claim("auth_time", now - 601)),
        ("absent", carol()),
        ("text", carol().claim("auth_time", now.to_string())),
        ("from the future", carol().claim("auth_time", now + 4000)),
    ] {
        api.desk.sink.clear();
        let before = asked.load(Ordering::SeqCst);
        let seen = start(&api, &token.sign(), "Alice", order()).await;
        assert_eq!(seen.status, 401, "{what}: {seen:?}");
        let challenge = seen.header("www-authenticate").unwrap();
        if seen.body["error"] == "insufficient_user_authentication" {
            assert!(
                challenge.contains("max_age=\"600\"") || challenge.contains("max_age=600"),
                "{challenge}"
            );
            assert_eq!(api.desk.denial()[RULE], "fresh_login", "{what}");
        } else {
            assert_eq!(seen.body["error"], "invalid_token", "{what}");
        }
        assert_eq!(
            asked.load(Ordering::SeqCst),
            before,
            "{what}: nobody is looked up"
        );
    }
    assert_nothing_started(&api).await;
    let fresh = carol().claim("auth_time", now - 599).sign();
    assert_eq!(start(&api, &fresh, "Alice", order()).await.status, 200);
}

#[tokio::test]
async fn a142_the_same_request_again_is_the_same_grant() {
    let api = Api::start().await;
    let carol = api.carol();
    let body = with(&json!({ "reason": "once" }));
    let mut tokens = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for _ in 0..4 {
        let (token, id) = issued(&start(&api, &carol, "Alice", body.clone()).await);
        tokens.insert(token);
        ids.insert(id);
        api.advance(10);
    }
    assert_eq!((tokens.len(), ids.len(), grants(&api).await), (4, 1, 1));
    assert_eq!(api.desk.events(EventName::Started).len(), 1);
    assert_eq!(api.desk.events(EventName::Issued).len(), 3);
    // One end ends them all, and a replay after it begins anew, in sight of everybody.
    let id = ids.first().unwrap();
    let path = format!("/grants/{id}");
    assert_eq!(
        api.call(Method::DELETE, &path, &carol, Value::Null)
            .await
            .status,
        204
    );
    for token in &tokens {
        assert_eq!(api.get("/me", token).await.status, 401);
    }
    let (_, other) = issued(&start(&api, &carol, "Alice", body).await);
    assert_ne!(&other, id);
    assert_eq!(api.desk.events(EventName::Started).len(), 2);
}

/// Every route of the table, with somebody to whom it answers well, badly, or not at all.
async fn asked(api: &Api, minted: &str, id: &str) -> Vec<(String, Seen)> {
    let mut all = Vec::new();
    for endpoint in api.manage.endpoints() {
        let path = { endpoint.path.replace("{username}", "Alice") }.replace("{id}", id);
        let what = format!("{} {path}", endpoint.method);
        match endpoint.credential {
            Credential::None => {}
            Credential::Client => {
                for secret in [api.auditor.expose(), "wrong"] {
                    let seen = api
                        .form(&path, "auditor", secret, &[("token", minted)])
                        .await;
                    all.push((what.clone(), seen));
                }
            }
            _ => {
                for token in [&api.carol(), &dora(api), "", minted] {
                    let ends = endpoint.method == Method::DELETE || path.ends_with("/stop");
                    let token = if ends && token == minted { "" } else { token };
                    let body = if path.ends_with("/impersonate") {
                        order()
                    } else {
                        Value::Null
                    };
                    let token = if ends && *token == api.carol() {
                        "garbage"
                    } else {
                        token
                    };
                    let seen = api.call(endpoint.method.clone(), &path, token, body).await;
                    all.push((what.clone(), seen));
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn a143_no_answer_may_be_kept() {
    let api = often().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let mut statuses = BTreeSet::new();
    let mut answers = asked(&api, &minted, &id).await;
    let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let secret = api.tickets.expose();
    let token = api.form("/oauth2/token", "tickets", secret, &form).await;
    answers.push(("a token".to_owned(), token));
    let get = api.get("/Alice/impersonate", &api.carol()).await;
    answers.push(("another method".to_owned(), get));
    for (what, seen) in answers {
        statuses.insert(seen.status.as_u16());
        assert_eq!(
            seen.header("cache-control"),
            Some("no-store"),
            "{what}: {seen:?}"
        );
        assert_eq!(seen.header("pragma"), Some("no-cache"), "{what}");
        for kept in ["etag", "expires", "last-modified", "age"] {
            assert_eq!(seen.header(kept), None, "{what}");
        }
    }
    let expected = BTreeSet::from([200, 400, 401, 403, 405, 409]);
    assert!(statuses.is_superset(&expected), "{statuses:?}");
}

#[tokio::test]
async fn a144_whose_grant_it_is_not_learns_nothing_and_ends_nothing() {
    let api = Api::start().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let delete = async |id: &str, token: &str| {
        let path = format!("/grants/{id}");
        api.call(Method::DELETE, &path, token, Value::Null).await
    };
    let unknown = "A".repeat(43);
    let mut answers = Vec::new();
    for id in [&*id, &unknown, "garbage", "%27%20OR%201=1"] {
        let seen = delete(id, &dora(&api)).await;
        seen.assert_refused(403);
        answers.push(told(&seen));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    let denied = api.desk.events(EventName::Denied);
    assert_eq!(denied.len(), 4);
    for event in denied {
        assert_eq!(event[RULE], "right:grants.revoke");
        assert_eq!(event["impersonation.actor.sub"], "dora");
    }
    assert_eq!(api.get("/me", &minted).await.body["sub"], "alice");
    // With the right every id is a 204, as often as it is asked, and what is none a 400; the first reason stays.
    for (id, status) in [(&*id, 204), (&id, 204), (&unknown, 204), ("garbage", 400)] {
        assert_eq!(delete(id, &api.security()).await.status, status);
    }
    assert_eq!(delete(&id, &api.carol()).await.status, 204);
    assert_eq!(api.get("/me", &minted).await.status, 401);
    let path = format!("/grants/{id}");
    assert_eq!(
        api.get(&path, &api.carol()).await.body["end"]["reason"],
        "revoked"
    );
    let revoked = api.desk.events(EventName::Revoked);
    assert_eq!(revoked.len(), 1);
    assert!(api.desk.events(EventName::Ended).is_empty());
}

#[tokio::test]
async fn a128_a145_a_minted_token_opens_no_route_but_the_end_of_its_own_grant() {
    let api = often().await;
    for mode in ["full", "read_only"] {
        let body = json!({ "mode": mode, "replace": true });
        let (minted, id) = api.begin(&api.carol(), body).await;
        api.desk.sink.clear();
        let mut refused = 0;
        for endpoint in api.manage.endpoints() {
            if endpoint.credential != Credential::Bearer {
                continue;
            }
            let path = { endpoint.path.replace("{username}", "Bob") }.replace("{id}", &id);
            if path.ends_with("/stop") || path.ends_with("/extend") {
                continue;
            }
            let nested = path.ends_with("/impersonate");
            let body = if nested { order() } else { Value::Null };
            let seen = api
                .call(endpoint.method.clone(), &path, &minted, body)
                .await;
            let status = if nested { 409 } else { 403 };
            assert_eq!(seen.status, status, "{mode} {endpoint:?}: {seen:?}");
            refused += 1;
            let denied = api.desk.events(EventName::Denied);
            assert_eq!(denied.len(), refused, "{endpoint:?}");
            let event = &denied[refused - 1];
            let rule = if nested { "nested" } else { "impersonating" };
            assert_eq!(event[RULE], rule, "{endpoint:?}");
            assert_eq!(event["impersonation.actor.sub"], "carol");
            assert_eq!(event["impersonation.target.sub"], "alice");
        }
        assert_eq!(refused, 5);
        assert_eq!(api.get("/me", &minted).await.status, 200);
        assert_eq!(
            api.post("/grants/stop", &minted, Value::Null).await.status,
            204
        );
        assert_eq!(
            api.post("/grants/stop", &minted, Value::Null).await.status,
            401
        );
    }
}

#[tokio::test]
async fn a146_keys_are_sound_and_what_an_old_one_signed_counts_until_it_expires() {
    let minter = || Minter::builder(MINTER).audiences([AUDIENCE]);
    assert!(minter().build().is_err(), "no key");
    let jwk = |text: Value| SigningKey::from_jwk(&text.to_string());
    let k = "c2hvcnQ";
    for bad in [
        json!({ "kty": "oct", "k": k }),
        json!({ "kty": "oct", "k": k, "alg": "HS256" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": k }),
    ] {
        assert!(jwk(bad.clone()).is_err(), "{bad}");
    }
    let api = Api::start().await;
    let key = || SigningKey::generate(Algorithm::EdDSA).unwrap();
    let (old, _) = api.begin(&api.carol(), json!({})).await;
    api.minter.rotate(key()).unwrap();
    api.minter.rotate(key()).unwrap();
    let (new, _) = api.begin(&api.carol(), json!({})).await;
    assert_ne!(kid(&old), kid(&new));
    let published = api.get("/.well-known/jwks.json", "").await.body;
    let kids: Vec<_> = { published["keys"].as_array().unwrap().iter() }
        .map(|key| key["kid"].clone())
        .collect();
    for token in [&old, &new] {
        assert_eq!(api.get("/me", token).await.body["sub"], "alice");
        assert!(kids.contains(&kid(token)), "{kids:?}");
    }
    api.advance(360);
    for token in [&old, &new] {
        assert_eq!(api.get("/me", token).await.status, 401);
    }
    // A key that nobody published, under a name that is known.
    let (sound, _) = api.begin(&api.carol(), json!({})).await;
    let forged = Api::start().await;
    let (foreign, _) = forged.begin(&forged.carol(), json!({})).await;
    let mut parts: Vec<_> = foreign.split('.').collect();
    let header = sound.split('.').next().unwrap();
    parts[0] = header;
    for token in [foreign.clone(), parts.join(".")] {
        api.get("/me", &token).await.assert_refused(401);
    }
    assert_eq!(api.get("/me", &sound).await.status, 200);
}

fn part(token: &str, index: usize) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(index).unwrap();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    serde_json::from_slice(&decoded.unwrap()).unwrap()
}

fn kid(token: &str) -> Value {
    part(token, 0)["kid"].clone()
}

#[tokio::test]
async fn a147_no_other_origin_may_read_an_answer() {
    let api = often().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    for endpoint in api.manage.endpoints() {
        let path = { endpoint.path.replace("{username}", "Alice") }.replace("{id}", &id);
        for (method, preflight) in [(&Method::OPTIONS, true), (&endpoint.method, false)] {
            if !preflight && (path.ends_with("/stop") || *method == Method::DELETE) {
                continue;
            }
            let mut request = Request::builder()
                .method(method)
                .uri(format!("{}{path}", api.url))
                .header("origin", "https://evil.example.com");
            request = match preflight {
                true => request
                    .header("access-control-request-method", endpoint.method.as_str())
                    .header("access-control-request-headers", "authorization"),
                false => request.header("authorization", format!("Bearer {}", api.carol())),
            };
            let seen = api.send(request.body(Full::default()).unwrap()).await;
            if preflight {
                // It brings no credential, and is nothing that a route answers.
                let bearer = endpoint.credential == Credential::Bearer;
                let status = if bearer { 401 } else { 405 };
                assert_eq!(seen.status, status, "{path}: {seen:?}");
            }
            for name in seen.headers.keys() {
                let name = name.as_str();
                assert!(
                    !name.starts_with("access-control-"),
                    "{method} {path}: {name}"
                );
            }
        }
    }
    assert_eq!(api.get("/me", &minted).await.status, 200);
}

#[tokio::test]
async fn a129_a_minted_token_goes_with_the_actors_own() {
    let api = Api::start().await;
    let carol = { api.desk.token("carol", &["support"]) }
        .claim("jti", "carols")
        .expires_in(Duration::from_secs(100))
        .sign();
    let (minted, _) = api.begin(&carol, json!({ "ttl_seconds": 3600 })).await;
    let own = part(&carol, 1)["exp"].as_i64().unwrap();
    assert!(part(&minted, 1)["exp"].as_i64().unwrap() <= own);
    assert_eq!(api.get("/me", &minted).await.status, 200);
    api.advance(161);
    for token in [&carol, &minted] {
        api.get("/me", token).await.assert_refused(401);
    }
    // Revoked, demoted, disabled.
    for (what, reason) in [
        ("revoked", "actor_session_ended"),
        ("disabled", "actor_disabled"),
        ("gone", "actor_disabled"),
    ] {
        let api = Api::start().await;
        let carol = api
            .desk
            .token("carol", &["support"])
            .claim("jti", "carols")
            .sign();
        let (minted, id) = api.begin(&carol, json!({})).await;
        assert_eq!(api.get("/me", &minted).await.status, 200);
        let person = Identity::new(ISSUER, "carol").with_groups(["support"]);
        match what {
            "revoked" => drop(api.grants.end_session(ISSUER, "carols").await.unwrap()),
            "disabled" => drop(api.desk.users.insert(person.disabled_account())),
            _ => drop(api.desk.users.remove(person.key())),
        }
        let seen = api.get("/me", &minted).await;
        assert_eq!(
            (seen.status == 200, seen.ran),
            (false, false),
            "{what}: {seen:?}"
        );
        let ended = api
            .grants
            .find(&id.parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            ended.state().end.as_ref().unwrap().reason.as_str(),
            reason,
            "{what}"
        );
        api.get("/me", &minted).await.assert_refused(401);
    }
}

#[tokio::test]
async fn a129_a_minted_token_goes_with_the_actors_right() {
    let support = Arc::new(AtomicBool::new(true));
    let is_in = Arc::clone(&support);
    let rule = policy::custom(move |_| match is_in.load(Ordering::SeqCst) {
        true => policy::Ruling::allow(),
        false => policy::Ruling::deny("not in support"),
    });
    let api = Api::with(
        |builder| builder.replacing().policy(rule),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    assert_eq!(api.get("/me", &minted).await.status, 200);
    support.store(false, Ordering::SeqCst);
    api.get("/me", &minted).await.assert_refused(403);
    support.store(true, Ordering::SeqCst);
    api.get("/me", &minted).await.assert_refused(401);
    let ended = api
        .grants
        .find(&id.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        ended.state().end.as_ref().unwrap().reason.as_str(),
        "actor_demoted"
    );
}

#[tokio::test]
async fn a130_a_name_that_changes_hands_takes_no_grant_along() {
    let api = Api::start().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let person = |sub: &str, name: &str| {
        let person = Identity::new(ISSUER, sub).with_username(name);
        person.with_groups(["customers"]).enabled_account()
    };
    api.desk.users.insert(person("alice", "Alice-before"));
    api.desk.users.insert(person("alice-2", "Alice"));
    let me = api.get("/me", &minted).await;
    assert_eq!(me.body["sub"], "alice");
    assert_eq!(me.body["username"], "Alice-before");
    // The name means somebody else now, for whom a grant of its own is needed.
    let seen = start(&api, &api.carol(), "Alice", order()).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["grant"]),
        (409, &json!(id))
    );
    let (other, _) = issued(
        &start(
            &api,
            &api.carol(),
            "Alice",
            with(&json!({ "replace": true })),
        )
        .await,
    );
    assert_eq!(api.get("/me", &other).await.body["sub"], "alice-2");
    assert_eq!(api.get("/me", &minted).await.status, 401);
}

#[tokio::test]
async fn s5_a_token_that_is_bound_to_a_key_is_refused_and_not_taken_for_a_plain_one() {
    let api = Api::start().await;
    let bound = { api.desk.token("carol", &["support"]) }
        .claim(
            "cnf",
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        )
        .sign();
    let seen = start(&api, &bound, "Alice", order()).await;
    seen.assert_refused(401);
    assert_eq!(seen.body["error"], "invalid_token");
    assert_nothing_started(&api).await;
    assert_eq!(
        start(&api, &api.carol(), "Alice", order()).await.status,
        200
    );
}

#[tokio::test]
async fn s8_a_grant_ends_unused_and_at_its_latest_moment() {
    let limits = GrantLimits::default()
        .lifetime(Duration::from_secs(600))
        .longest(Duration::from_secs(900))
        .idle(Duration::from_secs(100));
    let long = |api: &Api| {
        let token = api.desk.token("carol", &["support"]);
        token.expires_in(Duration::from_secs(3600)).sign()
    };
    let api = Api::with(|builder| builder, |manage| manage, limits).await;
    let (minted, id) = api.begin(&long(&api), json!({})).await;
    for _ in 0..3 {
        api.advance(90);
        assert_eq!(api.get("/me", &minted).await.status, 200, "it is used");
    }
    api.advance(100);
    api.get("/me", &minted).await.assert_refused(401);
    let path = format!("/grants/{id}");
    assert_eq!(
        api.get(&path, &long(&api)).await.body["end"]["reason"],
        "idle"
    );

    let api = Api::with(|builder| builder, |manage| manage, limits).await;
    let carol = long(&api);
    let (mut minted, id) = api.begin(&carol, json!({})).await;
    let extend = format!("/grants/{id}/extend");
    for _ in 0..9 {
        api.advance(99);
        assert_eq!(api.get("/me", &minted).await.status, 200);
        let body = json!({ "ttl_seconds": 600 });
        assert_eq!(api.post(&extend, &carol, body).await.status, 200);
        minted = issued(&start(&api, &carol, "Alice", order()).await).0;
    }
    // 891 s; whatever is asked for, it ends at 900.
    api.advance(9);
    api.get("/me", &minted).await.assert_refused(401);
    assert_eq!(api.post(&extend, &carol, Value::Null).await.status, 409);
    let path = format!("/grants/{id}");
    assert_eq!(
        api.get(&path, &carol).await.body["end"]["reason"],
        "expired"
    );
}

#[tokio::test]
async fn s10_actor_and_target_see_a_grant_and_end_it() {
    for who in ["actor", "target"] {
        let api = Api::start().await;
        let (minted, id) = api.begin(&api.carol(), json!({ "reason": "why" })).await;
        let (token, reason) = match who {
            "actor" => (api.carol(), "stopped"),
            _ => (api.desk.alice(), "revoked"),
        };
        let listed = api.get("/grants", &token).await.body;
        assert_eq!(listed["data"][0]["id"], json!(id), "{who}");
        assert_eq!(listed["data"][0]["reason"], "why");
        assert_eq!(
            api.get("/grants", &dora(&api)).await.body["data"],
            json!([])
        );
        let path = format!("/grants/{id}");
        let ended = api.call(Method::DELETE, &path, &token, Value::Null).await;
        assert_eq!(ended.status, 204);
        assert_eq!(api.get("/me", &minted).await.status, 401);
        let end = &api.get(&path, &token).await.body["end"];
        assert_eq!(end["reason"], reason, "{who}");
    }
}

#[tokio::test]
async fn s11_nothing_but_a_start_starts_an_impersonation() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    api.post("/grants/stop", &minted, Value::Null).await;
    api.desk.sink.clear();
    // What is left over of it is no credential, neither of the user nor of the admin.
    for path in ["/me", "/grants", "/write"] {
        api.get(path, &minted).await.assert_refused(401);
    }
    for header in [
        ("cookie", "__Host-impersonation=left-over"),
        ("cookie", "grant=left-over"),
        ("x-impersonate", "alice"),
        ("x-grant-id", "left-over"),
    ] {
        let request = Request::get(format!("{}/me", api.url))
            .header("authorization", format!("Bearer {}", api.carol()))
            .header(header.0, header.1);
        let seen = api.send(request.body(Full::default()).unwrap()).await;
        seen.assert_ran_as("carol", None);
    }
    assert_eq!(grants(&api).await, 1, "the one that ended");
    for name in [EventName::Started, EventName::Issued, EventName::Request] {
        assert_eq!(api.desk.events(name), Vec::<Value>::new());
    }
}

/// The minter as another process knows it: by its published keys, and for one audience.
async fn other_service(api: &Api) -> Issuer {
    let keys = api.get("/.well-known/jwks.json", "").await.body.to_string();
    let keys = StaticKeys::jwks(keys);
    Issuer::static_keys(MINTER, keys)
        .audiences([OTHER_API])
        .at_jwt()
        .trust_act()
        .trust_sub_id()
}

#[tokio::test]
async fn a129_a_token_that_was_made_for_another_service_only_ends_its_grant_here() {
    let api = Api::start().await;
    let body = with(&json!({ "audience": OTHER_API }));
    let (there, id) = issued(&start(&api, &api.carol(), "Alice", body).await);
    api.get("/me", &there).await.assert_refused(401);
    let lives = async || {
        let found = api.grants.find(&id.parse().unwrap()).await.unwrap();
        found.unwrap().state().end.is_none()
    };
    assert!(lives().await);
    let stopped = api.post("/grants/stop", &there, json!({})).await;
    assert_eq!(stopped.status, 204, "{stopped:?}");
    assert!(!lives().await);
}

#[tokio::test]
async fn a129_another_service_takes_no_token_that_was_made_for_this_one() {
    let api = Api::start().await;
    let sink = RecordingSink::new();
    let asking = grant::introspect(
        format!("{}/oauth2/introspect", api.url),
        "auditor",
        api.auditor.expose(),
    );
    let layer = tower_impersonate::ImpersonationLayer::builder()
        .clock(api.desk.clock.clone())
        .issuer(other_service(&api).await)
        .resolve(tower_impersonate::resolve::act())
        .policy(policy::vouched_by(MINTER))
        .audit(sink.clone())
        .grants(asking)
        .build()
        .unwrap();
    let (here, _) = api.begin(&api.carol(), json!({})).await;
    let seen = api.desk.send(&layer, support::get(&here, &[])).await;
    seen.assert_refused(401);
    let body = with(&json!({ "audience": OTHER_API }));
    let (there, _) = issued(&start(&api, &api.carol(), "Alice", body).await);
    let seen = api.desk.send(&layer, support::get(&there, &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(sink.named(EventName::Request).len(), 1);
    // Behind it the admin's own token is worth nothing.
    let seen = api.desk.send(&layer, support::get(&api.carol(), &[])).await;
    seen.assert_refused(401);
}
