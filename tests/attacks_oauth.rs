//! Attacks on the endpoints of OAuth 2.0, and what the standards ask of them: RFC 8693 (rows X), 7009 and 7662 (V),
//! 9700 and 6749 (O). Fixed answers that the standards leave open are those of the crate.
//!
//! Not here: V5, because no security event tokens are received; O4's `Referrer-Policy`, because no token ever
//! stands in a URL and no answer is a page; X6 to X10: see `standards_exchange`.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use desk_api::{Api, MINTER, OTHER_API, issued};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use support::expect::RULE;
use support::{AUDIENCE, ISSUER, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{self, GrantLimits};
use tower_impersonate::testing::RecordingSink;
use tower_impersonate::token::StaticKeys;
use tower_impersonate::{ImpersonationLayer, Issuer, policy, resolve};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const CREDENTIALS: [(&str, &str); 2] =
    [("grant_type", "client_credentials"), ("audience", AUDIENCE)];

/// Everything that a client can tell but the time of day.
fn told(seen: &Seen) -> (u16, Vec<(String, String)>, Value) {
    let (status, mut headers, body) = seen.answer();
    headers.retain(|(name, _)| name != "date");
    (status, headers, body)
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    serde_json::from_slice(&decoded.unwrap()).unwrap()
}

async fn plain(api: &Api, path: &str, form: &[(&str, &str)]) -> Seen {
    api.form(path, "plain", api.plain.expose(), form).await
}

fn usual(subject: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", EXCHANGE),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", OTHER_API),
    ]
}

async fn exchange(api: &Api, subject: &str, extra: &[(&str, &str)]) -> Seen {
    let mut form = usual(subject);
    form.retain(|(name, _)| extra.iter().all(|(other, _)| other != name));
    form.extend(extra);
    plain(api, "/oauth2/token", &form).await
}

async fn client_token(api: &Api, id: &str) -> String {
    let secret = if id == "tickets" {
        &api.tickets
    } else {
        &api.plain
    };
    let seen = api
        .form("/oauth2/token", id, secret.expose(), &CREDENTIALS)
        .await;
    seen.body["access_token"].as_str().unwrap().to_owned()
}

/// An error of RFC 6749, section 5.2, and nothing else.
#[track_caller]
fn assert_error(seen: &Seen, status: u16, error: &str) {
    assert_eq!(
        (seen.status.as_u16(), seen.body["error"].as_str()),
        (status, Some(error)),
        "{seen:?}"
    );
    let members: BTreeSet<_> = seen.body.as_object().unwrap().keys().cloned().collect();
    let expected = ["error", "error_description"].map(str::to_owned);
    assert_eq!(members, BTreeSet::from(expected));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(seen.header("pragma"), Some("no-cache"));
    assert_eq!(seen.header("www-authenticate").is_some(), status == 401);
    assert!(!seen.body.to_string().contains("eyJ"), "{seen:?}");
}

fn assert_nothing_issued(api: &Api, grants: usize) {
    assert_eq!(api.desk.events(EventName::Issued), Vec::<Value>::new());
    assert_eq!(api.desk.events(EventName::Started).len(), grants);
}

#[tokio::test]
async fn x1_x2_what_an_exchange_takes_and_what_it_never_takes() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    let client = client_token(&api, "plain").await;
    for (name, _) in usual(&minted) {
        for form in [
            // Not there, empty, twice.
            usual(&minted)
                .into_iter()
                .filter(|(other, _)| *other != name)
                .collect(),
            usual(&minted)
                .into_iter()
                .map(|(other, value)| (other, if other == name { "" } else { value }))
                .collect(),
            usual(&minted)
                .into_iter()
                .flat_map(|pair| vec![pair; 1 + usize::from(pair.0 == name)])
                .collect::<Vec<_>>(),
        ] {
            assert_error(
                &plain(&api, "/oauth2/token", &form).await,
                400,
                "invalid_request",
            );
        }
    }
    // The actor is who it is: a token that names another one is no way to become it.
    for extra in [
        &[
            ("actor_token", &*client),
            ("actor_token_type", ACCESS_TOKEN),
        ][..],
        &[("actor_token", &*client)][..],
        &[("actor_token_type", ACCESS_TOKEN)][..],
        &[("actor", "root")][..],
        &[("actor_token", "")][..],
    ] {
        let seen = exchange(&api, &minted, extra).await;
        assert_error(&seen, 400, "invalid_request");
    }
    assert_nothing_issued(&api, 1);
    assert_eq!(exchange(&api, &minted, &[]).await.status, 200);
}

