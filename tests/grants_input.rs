//! What is said at the routes of grants, and what is kept of it: paths and methods, names, bodies, configuration,
//! damaged records, tokens that were tampered with.
//!
//! The rows that are left out are listed at the head of `grants_life.rs`.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/shop.rs"]
mod shop;
#[cfg(feature = "sqlite")]
#[path = "support/sinks.rs"]
mod sinks;
mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use desk_api::{Api, MINTER};
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use shop::{Acting, Shop, grants};
use support::{AUDIENCE, Desk};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{self, GrantLimits, Grants};
use tower_impersonate::manage::Manage;
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::policy;
use tower_impersonate::rejection::Rejection;
use tower_impersonate::token::Algorithm;
use tracing_subscriber::layer::SubscriberExt;

fn order() -> Value {
    json!({ "audience": AUDIENCE })
}

#[tokio::test]
async fn s1_s2_s3_s5_s6_s7_s17_h13_l7_a_path_and_a_method_match_as_a_whole() {
    let acting = Acting::usual().await;
    let api = &acting.api;
    let id = &acting.id;
    let (started, ended) = ("/Bob/impersonate", "/grants/stop");
    for (method, path, status) in [
        (Method::GET, started.to_owned(), 405),
        (Method::PUT, started.to_owned(), 405),
        (Method::HEAD, started.to_owned(), 405),
        (Method::POST, format!("/foo{started}"), 404),
        (Method::POST, format!("{started}/"), 404),
        (Method::POST, format!("{started}/x"), 404),
        // Parameters of a segment are part of it, and not of nothing.
        (Method::POST, format!("{started};jsessionid=1"), 404),
        (
            Method::POST,
            "/Bob;jsessionid=1/impersonate".to_owned(),
            403,
        ),
        (Method::GET, ended.to_owned(), 405),
        (Method::DELETE, ended.to_owned(), 405),
        (Method::POST, format!("/foo{ended}"), 404),
        (Method::POST, format!("{ended}/"), 404),
        (Method::POST, "/grants/Stop".to_owned(), 405),
        (Method::POST, format!("{ended};jsessionid=1"), 405),
        (Method::GET, format!("/grants/{id}/extend"), 405),
        (Method::POST, format!("/grants/{id}"), 405),
        (Method::PATCH, format!("/grants/{id}"), 405),
    ] {
        for token in [&api.carol(), &acting.minted] {
            if path.contains("Bob;") && *token == acting.minted {
                continue;
            }
            let seen = api.call(method.clone(), &path, token, Value::Null).await;
            let with_body = status == 403 || status == 400;
            let seen = match with_body {
                true => api.call(method.clone(), &path, token, order()).await,
                false => seen,
            };
            assert_eq!(seen.status, status, "{method} {path}: {seen:?}");
        }
    }
    acting.assert_acts().await;
    assert_eq!(grants(api).await, 1);
    let seen = api.post(started, &api.carol(), order()).await;
    assert_eq!(seen.status, 409, "it is the route: {seen:?}");
    assert_eq!(
        api.post(ended, &acting.minted, Value::Null).await.status,
        204
    );
    acting.assert_ended("stopped").await;
}

