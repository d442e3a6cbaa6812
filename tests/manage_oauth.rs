//! The endpoints of OAuth 2.0: client credentials, exchange, revocation, introspection, metadata.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::time::Duration;

use desk_api::{Api, MINTER, OTHER_API, issued};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::GrantLimits;
use tower_impersonate::policy;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn token(api: &Api, form: &[(&str, &str)]) -> Seen {
    api.form("/oauth2/token", "tickets", api.tickets.expose(), form)
        .await
}

async fn raw(api: &Api, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let mut request = Request::post(format!("{}{path}", api.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Full::from(body.to_owned())).unwrap())
        .await
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    serde_json::from_slice(&decoded).unwrap()
}

#[tokio::test]
async fn client_credentials_give_a_token_for_the_client_itself() {
    let api = Api::start().await;
    let usual = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let seen = token(&api, &usual).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(seen.body["token_type"], "Bearer");
    assert_eq!(seen.body["expires_in"], 900);
    assert_eq!(seen.body["scope"], "tickets:read tickets:write");
    assert_eq!(seen.body.get("refresh_token"), None);
    let told = claims(seen.body["access_token"].as_str().unwrap());
    assert_eq!(
        (&told["sub"], &told["client_id"], &told["iss"]),
        (&json!("tickets"), &json!("tickets"), &json!(MINTER))
    );

    for (extra, error) in [
        (&[("scope", "tickets:read")][..], None),
        (&[("scope", "admin")][..], Some("invalid_scope")),
        (
            &[("scope", "tickets:read admin")][..],
            Some("invalid_scope"),
        ),
        (&[("audience", "elsewhere")][..], Some("invalid_target")),
        (
            &[("resource", OTHER_API), ("audience", AUDIENCE)][..],
            Some("invalid_target"),
        ),
        (&[("resource", OTHER_API)][..], None),
        (&[][..], Some("invalid_request")),
        (
            &[("audience", AUDIENCE), ("audience", AUDIENCE)][..],
            Some("invalid_request"),
        ),
        (
            &[("audience", AUDIENCE), ("actor", "root")][..],
            Some("invalid_request"),
        ),
        (&[("audience", AUDIENCE), ("something", "else")][..], None),
    ] {
        let mut form = vec![("grant_type", "client_credentials")];
        if extra.iter().all(|(name, _)| *name == "scope") && !extra.is_empty() {
            form.push(("audience", AUDIENCE));
        }
        form.extend(extra);
        let seen = token(&api, &form).await;
        let status = if error.is_some() { 400 } else { 200 };
        assert_eq!(
            (seen.status.as_u16(), seen.body["error"].as_str()),
            (status, error),
            "{extra:?}: {seen:?}"
        );
    }
    for (grant_type, error) in [
        ("password", "unsupported_grant_type"),
        ("authorization_code", "unsupported_grant_type"),
        ("refresh_token", "unsupported_grant_type"),
        ("", "invalid_request"),
    ] {
        let seen = token(&api, &[("grant_type", grant_type)]).await;
        assert_eq!(
            (seen.status.as_u16(), seen.body["error"].as_str()),
            (400, Some(error)),
            "{grant_type}"
        );
    }
}

