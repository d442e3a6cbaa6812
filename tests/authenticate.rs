//! Who is let in: credentials, and the modes of the layer.
//!
//! A-14 by an extractor of a test's own: the layer itself reads no cookie.

mod support;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::json;
use support::{Desk, get, tell};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::token::{BearerHeader, ExtractToken, Extraction};

const PLAIN: Option<&str> = Some(r#"Bearer realm="api""#);

const MALFORMED: Option<&str> = Some(r#"Bearer realm="api", error="invalid_request""#);

const INVALID: Option<&str> = Some(r#"Bearer realm="api", error="invalid_token""#);

/// The desk's layer in both modes: one that needs a credential, one that does not.
fn modes(desk: &Desk) -> [ImpersonationLayer; 2] {
    [
        desk.layer(),
        desk.builder().anonymous(|| ()).build().unwrap(),
    ]
}

fn with_authorization(values: &[&[u8]]) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    for value in values {
        let value = HeaderValue::from_bytes(value).unwrap();
        request.headers_mut().append("authorization", value);
    }
    request
}

#[tokio::test]
async fn a01_without_a_credential_the_challenge_has_no_error_code() {
    let desk = Desk::new();
    let seen = desk.send(&desk.layer(), with_authorization(&[])).await;
    seen.assert_challenge(401, PLAIN);
    assert_eq!(seen.kind(), RejectionKind::MissingCredential);
    desk.assert_silent();
}

#[tokio::test]
async fn a02_two_authorization_headers_are_400_whichever_is_good() {
    let desk = Desk::new();
    let good = format!("Bearer {}", desk.carol());
    let (good, bad) = (good.as_bytes(), &b"Bearer x"[..]);
    for layer in modes(&desk) {
        for pair in [[good, bad], [bad, good], [good, good], [b"Basic x", good]] {
            let seen = desk.send(&layer, with_authorization(&pair)).await;
            seen.assert_challenge(400, MALFORMED);
        }
    }
}

#[tokio::test]
async fn a03_the_scheme_is_taken_in_any_case() {
    let desk = Desk::new();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", desk.carol());
        let seen = desk
            .send(&desk.layer(), with_authorization(&[value.as_bytes()]))
            .await;
        seen.assert_ran_as("carol", None);
    }
}

/// Each of these is no credential of ours at all, in both modes.
async fn assert_malformed(desk: &Desk, values: &[Vec<u8>]) {
    for layer in modes(desk) {
        for value in values {
            let seen = desk.send(&layer, with_authorization(&[value])).await;
            seen.assert_challenge(400, MALFORMED);
            assert_eq!(seen.kind(), RejectionKind::MalformedCredential);
        }
    }
    desk.assert_silent();
    desk.as_carol(&desk.layer(), &[])
        .await
        .assert_ran_as("carol", None);
}

#[tokio::test]
async fn a04_white_space_around_the_token_is_400_in_every_mode() {
    let desk = Desk::new();
    let token = desk.carol();
    let values = [
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} "),
        format!("Bearer {token}\t"),
        format!("Bearer \u{a0}{token}"),
    ];
    assert_malformed(&desk, &values.map(String::into_bytes)).await;
}

#[tokio::test]
async fn a05_two_credentials_that_a_proxy_joined_are_400_in_every_mode() {
    let desk = Desk::new();
    let token = desk.carol();
    let values = [
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},Bearer {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer {token},"),
        format!("Bearer ,{token}"),
        format!("Bearer,{token}"),
        format!("Bearer {token}, Basic YTpi"),
    ];
    assert_malformed(&desk, &values.map(String::into_bytes)).await;
}

#[tokio::test]
async fn a06_a_scheme_without_a_token_is_400_in_every_mode() {
    let values = ["Bearer", "Bearer ", "bearer", "Bearer  "];
    assert_malformed(&Desk::new(), &values.map(|value| value.as_bytes().to_vec())).await;
}

#[tokio::test]
async fn a07_another_scheme_is_401_without_a_code_in_every_mode() {
    let desk = Desk::new();
    for layer in modes(&desk) {
        for value in [
            "Basic YTpi",
            "DPoP a.b.c",
            "Negotiate",
            "Bearerx",
            "Token t",
            "Digest username=\"J\u{f6}rg\"",
        ] {
            let seen = desk
                .send(&layer, with_authorization(&[value.as_bytes()]))
                .await;
            seen.assert_challenge(401, PLAIN);
            assert_eq!(seen.kind(), RejectionKind::OtherScheme);
        }
    }
}