#[tokio::test]
async fn x3_only_access_tokens_are_taken_and_made() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    let kinds = [
        "access_token",
        "jwt",
        "refresh_token",
        "id_token",
        "saml1",
        "saml2",
        "session",
        "",
    ];
    for kind in kinds {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let good = kind.ends_with(":access_token") || kind.ends_with(":jwt");
        for name in ["subject_token_type", "requested_token_type"] {
            let seen = exchange(&api, &minted, &[(name, &kind)]).await;
            if good {
                assert_eq!(seen.status, 200, "{name} {kind}");
                assert_eq!(seen.body["issued_token_type"], ACCESS_TOKEN);
            } else {
                assert_error(&seen, 400, "invalid_request");
            }
        }
    }
    let seen = exchange(&api, &minted, &[("subject_token_type", "access_token")]).await;
    assert_error(&seen, 400, "invalid_request");
}

#[tokio::test]
async fn x4_o6_the_answer_has_these_members_and_never_a_refresh_token() {
    let api = Api::start().await;
    let scopes = json!({ "scopes": ["a", "b"] });
    let (minted, _) = api.begin(&api.carol(), scopes).await;
    let members = |seen: &Seen| -> BTreeSet<String> {
        assert_eq!(seen.status, 200, "{seen:?}");
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        assert_eq!(seen.header("pragma"), Some("no-cache"));
        assert_eq!(seen.body["token_type"], "Bearer");
        assert!(!seen.body.to_string().contains("refresh"));
        seen.body.as_object().unwrap().keys().cloned().collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let exchanged = exchange(&api, &minted, &[("scope", "a")]).await;
    let expected: BTreeSet<_> = set(&[
        "access_token",
        "expires_in",
        "issued_token_type",
        "scope",
        "token_type",
    ]);
    assert_eq!(members(&exchanged), expected);
    assert_eq!(exchanged.body["scope"], "a");
    let token = exchanged.body["access_token"].as_str().unwrap();
    let until = claims(token)["exp"].as_i64().unwrap() - claims(token)["iat"].as_i64().unwrap();
    assert_eq!(exchanged.body["expires_in"], json!(until));

    let own = plain(&api, "/oauth2/token", &CREDENTIALS).await;
    assert_eq!(
        members(&own),
        set(&["access_token", "expires_in", "token_type"])
    );
    let started = api
        .post(
            "/Alice/impersonate",
            &api.carol(),
            json!({ "audience": AUDIENCE }),
        )
        .await;
    let attributes = started.body["data"]["attributes"].as_object().unwrap();
    let attributes: BTreeSet<String> = attributes.keys().cloned().collect();
    assert_eq!(attributes, set(&["expires_in", "grant", "scope", "token"]));
    let form = [("grant_type", "refresh_token"), ("refresh_token", &minted)];
    let seen = plain(&api, "/oauth2/token", &form).await;
    assert_error(&seen, 400, "unsupported_grant_type");
}

#[tokio::test]
async fn a139_x5_every_error_has_its_code() {
    let api = Api::start().await;
    let scopes = json!({ "scopes": ["a", "b"] });
    let (minted, id) = api.begin(&api.carol(), scopes).await;
    let own = client_token(&api, "tickets").await;
    let parts: Vec<_> = minted.split('.').collect();
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    for (subject, why) in [
        ("x", "no token"),
        (&*id, "the id of its grant"),
        (&own, "a client's own"),
        (&api.carol(), "an admin's own"),
        (&api.desk.alice(), "a user's own"),
        (&unsigned, "without a signature"),
        (&format!("{minted} "), "white space"),
    ] {
        let seen = exchange(&api, subject, &[]).await;
        println!("{why}");
        assert_error(&seen, 400, "invalid_request");
    }
    for (extra, error) in [
        (&[("audience", "elsewhere")][..], "invalid_target"),
        (&[("audience", "*")][..], "invalid_target"),
        (&[("audience", "ORDERS-API")][..], "invalid_target"),
        (&[("audience", "desk-api orders-api")][..], "invalid_target"),
        (&[("resource", AUDIENCE)][..], "invalid_target"),
        (
            &[("resource", "https://elsewhere.example.com")][..],
            "invalid_target",
        ),
        (&[("scope", "a c")][..], "invalid_scope"),
        (&[("scope", "*")][..], "invalid_scope"),
        (&[("scope", "admin")][..], "invalid_scope"),
        (&[("scope", "A")][..], "invalid_scope"),
        (&[("scope", " ")][..], "invalid_scope"),
        (
            &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")][..],
            "unsupported_grant_type",
        ),
        (
            &[("grant_type", "authorization_code")][..],
            "unsupported_grant_type",
        ),
    ] {
        assert_error(&exchange(&api, &minted, extra).await, 400, error);
    }
    // A client asks for itself: no more than it was given.
    for scope in ["tickets:admin", "tickets:read tickets:admin", "*"] {
        let form = [CREDENTIALS[0], CREDENTIALS[1], ("scope", scope)];
        let seen = api
            .form("/oauth2/token", "tickets", api.tickets.expose(), &form)
            .await;
        assert_error(&seen, 400, "invalid_scope");
    }
    for (client, secret) in [("plain", "wrong"), ("nobody", "wrong"), ("", "")] {
        let seen = api
            .form("/oauth2/token", client, secret, &usual(&minted))
            .await;
        assert_error(&seen, 401, "invalid_client");
        assert!(
            seen.header("www-authenticate")
                .unwrap()
                .starts_with("Basic ")
        );
    }
    let seen = plain(&api, "/oauth2/introspect", &[("token", &minted)]).await;
    assert_error(&seen, 403, "unauthorized_client");
    assert_nothing_issued(&api, 1);
    // At the endpoint: a scope beyond the grant that is alive, an audience that nobody has.
    for (body, status) in [
        (json!({ "audience": AUDIENCE, "scopes": ["a", "c"] }), 409),
        (json!({ "audience": AUDIENCE, "mode": "full" }), 409),
        (json!({ "audience": "elsewhere" }), 400),
        (json!({ "audience": ["desk-api"] }), 400),
    ] {
        let seen = api
            .post("/Alice/impersonate", &api.carol(), body.clone())
            .await;
        assert_eq!(seen.status, status, "{body}: {seen:?}");
    }
    assert_nothing_issued(&api, 1);
    let seen = exchange(&api, &minted, &[("scope", "b")]).await;
    assert_eq!(seen.body["scope"], "b");
}

#[tokio::test]
async fn o1_what_is_minted_is_never_more_than_what_it_comes_from() {
    for lives in [30_u64, 300, 7200] {
        for ttl in [10_u64, 600, 100_000] {
            for mode in ["full", "read_only", "scoped"] {
                let api = Api::start().await;
                let carol = { api.desk.token("carol", &["support"]) }
                    .expires_in(Duration::from_secs(lives))
                    .sign();
                let mut order = json!({ "mode": mode, "ttl_seconds": ttl });
                if mode == "scoped" {
                    order["scopes"] = json!(["a", "b"]);
                }
                let (minted, _) = api.begin(&carol, order).await;
                let made = claims(&minted);
                let exchanged = exchange(&api, &minted, &[("scope", "a")]).await;
                let exchanged = claims(exchanged.body["access_token"].as_str().unwrap());
                let own = claims(&carol);
                for made in [&made, &exchanged] {
                    let span = |name: &str| made[name].as_u64().unwrap();
                    let lived = span("exp") - span("iat");
                    assert_eq!(lived, lives.min(ttl).min(900), "{lives} {ttl} {mode}");
                    assert!(span("exp") <= own["exp"].as_u64().unwrap());
                    assert!(made["aud"].is_string(), "one audience: {made}");
                    assert_eq!(made["groups"], json!(["customers", "beta"]), "the target's");
                    assert_eq!(made["act"], json!({ "sub": "carol", "iss": ISSUER }));
                }
                let narrowed = if mode == "read_only" {
                    "read_only"
                } else {
                    "scoped"
                };
                assert_eq!(
                    (&made["mode"], &exchanged["mode"]),
                    (&json!(mode), &json!(narrowed))
                );
                assert_eq!(exchanged["scope"], "a");
            }
        }
    }
}

#[tokio::test]
async fn o2_what_is_bound_to_a_key_is_no_subject_and_no_bearer() {
    let api = Api::start().await;
    for (claim, value) in [
        (
            "cnf",
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        ),
        (
            "cnf",
            json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        ),
    ] {
        let bound = { api.desk.token("carol", &["support"]) }
            .claim(claim, value)
            .sign();
        api.get("/me", &bound).await.assert_refused(401);
        assert_error(&exchange(&api, &bound, &[]).await, 400, "invalid_request");
        assert_eq!(
            api.introspect(&bound).await.body,
            json!({ "active": false })
        );
    }
    api.get("/me", &api.carol())
        .await
        .assert_ran_as("carol", None);
    assert_nothing_issued(&api, 0);
}

#[tokio::test]
async fn o3_no_person_passes_for_a_client_and_no_client_for_a_person() {
    let api = Api::start().await;
    let order = json!({ "audience": AUDIENCE });
    // The policy names the client `tickets` of the minter, and nobody else of that name.
    let own = client_token(&api, "tickets").await;
    let named = api.desk.token("tickets", &["customers"]).sign();
    let machine = { api.desk.token("tickets", &["support"]) }
        .client_id("tickets")
        .sign();
    let plain = client_token(&api, "plain").await;
    for (token, rule) in [
        (&named, None),
        (&machine, Some("machine")),
        (&plain, Some("machine")),
    ] {
        api.desk.sink.clear();
        let seen = api.post("/Alice/impersonate", token, order.clone()).await;
        seen.assert_refused(403);
        let denial = api.desk.denial();
        assert!(rule.is_none_or(|rule| denial[RULE] == rule), "{denial}");
    }
    assert_nothing_issued(&api, 0);
    // A header never makes a client somebody else.
    let request = Request::get(format!("{}/me", api.url))
        .header("authorization", format!("Bearer {own}"))
        .header("impersonate-user", "alice");
    let seen = api.send(request.body(Full::default()).unwrap()).await;
    seen.assert_refused(403);
    assert_eq!(
        api.post("/Alice/impersonate", &own, order).await.status,
        200
    );
    let told = claims(&own);
    assert_eq!(
        (&told["sub"], &told["client_id"]),
        (&json!("tickets"), &json!("tickets"))
    );
}

#[tokio::test]
async fn o4_a_token_in_a_url_is_no_credential_and_none_comes_back_in_one() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    let carol = api.carol();
    for token in [&minted, &carol] {
        for path in ["/me", "/grants", "/Alice/impersonate"] {
            let method = if path.ends_with("impersonate") {
                Method::POST
            } else {
                Method::GET
            };
            let path = format!("{path}?access_token={token}");
            let seen = api.call(method, &path, "", Value::Null).await;
            seen.assert_refused(401);
            assert_eq!(
                seen.header("www-authenticate"),
                Some("Bearer realm=\"api\"")
            );
        }
    }
    let secret = api.auditor.expose();
    for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
        let path = format!("{path}?token={minted}");
        let seen = api
            .form(&path, "auditor", secret, &[("token", &minted)])
            .await;
        assert_error(&seen, 400, "invalid_request");
    }
    assert_eq!(
        api.get("/me", &minted).await.status,
        200,
        "nothing was revoked"
    );
    let started = api
        .post(
            "/Alice/impersonate",
            &carol,
            json!({ "audience": AUDIENCE }),
        )
        .await;
    for seen in [&started, &exchange(&api, &minted, &[]).await] {
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        for name in ["location", "link", "refresh", "set-cookie"] {
            assert_eq!(seen.header(name), None);
        }
    }
}