#[tokio::test]
async fn a_client_proves_itself_in_one_place() {
    let api = Api::start().await;
    use base64::Engine;
    let secret = api.tickets.expose();
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let basic = format!("Basic {}", encode(&format!("tickets:{secret}")));
    let other = format!("Basic {}", encode(&format!("plain:{secret}")));
    let wrong = format!("Basic {}", encode("tickets:wrong"));
    let nobody = format!("Basic {}", encode(&format!("nobody:{secret}")));
    let bearer = format!("Bearer {}", api.carol());
    let grant = format!("grant_type=client_credentials&audience={AUDIENCE}");
    let posted = format!("{grant}&client_id=tickets&client_secret={secret}");
    let form = "application/x-www-form-urlencoded";
    for (headers, path, body, status, error) in [
        (
            vec![("authorization", &*basic)],
            "",
            grant.clone(),
            200,
            None,
        ),
        (vec![], "", posted.clone(), 200, None),
        (
            vec![("authorization", &*basic)],
            "",
            format!("{grant}&client_id=tickets"),
            200,
            None,
        ),
        (
            vec![("authorization", &*basic)],
            "",
            posted.clone(),
            400,
            Some("invalid_request"),
        ),
        (
            vec![("authorization", &*basic)],
            "",
            format!("{grant}&client_id=plain"),
            400,
            Some("invalid_request"),
        ),
        (
            vec![("authorization", &*basic), ("authorization", &*basic)],
            "",
            grant.clone(),
            400,
            Some("invalid_request"),
        ),
        (
            vec![("authorization", &*wrong)],
            "",
            grant.clone(),
            401,
            Some("invalid_client"),
        ),
        (
            vec![("authorization", &*other)],
            "",
            grant.clone(),
            401,
            Some("invalid_client"),
        ),
        (
            vec![("authorization", &*nobody)],
            "",
            grant.clone(),
            401,
            Some("invalid_client"),
        ),
        (
            vec![("authorization", &*bearer)],
            "",
            grant.clone(),
            401,
            Some("invalid_client"),
        ),
        (
            vec![("authorization", "Basic !")],
            "",
            grant.clone(),
            401,
            Some("invalid_client"),
        ),
        (vec![], "", grant.clone(), 401, Some("invalid_client")),
        (
            vec![],
            "",
            format!("{grant}&client_id=tickets"),
            401,
            Some("invalid_client"),
        ),
        (
            vec![("authorization", &*basic)],
            "?audience=x",
            grant.clone(),
            400,
            Some("invalid_request"),
        ),
        (
            vec![("authorization", &*basic)],
            "",
            format!("{grant}&a=%zz"),
            400,
            Some("invalid_request"),
        ),
    ] {
        let mut headers = headers;
        headers.push(("content-type", form));
        let seen = raw(&api, &format!("/oauth2/token{path}"), &headers, &body).await;
        assert_eq!(
            (seen.status.as_u16(), seen.body["error"].as_str()),
            (status, error),
            "{headers:?} {body}: {seen:?}"
        );
        if status == 401 {
            assert!(
                seen.header("www-authenticate")
                    .unwrap()
                    .starts_with("Basic ")
            );
        }
    }
    let json = raw(
        &api,
        "/oauth2/token",
        &[
            ("authorization", &basic),
            ("content-type", "application/json"),
        ],
        "{}",
    )
    .await;
    assert_eq!(
        (json.status.as_u16(), &json.body["error"]),
        (400, &json!("invalid_request"))
    );
    let long = format!("{grant}&x={}", "y".repeat(17_000));
    let long = raw(
        &api,
        "/oauth2/token",
        &[("authorization", &basic), ("content-type", form)],
        &long,
    )
    .await;
    assert_eq!(long.status, 413);
}

#[tokio::test]
async fn failures_of_a_client_are_limited_and_lock_nobody_out() {
    let api = Api::start().await;
    let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let mut last = 0;
    for _ in 0..31 {
        let seen = api.form("/oauth2/token", "tickets", "wrong", &form).await;
        last = seen.status.as_u16();
    }
    assert_eq!(last, 429);
    assert_eq!(token(&api, &form).await.status, 200);
    assert_eq!(
        api.form("/oauth2/token", "plain", "wrong", &form)
            .await
            .status,
        401
    );
}