#[tokio::test]
async fn a08_bytes_outside_ascii_are_400_in_every_mode() {
    let desk = Desk::new();
    let token = desk.carol();
    let with = |byte: u8| [b"Bearer ", token.as_bytes(), &[byte]].concat();
    let values = [
        with(0x80),
        with(0xa0),
        with(0xff),
        [b"Bearer \xff", token.as_bytes()].concat(),
        "Bearer \u{fc}".into(),
        format!("Bearer {token}\u{2028}").into(),
        format!("Bearer {}", token.replacen('e', "\u{435}", 1)).into(),
    ];
    assert_malformed(&desk, &values).await;
}

#[tokio::test]
async fn a09_a_tab_inside_the_token_is_400_in_every_mode() {
    let desk = Desk::new();
    let token = desk.carol();
    let values = [
        format!("Bearer {}", token.replacen('.', "\t.", 1)),
        format!("Bearer {}", token.replacen('.', ".\t", 2)),
        format!("Bearer {token}\t{token}"),
    ];
    assert_malformed(&desk, &values.map(String::into_bytes)).await;
}

#[tokio::test]
async fn a10_a_token_beyond_the_limit_is_refused_before_it_is_decoded() {
    let desk = Desk::new();
    for length in [8193, 400_000] {
        let seen = desk
            .send(&desk.layer(), get(&"a".repeat(length), &[]))
            .await;
        seen.assert_challenge(401, INVALID);
        assert_eq!(seen.cause(), "token is too long");
    }
    let token = desk.carol();
    for (limit, status) in [(token.len(), 200), (token.len() - 1, 401)] {
        let layer = desk.builder().max_token_bytes(limit).build().unwrap();
        let seen = desk.send(&layer, get(&token, &[])).await;
        assert_eq!(seen.status, status);
    }
}

/// A token that stands here is none: 401 where one is needed, nobody where none is.
async fn assert_not_looked_at(desk: &Desk, uri: &str, name: &str, value: &str) {
    let [needed, optional] = modes(desk);
    let request = || {
        let body = Full::from(format!("access_token={}", desk.carol()));
        let request = Request::post(uri).header(name, value);
        request.body(body).unwrap()
    };
    let seen = desk.send(&needed, request()).await;
    seen.assert_challenge(401, PLAIN);
    assert_eq!(seen.kind(), RejectionKind::MissingCredential, "{name}");
    let seen = desk.send(&optional, request()).await;
    assert!(seen.ran && seen.body["anonymous"] == true, "{name}");
    desk.assert_silent();
}

#[tokio::test]
async fn a11_a_token_in_query_body_or_cookie_is_not_looked_at() {
    let desk = Desk::new();
    let token = desk.carol();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let uri = format!("/?access_token={token}&token={token}");
    assert_not_looked_at(&desk, &uri, form.0, form.1).await;
    let cookie = format!("access_token={token}; token={token}; authorization=Bearer {token}");
    assert_not_looked_at(&desk, "/", "cookie", &cookie).await;
}

#[tokio::test]
async fn a12_a_token_in_another_header_is_not_looked_at() {
    let desk = Desk::new();
    let bearer = format!("Bearer {}", desk.carol());
    for name in [
        "proxy-authorization",
        "x-forwarded-authorization",
        "x-original-authorization",
        "authorization_",
        "x-authorization",
        "x-amzn-oidc-accesstoken",
        "sec-websocket-protocol",
    ] {
        assert_not_looked_at(&desk, "/", name, &bearer).await;
    }
}

#[tokio::test]
async fn a14_a_header_and_a_cookie_are_400_where_an_extractor_reads_both() {
    fn both(parts: &Parts) -> Extraction<'_> {
        let text = |name: &str| parts.headers.get(name).map(HeaderValue::to_str);
        let cookie = match text("cookie") {
            None => None,
            Some(Ok(cookie)) => cookie.strip_prefix("__Host-token="),
            Some(Err(_)) => return Extraction::Malformed,
        };
        match (BearerHeader.extract(parts), cookie) {
            (found, None) => found,
            (Extraction::Absent, Some(token)) => Extraction::Found(token.into()),
            _ => Extraction::Malformed,
        }
    }
    let desk = Desk::new();
    let token = desk.carol();
    let cookie = format!("__Host-token={token}");
    for builder in [desk.builder(), desk.builder().anonymous(|| ())] {
        let layer = builder.extract_token(both).build().unwrap();
        let seen = desk.send(&layer, get(&token, &[("cookie", &cookie)])).await;
        seen.assert_challenge(400, MALFORMED);
        assert_eq!(seen.kind(), RejectionKind::MalformedCredential);
        desk.assert_silent();
        let alone = Request::get("/").header("cookie", &cookie);
        let seen = desk
            .send(&layer, alone.body(Full::default()).unwrap())
            .await;
        seen.assert_ran_as("carol", None);
        desk.as_carol(&layer, &[("cookie", "theme=dark")])
            .await
            .assert_ran_as("carol", None);
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Name(String);

#[tokio::test]
async fn optional_mode_lets_anonymous_requests_through_with_their_mapped_guest() {
    let desk = Desk::new();
    let layer = desk
        .builder()
        .map_principal(|principal| Name(principal.subject().to_owned()))
        .anonymous(|| Name("guest".to_owned()))
        .build()
        .unwrap();
    let name_of = async |request| {
        let service = tower::Layer::layer(
            &layer,
            tower::service_fn(|request: Request<Full<Bytes>>| async move {
                let Name(name) = request.extensions().get::<Name>().unwrap();
                let body = json!({ "name": name, "told": tell(&request) }).to_string();
                Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(body))))
            }),
        );
        support::send(service, request).await.body
    };
    let anonymous = name_of(with_authorization(&[])).await;
    assert_eq!(anonymous["name"], "guest");
    assert!(
        anonymous["told"]
            .as_str()
            .unwrap()
            .contains(r#""anonymous":true"#)
    );
    let carol = name_of(get(&desk.carol(), &[])).await;
    assert_eq!(carol["name"], "carol");
    let alice = name_of(get(&desk.carol(), &[("impersonate-user", "alice")])).await;
    assert_eq!(alice["name"], "alice");
}