#[tokio::test]
async fn o5_an_issuer_is_the_one_that_it_says_to_the_last_byte() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    // Signed by the users' issuer, in the name of the minter, and all that looks like it.
    for iss in [
        MINTER.to_owned(),
        format!("{MINTER}/"),
        format!("{MINTER}:443"),
        MINTER.to_uppercase(),
        format!("{MINTER}.evil.example.com"),
        "https://*.example.com".to_owned(),
    ] {
        let mixed = { api.desk.token("alice", &["customers"]) }
            .claim("iss", iss)
            .claim("act", json!({ "sub": "carol", "iss": ISSUER }))
            .claim("grant_id", claims(&minted)["grant_id"].clone())
            .claim("mode", "full")
            .at_jwt()
            .sign();
        api.get("/me", &mixed).await.assert_refused(401);
        assert_error(&exchange(&api, &mixed, &[]).await, 400, "invalid_request");
        assert_eq!(
            api.introspect(&mixed).await.body,
            json!({ "active": false })
        );
    }
    assert_nothing_issued(&api, 1);
    assert_eq!(api.get("/me", &minted).await.status, 200);
}

#[tokio::test]
async fn a127_nobody_passes_the_admins_own_token_on() {
    let api = Api::start().await;
    let carol = api.carol();
    // It cannot be exchanged, and where a header impersonates the handler does not get it.
    assert_error(&exchange(&api, &carol, &[]).await, 400, "invalid_request");
    let request = Request::get(format!("{}/me", api.url))
        .header("authorization", format!("Bearer {carol}"))
        .header("impersonate-user", "alice");
    let seen = api.send(request.body(Full::default()).unwrap()).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert!(!seen.handler_got("authorization"));
    // What goes on is the token for the user, with who really acts in it.
    let (minted, _) = api.begin(&carol, json!({})).await;
    assert!(api.get("/me", &minted).await.handler_got("authorization"));
    let on = exchange(&api, &minted, &[]).await;
    let on = claims(on.body["access_token"].as_str().unwrap());
    assert_eq!(
        (&on["sub"], &on["act"]["sub"]),
        (&json!("alice"), &json!("carol"))
    );
    assert_eq!(on["aud"], OTHER_API);
}