async fn exchange(api: &Api, subject: &str, extra: &[(&str, &str)]) -> Seen {
    let mut form = vec![
        ("grant_type", EXCHANGE),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    form.extend(extra);
    api.form("/oauth2/token", "plain", api.plain.expose(), &form)
        .await
}

#[tokio::test]
async fn an_exchanged_token_goes_on_under_the_same_grant_and_is_never_wider() {
    let api = Api::start().await;
    let (minted, id) = api
        .begin(&api.carol(), json!({ "scopes": ["a", "b"], "reason": "r" }))
        .await;
    let seen = exchange(&api, &minted, &[("audience", OTHER_API)]).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(
        (&seen.body["token_type"], seen.body.get("refresh_token")),
        (&json!("Bearer"), None)
    );
    let (before, after) = (
        claims(&minted),
        claims(seen.body["access_token"].as_str().unwrap()),
    );
    for same in [
        "sub", "sub_id", "act", "grant_id", "mode", "scope", "exp", "iss",
    ] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(
        (&after["aud"], &after["grant_id"]),
        (&json!(OTHER_API), &json!(id))
    );
    assert_ne!(before["jti"], after["jti"]);
    let issued = &api.desk.events(EventName::Issued)[0];
    assert_eq!(issued["impersonation.actor.sub"], "carol");
    assert_eq!(issued["impersonation.reason"], "r");

    let narrow = exchange(&api, &minted, &[("resource", OTHER_API), ("scope", "a")]).await;
    assert_eq!(narrow.body["scope"], "a");
    let narrow = narrow.body["access_token"].as_str().unwrap().to_owned();
    let back = exchange(&api, &narrow, &[("audience", OTHER_API), ("scope", "a b")]).await;
    assert_eq!(back.body["error"], "invalid_scope");
    assert_eq!(
        api.desk.events(EventName::Started).len(),
        1,
        "an exchange starts nothing"
    );
}

#[tokio::test]
async fn what_cannot_be_exchanged() {
    let api = Api::start().await;
    let (minted, id) = api
        .begin(&api.carol(), json!({ "mode": "read_only" }))
        .await;
    let client = token(
        &api,
        &[("grant_type", "client_credentials"), ("audience", AUDIENCE)],
    )
    .await;
    let client = client.body["access_token"].as_str().unwrap().to_owned();
    let to = [("audience", OTHER_API)];
    for (what, subject, error) in [
        ("the admin's own", &api.carol(), "invalid_request"),
        ("a client's own", &client, "invalid_request"),
        ("garbage", &"x.y.z".to_owned(), "invalid_request"),
        ("a grant's id", &id, "invalid_request"),
        ("nothing", &String::new(), "invalid_request"),
    ] {
        let seen = exchange(&api, subject, &to).await;
        assert_eq!(
            (seen.status.as_u16(), seen.body["error"].as_str()),
            (400, Some(error)),
            "{what}"
        );
    }
    for (extra, error) in [
        (vec![("actor_token", &*client)], "invalid_request"),
        (
            vec![(
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:refresh_token",
            )],
            "invalid_request",
        ),
        (vec![("audience", "elsewhere")], "invalid_target"),
        (vec![], "invalid_request"),
    ] {
        let seen = exchange(&api, &minted, &extra).await;
        assert_eq!(
            (seen.status.as_u16(), seen.body["error"].as_str()),
            (400, Some(error)),
            "{extra:?}"
        );
    }
    assert_eq!(exchange(&api, &minted, &to).await.status, 200);
    // Read-only stays read-only, whatever scopes are asked for.
    let scoped = exchange(&api, &minted, &[("audience", OTHER_API), ("scope", "a")]).await;
    assert_eq!(
        claims(scoped.body["access_token"].as_str().unwrap())["mode"],
        "read_only"
    );
    api.post("/grants/stop", &minted, Value::Null).await;
    assert_eq!(
        exchange(&api, &minted, &to).await.body["error"],
        "invalid_request"
    );
}

#[tokio::test]
async fn an_exchange_is_another_decision() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let off = std::sync::Arc::new(AtomicBool::new(false));
    let switch = std::sync::Arc::clone(&off);
    let policy = policy::custom(move |_| match switch.load(Ordering::SeqCst) {
        true => policy::Ruling::deny("switched off"),
        false => policy::Ruling::allow(),
    });
    let api = Api::with(
        |builder| builder.replacing().policy(policy),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    off.store(true, Ordering::SeqCst);
    let seen = exchange(&api, &minted, &[("audience", OTHER_API)]).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["error"]),
        (400, &json!("invalid_request"))
    );
    assert_eq!(api.desk.denial()["impersonation.deny.rule"], "switched off");
}

async fn revoke(api: &Api, client: &str, subject: &str) -> (u16, Option<String>) {
    let secret = match client {
        "auditor" => &api.auditor,
        "tickets" => &api.tickets,
        _ => &api.plain,
    };
    let seen = api
        .form(
            "/oauth2/revoke",
            client,
            secret.expose(),
            &[("token", subject)],
        )
        .await;
    (
        seen.status.as_u16(),
        seen.body["error"].as_str().map(str::to_owned),
    )
}

#[tokio::test]
async fn a_token_that_has_expired_ends_the_grant_behind_it() {
    let api = Api::start().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let mut forged = minted.clone();
    let last = forged.pop();
    forged.push(if last == Some('A') { 'Q' } else { 'A' });
    api.desk.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(api.get("/me", &minted).await.status, 401, "it has expired");
    let lives = async || {
        let found = api.grants.find(&id.parse().unwrap()).await.unwrap();
        found.unwrap().state().end.is_none()
    };
    assert!(lives().await, "and its grant goes on");

    assert_eq!(
        revoke(&api, "plain", &minted).await,
        (403, Some("unauthorized_client".into()))
    );
    assert_eq!(revoke(&api, "auditor", &forged).await, (200, None));
    assert!(lives().await, "whoever can revoke needs the token");
    assert_eq!(revoke(&api, "auditor", &minted).await, (200, None));
    assert!(!lives().await);
}

#[tokio::test]
async fn a_token_without_a_grant_that_has_expired_is_revoked_already() {
    let api = Api::start().await;
    let order = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let client = token(&api, &order).await;
    let client = client.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(revoke(&api, "tickets", &client).await.0, 400, "it counts");
    api.desk.clock.advance(Duration::from_secs(2 * 3600));
    for asking in ["tickets", "plain"] {
        assert_eq!(revoke(&api, asking, &client).await, (200, None));
    }
    assert!(api.desk.events(EventName::Denied).is_empty());
}