/// A matcher of one's own is a router of one's own.
#[tokio::test]
async fn s4_s8_the_routes_match_where_they_are_mounted_and_nowhere_else() {
    let api = Api::start().await;
    let app = axum::Router::new().nest("/desk", api.manage.routes());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let ask = |path: &str, token: &str, body: Value| {
        let request = Request::post(format!("{url}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()));
        api.send(request.unwrap())
    };
    assert_eq!(
        ask("/Alice/impersonate", &api.carol(), order())
            .await
            .status,
        404
    );
    let seen = ask("/desk/Alice/impersonate", &api.carol(), order()).await;
    let (minted, _) = desk_api::issued(&seen);
    assert_eq!(ask("/grants/stop", &minted, json!({})).await.status, 404);
    assert_eq!(api.get("/me", &minted).await.status, 200);
    assert_eq!(
        ask("/desk/grants/stop", &minted, json!({})).await.status,
        204
    );
    assert_eq!(api.get("/me", &minted).await.status, 401);
    task.abort();
}

#[tokio::test]
async fn s13_s30_h9_without_a_name_nothing_starts() {
    let api = Api::start().await;
    for (path, status) in [
        ("//impersonate", 400),
        ("/%20/impersonate", 403),
        ("/%00/impersonate", 400),
        ("/impersonate", 404),
        ("/users//impersonate", 400),
        ("/users/impersonate", 403),
        ("/null/impersonate", 403),
    ] {
        let seen = api.post(path, &api.carol(), order()).await;
        assert_eq!(seen.status, status, "{path}: {seen:?}");
        assert!(seen.body.get("data").is_none());
    }
    // Named beside the path it is not named either.
    for body in [
        json!({ "username": "Alice" }),
        json!({ "target": "alice" }),
        json!({ "sub": "alice" }),
    ] {
        let seen = api.post("//impersonate", &api.carol(), body).await;
        assert_eq!(seen.status, 400);
    }
    assert_eq!(grants(&api).await, 0);
    assert!(api.desk.events(EventName::Started).is_empty());
    assert_eq!(
        api.post("/Alice/impersonate", &api.carol(), order())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn s31_a_responder_of_ones_own_answers_and_nothing_is_kept() {
    let respond = |rejection: &Rejection, _: &http::request::Parts| {
        let answer = Response::builder()
            .status(418)
            .header("x-kind", rejection.kind().as_str());
        answer.body(Bytes::from_static(b"our own words")).unwrap()
    };
    let api = Api::with(
        |builder| builder.respond(respond),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    for (name, token, kind) in [
        ("Dave", api.carol(), "forbidden"),
        ("Nobody", api.carol(), "forbidden"),
        ("Carol", api.carol(), "one_self"),
        ("Alice", String::new(), "missing_credential"),
    ] {
        let seen = api
            .post(&format!("/{name}/impersonate"), &token, order())
            .await;
        assert_eq!(
            (seen.status.as_u16(), &seen.body),
            (418, &json!("our own words")),
            "{name}"
        );
        assert_eq!(seen.header("x-kind"), Some(kind), "{name}");
    }
    assert_eq!(grants(&api).await, 0);
    assert_eq!(api.desk.events(EventName::Denied).len(), 3);
}

#[tokio::test]
async fn a_refusal_of_a_route_says_once_by_what_it_varies() {
    let api = Api::start().await;
    let eve = api.desk.token("eve", &[]).sign();
    for (token, status) in [(&eve, 403), (&String::new(), 401)] {
        let seen = api.post("/Alice/impersonate", token, order()).await;
        assert_eq!(seen.status, status);
        assert_eq!(seen.headers.get_all("vary").iter().count(), 1, "{seen:?}");
    }
}

#[test]
fn s16_l3_p13_what_could_not_work_is_an_error_before_any_request() {
    let desk = Desk::new();
    let minter = Minter::builder(MINTER)
        .key(SigningKey::generate(Algorithm::EdDSA).unwrap())
        .audiences([AUDIENCE])
        .build()
        .unwrap();
    let with = |limits: GrantLimits| {
        desk.bare()
            .issuer(desk.accepted())
            .grants(Grants::with_limits(grant::memory(), limits))
            .mint(&minter)
    };
    let usual = || with(GrantLimits::default());
    let support = || policy::in_group("support");
    let second = Duration::from_secs(1);
    for (what, builder) in [
        ("no policy", usual()),
        (
            "a group of an unknown issuer",
            usual().policy(support().of("https://typo.example.com")),
        ),
        (
            "no lifetime",
            with(GrantLimits::default().lifetime(Duration::ZERO)).policy(support()),
        ),
        (
            "too long",
            with(GrantLimits::default().lifetime(86_401 * second)).policy(support()),
        ),
        (
            "shorter than itself",
            with(GrantLimits::default().longest(second)).policy(support()),
        ),
        (
            "no idle time",
            with(GrantLimits::default().idle(Duration::ZERO)).policy(support()),
        ),
        (
            "none for machines",
            with(GrantLimits::default().per_machine(0)).policy(support()),
        ),
        (
            "forgotten at once",
            with(GrantLimits::default().keep_ended(second)).policy(support()),
        ),
    ] {
        let error = builder.build().err().unwrap_or_else(|| panic!("{what}"));
        assert!(!error.to_string().is_empty(), "{what}");
    }
    let layer = usual().policy(support()).build().unwrap();
    assert!(Manage::builder(&layer).build().is_ok());
    let nobody = tower_impersonate::ImpersonationLayer::builder()
        .issuer(desk.accepted())
        .audit(desk.sink.clone())
        .policy(policy::allow_all())
        .grants(Grants::new(grant::memory()))
        .mint(&minter)
        .build()
        .unwrap();
    assert!(
        Manage::builder(&nobody).build().is_err(),
        "nobody to look up"
    );
}

/// What a token says, changed, under its own signature and under others.
fn tampered(token: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<_> = token.split('.').collect();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("{}.{payload}.{}", parts[0], parts[2])
    };
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    signature[0] ^= 1;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    vec![
        ("another user", with("sub", json!("bob"))),
        (
            "another actor",
            with("act", json!({ "iss": support::ISSUER, "sub": "root" })),
        ),
        ("no actor", with("act", Value::Null)),
        ("another grant", with("grant_id", json!("A".repeat(43)))),
        ("no grant", with("grant_id", Value::Null)),
        ("another mode", with("mode", json!("root"))),
        ("longer", with("exp", json!(4_000_000_000_u64))),
        ("unsigned", format!("{unsigned}.{}.", parts[1])),
        (
            "another signature",
            format!("{}.{}.{signature}", parts[0], parts[1]),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("cut", token[..token.len() - 1].to_owned()),
    ]
}

#[tokio::test]
async fn p25_what_is_wrong_with_a_token_is_told_to_the_log_alone() {
    let log = trace::Log::default();
    let _default = trace::scoped(tracing_subscriber::registry().with(log.json_layer()));
    let acting = Acting::usual().await;
    let api = &acting.api;
    acting.assert_acts().await;
    let mut refused = tampered(&acting.minted);
    // By a minter of the same name that nobody trusts.
    let other = Api::start().await;
    let (foreign, _) = other.begin(&other.carol(), json!({})).await;
    refused.push(("of a minter of that name", foreign));
    let (replayed, _) = api.begin(&api.carol(), json!({ "replace": true })).await;
    assert_eq!(
        api.post("/grants/stop", &replayed, Value::Null)
            .await
            .status,
        204
    );
    refused.push(("replayed after the end", replayed));
    let mut answers = HashSet::new();
    let logged = |from: usize| -> Vec<String> {
        let lines = log.json().into_iter().skip(from);
        let rejected = lines.filter(|line| line["fields"]["message"] == "rejected");
        rejected
            .map(|line| line["fields"]["cause"].to_string())
            .collect()
    };
    let mut causes = HashSet::new();
    for (what, token) in &refused {
        let (ran, before) = (acting.shop.ran(), log.json().len());
        let seen = acting.shop.get(token).await;
        seen.assert_refused(401);
        assert_eq!(acting.shop.ran(), ran, "{what}");
        let challenge = seen
            .header("www-authenticate")
            .unwrap_or_default()
            .to_owned();
        answers.insert((seen.body.to_string(), challenge));
        causes.extend(logged(before));
        // Neither starts, nor stops, nor tells anything.
        for path in ["/Bob/impersonate", "/grants/stop"] {
            assert_eq!(
                api.post(path, token, Value::Null).await.status,
                401,
                "{what} {path}"
            );
        }
        let told = api.introspect(token).await;
        assert_eq!(told.body, json!({ "active": false }), "{what}");
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(causes.len() >= 3, "the log tells them apart: {causes:?}");
}

#[cfg(feature = "sqlite")]
mod kept {
    use super::*;
    use shop::assert_both;
    use sinks::Folder;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};

    async fn acting(folder: &Folder) -> Acting {
        let grants = Grants::new(grant::sqlite(folder.path().join("grants.sqlite")));
        let api = Api::at(Desk::new(), grants, |builder| builder, |manage| manage).await;
        Acting::begun(api, json!({ "reason": "case 4711" })).await
    }

    async fn run(folder: &Folder, sql: &str) {
        let options = SqliteConnectOptions::new().filename(folder.path().join("grants.sqlite"));
        let mut db = options.connect().await.unwrap();
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    }

    #[tokio::test]
    async fn p12_p14_a_record_that_was_damaged_lets_nobody_act_and_everybody_be_itself() {
        let set = |what: &str| format!("UPDATE ti_grant SET start = {what}");
        for damage in [
            set("''"),
            set("'null'"),
            set("'[]'"),
            set("substr(start, 1, 100)"),
            set("replace(start, '\"v\":1', '\"v\":99')"),
            set("replace(start, '\"sub\":\"carol\"', '\"sub\":[1,2]')"),
            set("replace(start, '\"carol\"', '\"root\"')"),
            set("replace(start, '\"alice\"', '\"root\"')"),
            set("replace(start, 'https://issuer.example.com', 'https://elsewhere.example.com')"),
            set("replace(start, '\"full\"', '\"everything\"')"),
            "UPDATE ti_grant SET deadline = -1".to_owned(),
            "DELETE FROM ti_grant".to_owned(),
        ] {
            let folder = Folder::new();
            let acting = acting(&folder).await;
            acting.assert_acts().await;
            let ran = acting.shop.ran();
            run(&folder, &damage).await;
            let seen = acting.shop.get(&acting.minted).await;
            assert!(
                !seen.ran && [401, 503].contains(&seen.status.as_u16()),
                "{damage}: {seen:?}"
            );
            assert_eq!(acting.shop.ran(), ran, "{damage}");
            let told = acting.api.introspect(&acting.minted).await;
            assert_ne!(told.body["active"], true, "{damage}: {told:?}");
            let stopped = acting
                .api
                .post("/grants/stop", &acting.minted, Value::Null)
                .await;
            assert!(
                [204, 401, 503].contains(&stopped.status.as_u16()),
                "{damage}: {stopped:?}"
            );
            let carol = acting.api.carol();
            let own = acting.shop.get(&carol).await;
            own.assert_ran_as("carol", None);
        }
    }

    #[tokio::test]
    async fn p27_no_token_is_kept_and_a_grant_has_256_bits() {
        let folder = Folder::new();
        let acting = acting(&folder).await;
        acting.assert_acts().await;
        assert_eq!(URL_SAFE_NO_PAD.decode(&acting.id).unwrap().len(), 32);
        let parts: Vec<_> = acting.minted.split('.').collect();
        let mut looked_at = 0;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let has = |text: &str| {
                bytes
                    .windows(text.len())
                    .any(|there| there == text.as_bytes())
            };
            assert!(!has(parts[1]) && !has(parts[2]));
            looked_at += usize::from(has("case 4711"));
        }
        assert!(looked_at > 0, "the grant is in these files");
        let told = Value::from(acting.api.desk.sink.events()).to_string();
        assert!(!told.contains(parts[1]) && !told.contains(parts[2]));
        // What is under way ends with it.
        let going = acting.shop.open("/ticks", &acting.minted).await;
        let erin = acting.api.security();
        let path = format!("/grants/{}", acting.id);
        let since = std::time::Instant::now();
        let ended = acting
            .api
            .call(Method::DELETE, &path, &erin, Value::Null)
            .await;
        assert_eq!(ended.status, 204);
        going.cut(since).await;
        acting.assert_over().await;
        let told = acting.assert_ended("revoked").await;
        assert_both(&told);
    }
}

#[tokio::test]
async fn incident_a19_a_header_beside_ones_own_token_names_no_grant() {
    let acting = Acting::usual().await;
    let shop = Shop::behind(acting.api.layer.clone()).await;
    let dora = acting.api.desk.token("dora", &["support"]).sign();
    for name in ["grant-id", "impersonate-grant", "x-grant-id", "cookie"] {
        let value = match name {
            "cookie" => format!("__Host-impersonation={}", acting.id),
            _ => acting.id.clone(),
        };
        let seen = shop
            .call(Method::GET, "/me", &dora, &[(name, &value)])
            .await;
        seen.assert_ran_as("dora", None);
    }
}