#[tokio::test]
async fn a144_v1_revocation_is_authenticated_and_tells_nothing() {
    let api = Api::start().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let revoke = async |client: &str, secret: &str, form: &[(&str, &str)]| {
        api.form("/oauth2/revoke", client, secret, form).await
    };
    let auditor = api.auditor.expose();
    let token = ("token", &*minted);
    assert_error(
        &revoke("auditor", "wrong", &[token]).await,
        401,
        "invalid_client",
    );
    assert_error(
        &revoke("auditor", auditor, &[]).await,
        400,
        "invalid_request",
    );
    assert_error(
        &revoke("auditor", auditor, &[token, token]).await,
        400,
        "invalid_request",
    );
    let seen = revoke("plain", api.plain.expose(), &[token]).await;
    assert_error(&seen, 403, "unauthorized_client");
    assert_eq!(api.desk.denial()[RULE], "right:grants.revoke");
    assert_eq!(api.get("/me", &minted).await.status, 200, "alive by now");

    let other = Api::start().await;
    let (foreign, _) = other.begin(&other.carol(), json!({})).await;
    let mut answers = Vec::new();
    // Unknown, of others, not a token; then the right one under a wrong hint, and once more.
    for subject in ["garbage", "a.b.c", &foreign, &api.carol(), &"A".repeat(43)] {
        answers.push(told(
            &revoke("auditor", auditor, &[("token", subject)]).await,
        ));
    }
    assert_eq!(api.get("/me", &minted).await.status, 200);
    for hint in ["refresh_token", "access_token", "something"] {
        let form = [token, ("token_type_hint", hint)];
        answers.push(told(&revoke("auditor", auditor, &form).await));
        api.get("/me", &minted).await.assert_refused(401);
    }
    assert_eq!(answers[0].0, 200);
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    let revoked = api.desk.events(EventName::Revoked);
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0]["impersonation.grant.id"], json!(id));
    let own = client_token(&api, "tickets").await;
    let seen = revoke("tickets", api.tickets.expose(), &[("token", &own)]).await;
    assert_error(&seen, 400, "unsupported_token_type");
    let get = api.get("/oauth2/revoke", "").await;
    assert_eq!(
        (get.status.as_u16(), get.header("allow")),
        (405, Some("POST"))
    );
}