#[tokio::test]
async fn who_revokes_a_token() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    assert_eq!(
        revoke(&api, "plain", &minted).await,
        (403, Some("unauthorized_client".into()))
    );
    assert_eq!(api.get("/me", &minted).await.status, 200);
    assert_eq!(
        api.desk.denial()["impersonation.deny.rule"],
        "right:grants.revoke"
    );
    for garbage in ["garbage", "a.b.c"] {
        assert_eq!(revoke(&api, "plain", garbage).await, (200, None));
    }
    assert_eq!(revoke(&api, "auditor", &minted).await, (200, None));
    assert_eq!(api.get("/me", &minted).await.status, 401);
    assert_eq!(revoke(&api, "auditor", &minted).await, (200, None), "twice");
    assert_eq!(revoke(&api, "plain", "").await.0, 400);

    let client = token(
        &api,
        &[("grant_type", "client_credentials"), ("audience", AUDIENCE)],
    )
    .await;
    let client = client.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        revoke(&api, "tickets", &client).await,
        (400, Some("unsupported_token_type".into()))
    );
    let (own, id) = api.begin(&client, json!({})).await;
    assert_eq!(revoke(&api, "tickets", &own).await, (200, None));
    let found = api
        .grants
        .find(&id.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        found.state().end.as_ref().unwrap().reason.as_str(),
        "stopped"
    );
}

#[tokio::test]
async fn introspection_tells_what_is_alive_and_nothing_of_what_is_not() {
    let api = Api::start().await;
    let order = json!({ "reason": "r", "ticket": "T-1", "mode": "read_only" });
    let (minted, id) = api.begin(&api.carol(), order).await;
    let told = api.introspect(&minted).await;
    assert_eq!(told.status, 200, "{told:?}");
    for (name, value) in [
        ("active", json!(true)),
        ("iss", json!(MINTER)),
        ("sub", json!("alice")),
        ("aud", json!(AUDIENCE)),
        ("act", json!({ "iss": ISSUER, "sub": "carol" })),
        (
            "sub_id",
            json!({ "format": "iss_sub", "iss": ISSUER, "sub": "alice" }),
        ),
        ("grant_id", json!(id)),
        ("mode", json!("read_only")),
        ("token_type", json!("Bearer")),
        ("reason", json!("r")),
        ("ticket", json!("T-1")),
        ("started_at", json!("2023-11-14T22:13:20.000000000Z")),
        ("client_id", json!("test-client")),
        ("exp", claims(&minted)["exp"].clone()),
        ("iat", claims(&minted)["iat"].clone()),
        ("jti", claims(&minted)["jti"].clone()),
    ] {
        assert_eq!(told.body[name], value, "{name}");
    }
    let grant = api.introspect(&id).await.body;
    assert_eq!(
        (&grant["active"], &grant["sub"], &grant["mode"]),
        (&json!(true), &json!("alice"), &json!("read_only"))
    );

    let unknown = "A".repeat(43);
    for other in [&*api.carol(), "garbage", &unknown] {
        assert_eq!(
            api.introspect(other).await.body,
            json!({ "active": false }),
            "{other}"
        );
    }
    api.post("/grants/stop", &minted, Value::Null).await;
    for ended in [&minted, &id] {
        assert_eq!(api.introspect(ended).await.body, json!({ "active": false }));
    }
    for (client, secret) in [("plain", &api.plain), ("tickets", &api.tickets)] {
        let seen = api
            .form(
                "/oauth2/introspect",
                client,
                secret.expose(),
                &[("token", &minted)],
            )
            .await;
        assert_eq!(
            (seen.status.as_u16(), &seen.body["error"]),
            (403, &json!("unauthorized_client"))
        );
    }
    assert_eq!(
        api.form(
            "/oauth2/introspect",
            "auditor",
            "wrong",
            &[("token", &minted)]
        )
        .await
        .status,
        401
    );
}

#[tokio::test]
async fn the_metadata_name_what_is_there() {
    let api = Api::start().await;
    let seen = api.get("/.well-known/oauth-authorization-server", "").await;
    assert_eq!(seen.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(seen.body["issuer"], MINTER);
    assert_eq!(
        seen.body["token_endpoint"],
        format!("{MINTER}/oauth2/token")
    );
    assert_eq!(
        seen.body["jwks_uri"],
        format!("{MINTER}/.well-known/jwks.json")
    );
    assert_eq!(seen.body["response_types_supported"], json!([]));
    let keys = api.get("/.well-known/jwks.json", "").await;
    assert_eq!(keys.body["keys"].as_array().unwrap().len(), 1);
    assert!(!keys.body.to_string().contains("\"d\""));
    let begun = api
        .post(
            "/Alice/impersonate",
            &api.carol(),
            json!({ "audience": AUDIENCE }),
        )
        .await;
    assert_eq!(claims(&issued(&begun).0)["iss"], seen.body["issuer"]);
}