#[tokio::test]
async fn a_bad_token_is_401_in_every_mode() {
    let desk = Desk::new();
    for layer in modes(&desk) {
        let seen = desk.send(&layer, get("a.b.c", &[])).await;
        seen.assert_challenge(401, INVALID);
    }
    desk.assert_silent();
}

#[tokio::test]
async fn incident_a2_an_impersonation_header_without_a_valid_credential_is_401_in_every_mode() {
    let desk = Desk::new();
    for layer in modes(&desk) {
        for name in [
            "impersonate-user",
            "impersonate-group",
            "impersonate-issuer",
            "impersonate-reason",
            "impersonate_user",
            "Impersonate_Group",
        ] {
            let bare = Request::get("/").header(name, "alice");
            let seen = desk.send(&layer, bare.body(Full::default()).unwrap()).await;
            seen.assert_challenge(401, PLAIN);
        }
        let seen = desk
            .send(&layer, get("a.b.c", &[("impersonate-user", "alice")]))
            .await;
        seen.assert_challenge(401, INVALID);
    }
    desk.assert_silent();
}

fn preflight() -> Request<Full<Bytes>> {
    Request::options("/orders")
        .header("origin", "https://shop.example.com")
        .header("access-control-request-method", "GET")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn a13_a_preflight_passes_only_where_configured_and_never_with_a_principal() {
    let desk = Desk::new();
    desk.send(&desk.layer(), preflight())
        .await
        .assert_refused(401);

    let layer = desk.builder().skip_preflight().build().unwrap();
    let seen = desk.send(&layer, preflight()).await;
    assert!(seen.ran && seen.body["sub"].is_null() && seen.body["anonymous"].is_null());

    let changes: [fn(&mut Request<Full<Bytes>>); 4] = [
        |request| *request.method_mut() = Method::GET,
        |request| drop(request.headers_mut().remove("origin")),
        |request| {
            let headers = request.headers_mut();
            headers.remove("access-control-request-method");
        },
        |request| {
            let user = HeaderValue::from_static("alice");
            request.headers_mut().insert("impersonate-user", user);
        },
    ];
    for change in changes {
        let mut request = preflight();
        change(&mut request);
        desk.send(&layer, request).await.assert_refused(401);
    }
    let mut bad = preflight();
    bad.headers_mut()
        .insert("authorization", HeaderValue::from_static("Bearer a.b.c"));
    desk.send(&layer, bad).await.assert_challenge(401, INVALID);
}

#[tokio::test]
async fn an_extractor_of_ones_own_replaces_the_header() {
    let desk = Desk::new();
    fn extract(parts: &Parts) -> Extraction<'_> {
        match parts.headers.get("x-token").map(HeaderValue::to_str) {
            None => Extraction::Absent,
            Some(Ok("panic")) => panic!("the extractor panics"),
            Some(Ok(token)) => Extraction::Found(token.into()),
            Some(Err(_)) => Extraction::Malformed,
        }
    }
    let layer = desk.builder().extract_token(extract).build().unwrap();
    let sent = async |name: &str, value: &[u8]| {
        let value = HeaderValue::from_bytes(value).unwrap();
        let request = Request::get("/").header(name, value);
        desk.send(&layer, request.body(Full::default()).unwrap())
            .await
    };
    let token = desk.carol();
    sent("x-token", token.as_bytes())
        .await
        .assert_ran_as("carol", None);
    sent("x-token", b"\xff")
        .await
        .assert_challenge(400, MALFORMED);
    sent("x-token", b"panic").await.assert_refused(503);
    let bearer = format!("Bearer {token}");
    sent("authorization", bearer.as_bytes())
        .await
        .assert_challenge(401, PLAIN);
}