/// The minter as another process knows it, by its published keys; asked for every grant, an answer kept that long.
async fn other_service(api: &Api, sink: &RecordingSink, keep: Duration) -> ImpersonationLayer {
    let keys = api.get("/.well-known/jwks.json", "").await.body.to_string();
    let issuer = Issuer::static_keys(MINTER, StaticKeys::jwks(keys));
    let url = format!("{}/oauth2/introspect", api.url);
    ImpersonationLayer::builder()
        .clock(api.desk.clock.clone())
        .issuer(
            issuer
                .audiences([OTHER_API])
                .at_jwt()
                .trust_act()
                .trust_sub_id(),
        )
        .resolve(resolve::act())
        .policy(policy::vouched_by(MINTER))
        .audit(sink.clone())
        .grants(grant::introspect(url, "auditor", api.auditor.expose()).keep(keep))
        .build()
        .unwrap()
}

#[tokio::test]
async fn v2_a_revocation_reaches_every_token_everywhere() {
    let api = Api::start().await;
    let sink = RecordingSink::new();
    let layer = other_service(&api, &sink, Duration::from_secs(2)).await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let exchanged = exchange(&api, &minted, &[]).await;
    let exchanged = exchanged.body["access_token"].as_str().unwrap().to_owned();
    let there = async || api.desk.send(&layer, support::get(&exchanged, &[])).await;
    there().await.assert_ran_as("alice", Some("carol"));
    api.get("/me", &minted)
        .await
        .assert_ran_as("alice", Some("carol"));
    // By the exchanged one: the grant ends, and with it all of its tokens.
    let form = [("token", &*exchanged)];
    let seen = api
        .form("/oauth2/revoke", "auditor", api.auditor.expose(), &form)
        .await;
    assert_eq!(seen.status, 200);
    api.get("/me", &minted).await.assert_refused(401);
    assert_error(&exchange(&api, &minted, &[]).await, 400, "invalid_request");
    let mut seconds = 0;
    while there().await.status == 200 {
        assert!(seconds < 5, "alive after {seconds} s");
        api.advance(1);
        seconds += 1;
    }
    println!("the other service refuses {seconds} s later");
    there().await.assert_refused(401);
    assert_eq!(
        api.desk.events(EventName::Revoked)[0]["impersonation.grant.id"],
        json!(id)
    );
}

#[tokio::test]
async fn v3_of_what_is_not_alive_nothing_else_is_told() {
    let api = Api::start().await;
    let (revoked, revoked_id) = api.begin(&api.carol(), json!({})).await;
    api.post("/grants/stop", &revoked, Value::Null).await;
    let dora = api.desk.token("dora", &["support"]).sign();
    let (expired, expired_id) = api.begin(&dora, json!({ "ttl_seconds": 10 })).await;
    api.advance(75);
    let other = Api::start().await;
    let (foreign, _) = other.begin(&other.carol(), json!({})).await;
    let (alive, id) = api.begin(&api.carol(), json!({})).await;
    let mut answers = Vec::new();
    for subject in [
        &*revoked,
        &revoked_id,
        &expired,
        &expired_id,
        &foreign,
        &api.carol(),
        &api.desk.alice(),
        &"A".repeat(43),
        "garbage",
        "a.b.c",
        &alive[..alive.len() - 1],
        &format!("{alive}A"),
        &id[1..],
    ] {
        answers.push(told(&api.introspect(subject).await));
    }
    assert_eq!(answers[0].0, 200);
    assert_eq!(answers[0].2, json!({ "active": false }));
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    let seen = api
        .form(
            "/oauth2/introspect",
            "auditor",
            "wrong",
            &[("token", &alive)],
        )
        .await;
    assert_error(&seen, 401, "invalid_client");
    let active = api.introspect(&alive).await.body;
    for member in [
        "sub",
        "act",
        "exp",
        "client_id",
        "iss",
        "aud",
        "grant_id",
        "mode",
    ] {
        assert!(active.get(member).is_some(), "{member}: {active}");
    }
}

#[tokio::test]
async fn v4_no_answer_is_kept_beyond_the_end_that_it_tells() {
    let api = Api::with(
        |builder| builder,
        |manage| manage,
        GrantLimits::default().lifetime(Duration::from_secs(3)),
    )
    .await;
    let layer = other_service(&api, &RecordingSink::new(), Duration::from_secs(5)).await;
    let order = json!({ "audience": OTHER_API });
    let (minted, _) = issued(&api.post("/Alice/impersonate", &api.carol(), order).await);
    for (second, status) in [(0, 200), (1, 200), (2, 200), (3, 401), (4, 401)] {
        let seen = api.desk.send(&layer, support::get(&minted, &[])).await;
        assert_eq!(seen.status, status, "after {second} s: {seen:?}");
        api.advance(1);
    }
}
